"""Lines of the log: escaped whatever alerts say, and never the end of the service."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hostile_names import NAMES, assert_harmless

ROOT = Path(__file__).parents[3]

SERVICE = """
import json, sys
import structlog
from broker import logs
logs.configure("info", sys.argv[1])
log = structlog.get_logger()
names = json.loads(sys.argv[2])
for name in names:
    log.info("a message that cannot be read", object=name, list=[name], of={"a": name}, error=ValueError(name))
try:
    password = "s3cr3t"
    raise ValueError("\\x1b[2J\\nforged")
except ValueError:
    log.exception("trouble")
log.debug("not shown")
print(json.dumps({"dropped": logs.STDERR.dropped}))
"""


def serve(form, names=("615",), redirect="", **streams):
    code = f'exec "$0" -W error -c "$1" {form} "$2" {redirect}'
    command = ["/bin/sh", "-c", code, sys.executable, SERVICE, json.dumps(list(names))]
    return subprocess.run(command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, timeout=60, **streams)


@pytest.mark.parametrize("form", ["console", "json"])
def test_hostile_names_are_escaped_in_both_forms(form):
    done = serve(form, NAMES.values(), stderr=subprocess.PIPE)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"dropped": 0})
    lines = done.stderr.splitlines()
    for name, line in zip(NAMES.values(), lines, strict=False):
        assert "a message that cannot be read" in line
        if form == "json":
            found = json.loads(line)
            for shown in (found["object"], found["list"][0], found["of"]["a"], found["error"]):
                assert_harmless(shown[:900], name)
        else:
            assert line.isprintable(), ascii(line)
    assert len(lines) >= len(NAMES) + 1


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_is_one_event_and_prints_no_variables(form):
    done = serve(form, stderr=subprocess.PIPE)
    assert "\x1b" not in done.stderr
    assert "\\x1b[2J" in done.stderr
    assert 's3cr3t"' not in done.stderr.replace('password = "s3cr3t"', "")
    assert not any(line.startswith("forged") for line in done.stderr.splitlines())
    if form == "json":
        assert "ValueError" in json.loads(done.stderr.splitlines()[-1])["exception"]


@pytest.mark.parametrize("redirect", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize("form", ["console", "json"])
def test_a_log_that_cannot_be_written_ends_nothing_and_is_counted(form, redirect):
    done = serve(form, redirect=redirect)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"dropped": 2})


def test_nor_does_a_broken_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    done = serve("json", stderr=writing)
    os.close(writing)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"dropped": 2})
