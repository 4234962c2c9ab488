"""Calls of librdkafka's admin client that end the process where a group's coordinator goes away meanwhile (2.16)."""

import re
from pathlib import Path

BROKER = Path(__file__).parents[4] / "broker"
ENDS_THE_PROCESS = r"\.(list_consumer_group_offsets|describe_consumer_groups)\("
MAY_END = "web/census.py"  # a process of its own, which the page starts again
IMPORTED = r"(import census|web\.census import)"


def test_none_is_made_but_in_a_process_that_may_end():
    found = [
        str(path.relative_to(BROKER)) for path in BROKER.rglob("*.py") if re.search(ENDS_THE_PROCESS, path.read_text())
    ]
    assert found == [MAY_END]


def test_the_one_that_may_end_is_imported_by_nobody():
    assert naming(IMPORTED) == []


def naming(pattern):
    return [path for path in BROKER.rglob("*.py") if re.search(pattern, path.read_text())]
