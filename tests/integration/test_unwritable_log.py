"""A worker whose log cannot be written works on, and a command ends with the same exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.alerts import record, wire
from tests.support.service import Service


@pytest.mark.parametrize("redirect", ["2>/dev/full", "2>&-"])
def test_poison_messages_do_not_end_a_worker_that_cannot_log_them(
    kafka, redis_url, topic_prefix, tmp_path, monkeypatch, redirect
):
    command = ("/bin/sh", "-c", f'exec "$0" -m broker.commands.main run {redirect}', sys.executable)
    service = Service(kafka, redis_url, topic_prefix, tmp_path, command=command)
    service.create_topics(monkeypatch, partitions=1)
    worker = service.worker().await_ready()
    try:
        service.send([("615", b"no Avro"), ("615", wire(record())), ("615", b"\x1b[2J")])
        found = service.collect(3)
        assert (len(found["classifications"]), len(found["dead-letters"])) == (1, 2)
        assert worker.ask("/livez")[0] == 200
        assert worker.stop() == 0
        assert worker.log() == ""
    finally:
        service.close()


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full", "2>/dev/null >&-"])
def test_exit_codes_are_the_same_where_nothing_can_be_said(redirect):
    command = f'exec "$0" -m broker.commands.main reconcile --since yesterday {redirect}'
    root = Path(__file__).parents[2]
    done = subprocess.run(["/bin/sh", "-c", command, sys.executable], cwd=root, check=False, timeout=60)
    assert done.returncode == 2
