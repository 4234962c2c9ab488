"""Commands in whatever streams the shell gives them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
CLOSED = """
import os, socket, sys
from broker.commands import streams
streams.mend()
first = socket.socket()
assert first.fileno() > 2, "a socket in the place of standard error would get its lines"
print("still here", file=sys.stderr)
print("out")
assert sys.stdin.read() == ""
from broker.logs import STDERR
sys.exit(10 + STDERR.dropped)
"""


def shell(redirect, *arguments, encoding="utf-8"):
    command = ["/bin/sh", "-c", f'exec "$0" "$@" {redirect}', sys.executable, *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "300"},
    )


@pytest.mark.parametrize(
    ("redirect", "dropped"),
    [("</dev/null", 0), ("<&- 2>&-", 1), (">&- 2>&- <&-", 1), ("</dev/null 2>/dev/full", 1), (">&- </dev/null", 0)],
)
def test_closed_and_full_streams_end_nothing_and_nobody_takes_their_place(redirect, dropped):
    done = shell(redirect, "-c", CLOSED)
    assert done.returncode == 10 + dropped, done.stderr


def test_standard_output_that_is_not_utf_8_gets_the_numbers_of_letters():
    code = "from broker.commands import streams; streams.mend(); print('█ é ✓')"
    assert shell("", "-c", code, encoding="ascii").stdout == "\\u2588 \\xe9 \\u2713\n"
