"""A server's folder and its guard, without the server."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from broker.embedded import EmbeddedKafka, EmbeddedValkey, guard
from broker.embedded.server import temporary_folder
from broker.errors import StartupError

QUIET = Console(quiet=True)
OWNER = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
print(child.stdout.readline().decode(), flush=True)
time.sleep(60)
"""


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_folder_that_cannot_be_used_is_one_sentence():
    server = EmbeddedValkey(QUIET)
    server.folder = Path(os.devnull) / "below"
    with pytest.raises(StartupError, match=r"Valkey cannot use .* \(Not a directory\); free the disk, or name another"):
        server.start()


def test_no_temporary_folder_at_all_is_one_sentence(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [os.devnull])
    with pytest.raises(StartupError, match="no folder takes temporary files"):
        temporary_folder()


def test_kafkas_data_lies_in_its_folder_whatever_that_is_called(tmp_path):
    server = EmbeddedKafka(QUIET)
    server.folder = tmp_path / "é, x"
    server.folder.mkdir()
    server.prepare()
    properties = (server.folder / "server.properties").read_text()
    assert "log.dirs=data\n" in properties
    assert properties.isascii()


@pytest.mark.parametrize("folder", [True, False])
def test_the_guard_ends_what_it_holds_when_its_owner_is_killed(tmp_path, folder):
    kept = tmp_path / "data"
    kept.mkdir()
    command = [sys.executable, "-I", "-S", guard.__file__, str(kept) if folder else guard.NO_FOLDER, "sleep", "60"]
    with subprocess.Popen([sys.executable, "-c", OWNER, *command], stdout=subprocess.PIPE, text=True) as owner:
        pid = int(owner.stdout.readline())
        assert not gone(pid)
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while not gone(pid) or kept.exists() is folder:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("code", "said"), [("exit 7", 7), ("kill -TERM $$", 128 + signal.SIGTERM)])
def test_the_guard_ends_with_the_exit_code_of_what_it_holds(code, said):
    command = [sys.executable, "-I", "-S", guard.__file__, guard.NO_FOLDER, "/bin/sh", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.wait(30) == said
