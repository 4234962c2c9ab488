"""The image's recipe: linted, pinned, without rights, and each of its steps finds what it names."""

import re
import subprocess
from fnmatch import fnmatch

import pytest

from broker.config import Http
from tests.support.deployed import DEPLOY, PINNED, ROOT, image_environment, parsed, ran, settings_of, tool

TEXT = (DEPLOY / "Dockerfile").read_text()
LAST = TEXT.rpartition("\nFROM ")[2]
PORT = Http.model_fields["port"].default


def names_in(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9][\w.-]*)==", lock, re.MULTILINE))


def test_hadolint_finds_nothing():
    assert ran(tool("hadolint"), "--no-color", "deploy/Dockerfile") == ""


def test_each_image_it_begins_with_is_pinned_to_its_last_number():
    arguments = dict(re.findall(r"^ARG (\w+)=(.+)$", TEXT, re.MULTILINE))
    images = [
        re.sub(r"\$\{(\w+)\}", lambda m: arguments[m[1]], name)
        for name in re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)
    ]
    assert len(images) == 2
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_it_runs_as_nobody_and_downloads_nothing_by_itself():
    assert re.findall(r"^USER (.+)$", LAST, re.MULTILINE) == ["65534:65534"]
    assert not re.search(r"^ADD |\b(curl|wget|apt-get|sudo)\b", TEXT, re.MULTILINE)


def test_whatever_is_installed_has_its_digest_but_torch_for_cpus():
    installs = [line for line in TEXT.splitlines() if re.search(r"pip install |\$uv ", line) and "uv=" not in line]
    without = [line for line in installs if "--require-hashes" not in line and "--build-constraints" not in line]
    assert len(installs) == 5
    assert without == []
    (torch,) = (line for line in installs if "torch.lock" in line)
    assert "${TORCH_SHA256:+--require-hashes}" in torch


def test_for_cpus_all_is_installed_but_torch_and_what_serves_gpus():
    (program,) = re.findall(r"awk '(.+)' service.lock", TEXT)
    lock = (DEPLOY / "service.lock").read_text()
    left_out = names_in(lock) - names_in(ran("awk", program, "deploy/service.lock"))
    assert {"torch", "triton"} < left_out
    assert {n for n in left_out if not n.startswith(("nvidia-", "cuda-"))} == {"torch", "triton"}
    (pattern,) = re.findall(r"grep -oE '(.+)' service.lock", TEXT)
    assert ran("grep", "-oE", pattern, "deploy/service.lock").strip() in lock


@pytest.mark.parametrize("source", re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE))
def test_each_file_it_copies_is_there_and_sent_to_the_builder(source):
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    sent = [line[1:] for line in ignored if line.startswith("!")]
    for name in source.split():
        assert (ROOT / name).exists()
        assert any(fnmatch(name, pattern) for pattern in sent), name


def test_its_environment_is_a_configuration():
    settings = settings_of(image_environment())
    assert (settings.http.host, settings.http.port, settings.log.form) == ("0.0.0.0", PORT, "json")
    assert str(settings.registry.cache).startswith("/tmp/")


def test_it_exposes_and_asks_the_port_that_misweeper_answers_on():
    assert re.findall(r"^EXPOSE (.+)$", LAST, re.MULTILINE) == [str(PORT)]
    assert re.findall(r"http://[^']+", LAST) == [f"http://127.0.0.1:{PORT}/livez"]


def test_it_runs_the_service():
    (command,) = re.findall(r'^CMD \["(\w+)"\]$', LAST, re.MULTILINE)
    assert parsed([command]).info_name == "run"


def test_the_entrypoint_is_a_program():
    assert (DEPLOY / "entrypoint.sh").stat().st_mode & 0o111
    subprocess.run(["sh", "-n", DEPLOY / "entrypoint.sh"], check=True)
