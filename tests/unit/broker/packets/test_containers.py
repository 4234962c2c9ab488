"""Containers taken apart: exactly one record, and no length believed."""

import pytest

from broker.errors import PoisonMessage, Reason
from broker.packets.containers import MAX_ENTRIES, Reader, open_container
from tests.support import alerts
from tests.support.alerts import record, schemaless
from tests.support.hostile import SYNC, container, text, zigzag


def reason(value: bytes) -> Reason:
    with pytest.raises(PoisonMessage) as caught:
        open_container(value)
    return caught.value.reason


def test_the_parts():
    opened = open_container(container(b"block", b"deflate", b"{}"))
    assert opened == (b"{}", b"deflate", b"block")


def test_a_container_as_fastavro_writes_it():
    assert open_container(alerts.container(record())).block == schemaless(record())


def test_without_a_codec_it_is_null():
    header = b"Obj\x01" + zigzag(1) + text(b"avro.schema") + text(b"{}") + b"\x00"
    assert open_container(header + SYNC + zigzag(1) + text(b"block") + SYNC) == (b"{}", b"null", b"block")


def test_metadata_in_blocks_with_sizes():
    header = b"Obj\x01" + zigzag(-1) + zigzag(20) + text(b"avro.schema") + text(b"{}") + b"\x00"
    assert open_container(header + SYNC + zigzag(1) + text(b"block") + SYNC).schema == b"{}"


@pytest.mark.parametrize("copies", [0, 2])
def test_none_or_two_alerts(copies):
    assert reason(container(b"block", count=copies)) is Reason.NOT_AVRO


def test_a_second_block():
    assert reason(container(b"block") + zigzag(1) + text(b"block") + SYNC) is Reason.NOT_AVRO


def test_another_sync_marker():
    assert reason(container(b"block")[:-1] + b"x") is Reason.NOT_AVRO


@pytest.mark.parametrize("cut", range(1, 100))
def test_cut_short(cut):
    whole = container(b"block", schema=b"{}")
    assert reason(whole[: -min(cut, len(whole) - 4)]) in {Reason.NOT_AVRO, Reason.LENGTH_BOMB}


def test_lengths_that_lie():
    for lie in (2**40, -1, -(2**63)):
        assert reason(b"Obj\x01" + zigzag(1) + zigzag(lie)) is Reason.LENGTH_BOMB
        assert reason(container(b"")[:-17] + zigzag(lie) + SYNC) is Reason.LENGTH_BOMB


def test_entries_are_counted_however_they_repeat():
    assert reason(b"Obj\x01" + (zigzag(1) + b"\x00\x00") * (MAX_ENTRIES + 1)) is Reason.LENGTH_BOMB
    assert reason(b"Obj\x01" + zigzag(2**40)) is Reason.LENGTH_BOMB
    assert reason(b"Obj\x01" + zigzag(-(2**62)) + zigzag(0)) is Reason.LENGTH_BOMB


@pytest.mark.parametrize("number", [0, -1, 1, -64, 64, 2**31, 2**63 - 1, -(2**63)])
def test_numbers(number):
    reader = Reader(zigzag(number))
    assert reader.long() == number
    assert reader.left == 0


def test_a_number_without_end():
    with pytest.raises(PoisonMessage, match="more than 10 bytes"):
        Reader(b"\xff" * 11).long()
    with pytest.raises(PoisonMessage, match="end within a number"):
        Reader(b"\xff" * 3).long()
