"""A real Prometheus and its promtool: those that are installed, or those of Debian's package, brought by apt-get.

`apt-get download` and `dpkg-deb` need no root, and apt looks at the package's signature. Where neither is to be had the
tests that need them fail with the reason: nothing is skipped.
"""

import fcntl
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import pytest
import yaml

from broker.embedded.jars import cache_folder
from broker.embedded.ports import HOST, free_port
from broker.embedded.server import Server

PROGRAMS = ("prometheus", "promtool")
PATIENCE_S = 240.0


@cache
def program(name: str) -> str:
    """The path of one of PROGRAMS."""
    if all(map(shutil.which, PROGRAMS)):
        return str(shutil.which(name))
    folder = cache_folder() / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be bringing it
        if not all((folder / "usr/bin" / one).is_file() for one in PROGRAMS):
            bring(folder)
    return str(folder / "usr/bin" / name)


def bring(folder: Path) -> None:
    """Debian's package into a folder, with lists of packages of its own where apt has none."""
    if not all(map(shutil.which, ("apt-get", "dpkg-deb"))):
        pytest.fail("install prometheus and promtool 2.42 or newer: they are not here, nor is apt-get", pytrace=False)
    with TemporaryDirectory(dir=folder) as name:
        partial = Path(name)
        own = ["-o", f"Dir::State::Lists={partial}/lists", "-o", f"Dir::Cache={partial}/cache"]
        download = ["download", "-o", "APT::Sandbox::User=", "prometheus"]
        if run(["apt-get", *download], partial).returncode:
            (partial / "lists" / "partial").mkdir(parents=True)
            run(["apt-get", *own, "-o", "APT::Sandbox::User=", "update"], partial)
            if (done := run(["apt-get", *own, *download], partial)).returncode:
                pytest.fail(f"apt-get does not bring prometheus: {done.stdout[-2000:]}", pytrace=False)
        (package,) = partial.glob("prometheus_*.deb")
        done = run(["dpkg-deb", "-x", str(package), "whole"], partial)
        assert done.returncode == 0, done.stdout
        (partial / "whole" / "usr").replace(folder / "usr")  # there whole, or not at all


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What a program says, errors among it."""
    out = subprocess.STDOUT
    return subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=out, text=True, check=False, timeout=PATIENCE_S
    )


class Prometheus(Server):
    """A Prometheus on loopback that scrapes some workers every second.

    Args:
        targets: host:port of each.
        rules: a file of rules, or none.
    """

    name = "Prometheus"
    start_timeout_s = 60.0

    def __init__(self, targets: list[str], rules: str = "") -> None:
        super().__init__()
        self.targets, self.rules, self.port = targets, rules, 0

    def prepare(self) -> None:
        """A port, and its configuration."""
        self.port = free_port()
        (self.folder / "rules.yml").write_text(self.rules or "groups: []")
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "misweeper", "static_configs": [{"targets": self.targets}]}],
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))

    def command(self) -> list[str]:
        """The server in the foreground."""
        return [
            program("prometheus"),
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address={HOST}:{self.port}",
        ]

    def answers(self) -> bool:
        """It has read its configuration."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/-/ready", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path: str, **wanted: str) -> dict:
        """What its interface answers; a refusal is an answer too."""
        try:
            with urllib.request.urlopen(
                f"http://{HOST}:{self.port}/api/v1/{path}?{urlencode(wanted)}", timeout=10
            ) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)

    def query(self, expression: str) -> list[dict]:
        """The series that an expression gives now."""
        answer = self.ask("query", query=expression)
        assert answer["status"] == "success", (expression, answer)
        return answer["data"]["result"]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {a["labels"]["alertname"] for a in self.ask("alerts")["data"]["alerts"] if a["state"] == "firing"}
