"""Files of real packets, sent as they are."""

import re
from io import BytesIO
from pathlib import Path

import fastavro
import pytest

from broker.commands.replay import packets_of
from broker.config import Settings
from broker.errors import StartupError
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.packets.formats import formats_of
from broker.packets.reader import AlertReader
from broker.replays.recorded import is_recorded, recorded_packets
from schemas.catalogue import load
from tests.support.alerts import PACKETS, packets, record
from tests.support.replayed import opened

README = Path(__file__).parents[4] / "README.md"
REAL = sorted(path for folder in ("rubin", "ztf") for path in (PACKETS / folder).glob("*.avro"))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_file_of_one_packet_is_one_message_byte_for_byte(path):
    (packet,) = packets_of([path])
    assert packet.value == path.read_bytes()
    assert (packet.key, packet.stamped) == (None, False)


@pytest.mark.parametrize("survey", ["rubin", "ztf", "elasticc"])
def test_real_packets_are_read_on_the_topic_that_the_readme_sends_them_to(survey):
    (topic,) = re.findall(r"^misweeper replay [^ ]+\.avro --topic ([^ ]+)", README.read_text(), re.MULTILINE)
    sent = list(packets_of(packets(survey)))
    read = AlertReader(4 * 1024 * 1024, formats_of(Settings()))
    decoded = read(Batch.of([Message(topic, 0, i, 0, one.key, one.value) for i, one in enumerate(sent)]))
    assert decoded.poisons == {}
    assert len(decoded.alerts) == len(sent) > 0


def test_a_container_of_several_records_becomes_one_message_each():
    path = PACKETS / "elasticc" / "11290844.avro"
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        records, schema = list(reader), reader.writer_schema
    found = list(packets_of([path]))
    assert [opened(packet.value) for packet in found] == records
    for packet in found:
        assert fastavro.reader(BytesIO(packet.value)).writer_schema == schema


@pytest.mark.parametrize("codec", ["null", "deflate"])
@pytest.mark.parametrize("count", [2, 2_000])  # of one block, of several
def test_the_bytes_of_each_record_stay_as_they_are(tmp_path, codec, count):
    schema = {"type": "record", "name": "other.alert", "fields": [{"name": "a", "type": ["string", "bytes"]}]}
    records = [{"a": f"{i}" * 50} for i in range(count)]
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, schema, records, codec=codec)
    assert is_recorded(path)
    assert [opened(packet.value) for packet in recorded_packets(path)] == records


def test_native_containers_are_light_curves(tmp_path):
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, load("observation"), [record(alertId=2, mjd=2.0), record(alertId=1, mjd=1.0)])
    assert not is_recorded(path)
    assert [packet.alert_id for packet in packets_of([path])] == [1, 2]


def test_real_packets_are_not_made_into_anothers():
    with pytest.raises(StartupError, match="holds real packets, sent as they are; leave --survey and --framing out"):
        list(packets_of([REAL[0]], "ztf"))


def test_a_survey_that_nobody_knows_is_said_with_those_that_are():
    with pytest.raises(StartupError, match=r"no packets of \\x1b\[2J are made here; give one of native, rubin, ztf"):
        list(packets_of([REAL[0]], "\x1b[2J"))


def test_files_are_sent_one_after_the_other():
    assert [packet.value for packet in packets_of(REAL[:3])] == [path.read_bytes() for path in REAL[:3]]
