"""`misweeper demo` ends whole: whatever ends it, no process and no data stay behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.support.service import eventually

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "broker.commands.main", "demo", "--alerts", "200", "--rate", "1000")
FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # as a disk that is full
from broker.commands.main import main
sys.argv = ["misweeper", "demo", "--alerts", "10"]
main()
"""


def environment(folder, **more):
    return os.environ | {"TMPDIR": str(folder), "COLUMNS": "300"} | more


def processes_of(folder):
    """The demo, its service, its servers and their guards: what has this TMPDIR."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def ended(folder, out, *options, **more):
    """What a demo has summed up, and printed, that ran to its end with all alerts published."""
    done = subprocess.run(
        [*COMMAND, *options, "--json", str(out)],
        cwd=ROOT,
        env=environment(folder, **more),
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(out.read_text())
    assert (summary["published"], summary["dead_letters"], summary["clean"]) == (200, 0, True)
    return summary, done.stdout


def test_a_folder_with_commas_and_accents_leaves_no_data_behind_and_the_shells_servers_are_not_used(tmp_path):
    folder = tmp_path / "é, x"
    folder.mkdir()
    elsewhere = {
        "MISWEEPER_KAFKA__SECURITY_PROTOCOL": "sasl_ssl",
        "MISWEEPER_KAFKA__TOPICS": "^others.*",
        "MISWEEPER_REDIS__CLUSTER": "true",
        "MISWEEPER_OUTPUTS__CLASSIFICATIONS": "others",
        "MISWEEPER_HTTP__HOST": "192.0.2.1",
        "MISWEEPER_PORT": "tcp://10.0.0.1:9464",
        "LC_ALL": "C",
    }
    summary, stdout = ended(folder, tmp_path / "summary.json", **elsewhere)
    assert set(summary["surveys"]) == {"plasticc", "ztf"}
    assert sum(its["published"] for its in summary["surveys"].values()) == 200
    assert "every offset has one fate" in stdout
    assert list(folder.iterdir()) == []
    eventually(lambda: not processes_of(folder))


def test_the_packets_of_every_survey_are_answered_in_one_service(tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    summary, _ = ended(folder, tmp_path / "summary.json", "--survey", "all")
    counted = {name: its["published"] for name, its in summary["surveys"].items()}
    assert set(counted) == {"plasticc", "rubin", "ztf", "elasticc"}
    assert (sum(counted.values()), min(counted.values()) > 0) == (200, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda s: s.name)
def test_no_process_and_no_data_outlive_a_demo_that_is_ended(tmp_path, number):
    log = tmp_path / "log"
    folder = tmp_path / "tmp"
    folder.mkdir()
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*COMMAND, "--stay"], cwd=ROOT, env=environment(folder), stdout=out, stderr=out, start_new_session=True
        ) as demo,
    ):
        eventually(lambda: "Staying up" in log.read_text() or demo.poll() is not None, 240)
        before = processes_of(folder)
        assert any("run" in process.cmdline() for process in before), log.read_text()[-3000:]
        assert len(before) >= 8, "the demo, the service, the page, two servers, and a guard for each of the four"
        address = re.search(r"http://127\.0\.0\.1:\d+(?!\d*/)", log.read_text()).group()
        with urllib.request.urlopen(address + "/api/objects", timeout=30) as answer:
            assert len(json.load(answer)["objects"]) > 10, "the page shows what the demo classified"
        demo.send_signal(number)
        demo.wait(60)
    assert demo.returncode == (-number if number == signal.SIGKILL else 128 + number)
    eventually(lambda: not processes_of(folder), 30)
    eventually(lambda: not list(folder.iterdir()), 30)


def test_an_output_that_cannot_be_written_is_said_before_a_server_starts(tmp_path):
    began = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "--json", str(tmp_path / "missing" / "summary.json")],
        cwd=ROOT,
        env=environment(tmp_path),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "cannot be written (No such file or directory); name another file" in done.stderr
    assert "starting" not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert time.monotonic() - began < 30


def test_a_full_disk_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL],
        cwd=ROOT,
        env=environment(tmp_path),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines() == [
        "misweeper: no folder takes temporary files; free the disk, or name a folder in TMPDIR"
    ]
