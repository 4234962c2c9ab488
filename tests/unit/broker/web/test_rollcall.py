import sys

import pytest

from broker.web.crew import Crew, Waiting, Worker
from broker.web.rollcall import RollCall
from tests.support.service import eventually

TWO = Crew(1.0, (Worker("a", "h", ("t[0]", "t[1]")), Worker("b", "h")), 7, "", {"t[0]": 7}, Waiting(3.5, at_least=True))


@pytest.fixture
def roll(tmp_path):
    """Listens to a process that tells of a crew and is then aborted, as librdkafka does it; the second stays."""
    once = tmp_path / "once"
    code = f"""
import os, pathlib, sys, time
print(sys.argv[1], flush=True)
once = pathlib.Path({str(once)!r})
if not once.exists():
    once.write_text("")
    os.abort()
print(sys.argv[2], flush=True)
time.sleep(600)
"""
    one = Crew(2.0, TWO.workers[:1], 0, "", {})
    found = RollCall((sys.executable, "-c", code, TWO.line(), one.line()), again_s=0.01)
    found.start()
    yield found
    found.stop()


def test_a_crew_is_the_same_after_it_was_a_line():
    assert Crew.of(TWO.line()) == TWO


def test_a_census_that_is_aborted_is_started_again_and_the_page_goes_on(roll):
    eventually(lambda: len(roll.crew.workers) == 1, 30)
    assert roll.crew.trouble == ""


def test_a_trouble_keeps_who_was_there_last(tmp_path):
    code = "import sys, time\nprint(sys.argv[1])\nprint(sys.argv[2], flush=True)\ntime.sleep(600)"
    roll = RollCall((sys.executable, "-c", code, TWO.line(), Crew(trouble="no Kafka").line()), again_s=0.01)
    roll.start()
    try:
        eventually(lambda: roll.crew.trouble == "no Kafka", 30)
        assert roll.crew.workers == TWO.workers
    finally:
        roll.stop()
