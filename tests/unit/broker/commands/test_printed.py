"""Classifications for programs: JSON that every reader takes, and a container file that is whole or not there."""

import json
import math
from datetime import UTC, datetime

import fastavro
import pytest

from broker.commands.printed import avro_file, json_line
from broker.errors import StartupError
from schemas.catalogue import load
from tests.support.hostile_names import NAMES, assert_harmless


def record(name="615", **changes):
    when = datetime(2026, 11, 23, tzinfo=UTC)
    told = {
        "alertId": 7,
        "objectId": name,
        "survey": "ztf",
        "mjd": 60_000.5,
        "ra": None,
        "dec": None,
        "observations": 3,
    }
    found = {"classifications": [{"classId": 90, "probability": 0.75}], "priors": "balanced", "p99": 0.0}
    flag = {"anomalyScore": 2.5, "anomaly": True, "classifierName": "none", "classifierVersion": "d"}
    times = {"brokerVersion": "0", "ingestTimestamp": when, "publishTimestamp": when}
    return told | found | flag | times | changes


def test_numbers_that_are_none_are_null_times_are_ms_and_ids_are_text():
    told = json.loads(json_line(record(alertId=170_000_000_000_000_001, anomalyScore=math.nan)))
    assert told["alertId"] == "170000000000000001"
    assert told["anomalyScore"] is None
    assert told["publishTimestamp"] == 1_795_392_000_000
    assert told["classifications"] == [{"classId": 90, "probability": 0.75}]
    assert json.loads(json_line({"candid": 2**60, "a": [{"b": b"\x01"}]})) == {"candid": str(2**60), "a": [{"b": "01"}]}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_hostile_names_are_escaped_and_read_back(name):
    line = json_line(record(name))
    assert json.loads(line)["objectId"] == name
    assert line.isascii()
    assert "\n" not in line
    if len(name) < 1_000 and "\\" not in name and '"' not in name and "\x1b" not in name:
        assert_harmless(line, name)


def test_a_container_is_there_once_it_is_whole(tmp_path):
    path = tmp_path / "all.avro"
    with avro_file(path) as sheet:
        for i in range(2_000):
            sheet.write(record(alertId=i))
        assert not path.exists()
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        assert [one["alertId"] for one in reader] == list(range(2_000))
        assert reader.writer_schema["name"] == load("classification")["name"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_container_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "all.avro"
    path.write_text("before")
    with (
        pytest.raises(StartupError, match=r"no classification of ours \(no value .*\); take --format jsonl"),
        avro_file(path) as sheet,
    ):
        list(map(sheet.write, [record(), {}]))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_said_before_anything_is_read(tmp_path):
    with (
        pytest.raises(StartupError, match=r"cannot be written \(No such file or directory\); name another file"),
        avro_file(tmp_path / "missing" / "a.avro"),
    ):
        pass
