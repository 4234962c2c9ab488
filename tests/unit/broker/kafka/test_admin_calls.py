"""Calls of librdkafka's admin client that end the process where a group's coordinator goes away meanwhile (2.16)."""

import re
from pathlib import Path

BROKER = Path(__file__).parents[4] / "broker"
ENDS_THE_PROCESS = r"\.(list_consumer_group_offsets|describe_consumer_groups)\("


def test_no_code_of_the_service_makes_one():
    found = [str(path) for path in BROKER.rglob("*.py") if re.search(ENDS_THE_PROCESS, path.read_text())]
    assert found == []
