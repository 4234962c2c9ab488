"""Framings of the packets that are made, read back by the service's own reader."""

import json

import pytest

from broker.config import Settings
from broker.errors import StartupError
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.packets.formats import formats_of
from broker.packets.reader import AlertReader
from broker.replays.makers import FRAMED_MAKERS, FRAMINGS, MAKERS, maker, schema_of
from broker.replays.packet import number_for
from tests.support.replayed import curve


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("survey", FRAMED_MAKERS)
def test_every_framing_says_the_same(tmp_path, monkeypatch, survey, framing):
    file = tmp_path / "schema.avsc"
    file.write_text(schema_of(survey))
    pinned = {"topics": "alerts", "framing": framing.replace("-", "_"), "schema_file": str(file)}
    monkeypatch.setenv("MISWEEPER_PACKETS__FORMATS", json.dumps([pinned]))
    found = []
    for formats, how in ((formats_of(Settings.load()), framing), (formats_of(Settings()), None)):
        packets = maker(survey, how)(curve("0110"))
        messages = [Message("alerts", 0, i, 0, one.key, one.value) for i, one in enumerate(packets)]
        if how is None:
            messages = [message._replace(topic="others") for message in messages]
        read = AlertReader(1_000_000, formats)(Batch.of(messages))
        assert not read.poisons
        found.append((read.alerts.rows.tolist(), read.alerts.objects, read.alerts.alert_ids.tolist()))
    assert found[0] == found[1]


def test_a_name_has_its_own_number_only_where_no_other_name_has_it():
    names = ["7", "07", "007", "0", "00", "1"]
    numbers = [number_for(name, 2**53) for name in names]
    assert (numbers[0], numbers[-1]) == (7, 1)
    assert len(set(numbers)) == len(names)
    assert 0 not in numbers


@pytest.mark.parametrize("survey", MAKERS)
def test_objects_named_by_digits_alone_stay_apart_and_are_read(survey):
    names = ["7", "007", "0"]
    packets = [one for name in names for one in maker(survey)(curve("110", objectId=name))]
    messages = [Message("lsst-alerts", 0, i, 0, one.key, one.value) for i, one in enumerate(packets)]
    if survey == "native":
        messages = [message._replace(topic="alerts") for message in messages]
    read = AlertReader(1_000_000, formats_of(Settings()))(Batch.of(messages))
    assert not read.poisons
    assert len(set(read.alerts.objects)) == len(names)


@pytest.mark.parametrize(("survey", "framing"), [("rubin", "schemaless"), ("ztf", "\x1b"), ("native", "container")])
def test_a_framing_that_there_is_not_is_said(survey, framing):
    with pytest.raises(StartupError, match=rf"no packets of {survey} are framed as .*; ztf and elasticc are as one of"):
        maker(survey, framing)


def test_packets_without_a_schema_of_their_own_are_said():
    with pytest.raises(StartupError, match="packets of native have no schema to be written; ztf, elasticc have"):
        schema_of("native")
