"""Rubin's packets of a light curve: what each has of its past, in both framings."""

import math
import struct
from itertools import pairwise

import pytest

from broker.errors import StartupError
from broker.replays import rubin
from broker.replays.rubin import FORCED_TO_DETECTED, NUMBERED_FROM, rubin_packets, rubin_writer
from tests.support.replayed import curve, opened


@pytest.fixture(params=["package", "own"])
def schema(request, monkeypatch):
    """With Rubin's package where it is installed, and without it."""
    if request.param == "own":
        monkeypatch.setattr(rubin, "rubin_package", lambda: None)
    return rubin_writer()[0]


def packets(schema, records):
    return [opened(packet.value, schema) for packet in rubin_packets(records)]


def times(rows):
    return [row["midpointMjdTai"] - 60_000 for row in rows or ()]


def test_each_detection_is_an_alert_and_the_first_is_one_row(schema):
    first, second, third = packets(schema, curve("0010110"))
    assert (first["prvDiaSources"], first["prvDiaForcedSources"]) == (None, None)
    assert times([first["diaSource"], second["diaSource"], third["diaSource"]]) == [2, 4, 5]
    assert (times(second["prvDiaSources"]), times(third["prvDiaSources"])) == ([2], [2, 4])


def test_forced_rows_begin_with_the_second_detection_and_repeat_the_triggering_visit(schema):
    *_, last = packets(schema, curve("00101010"))
    assert times(last["prvDiaForcedSources"]) == [4, 5, 6]
    trigger, row = last["diaSource"], last["prvDiaForcedSources"][-1]
    assert row["visit"] == trigger["visit"]
    assert row["psfFlux"] == pytest.approx(FORCED_TO_DETECTED * trigger["psfFlux"])
    assert last["prvDiaForcedSources"][1]["psfFlux"] == pytest.approx(550.0)


def test_nothing_is_older_than_a_year(schema):
    records = curve("1111")
    for record, day in zip(records, (0, 1, 300, 366), strict=True):
        record["mjd"] = 60_000.0 + day
    *_, last = packets(schema, records)
    assert times(last["prvDiaSources"]) == [1, 300]
    assert times(last["prvDiaForcedSources"]) == [1, 300, 366]


def test_values_are_those_of_the_light_curve_and_what_is_not_known_is_nan_or_0(schema):
    (record,) = curve("1", band="y", flux=-500.0)
    ((packet, found),) = zip(rubin_packets([record]), packets(schema, [record]), strict=True)
    source = found["diaSource"]
    assert source["diaObjectId"] == found["diaObject"]["diaObjectId"] == NUMBERED_FROM + 615 > 2**53
    assert (packet.object_id, packet.alert_id) == (str(source["diaObjectId"]), source["diaSourceId"])
    assert (source["band"], source["psfFlux"], source["psfFluxErr"], source["isNegative"]) == ("y", -500, 20, True)
    assert (source["ra"], source["dec"], source["ssObjectId"]) == (10.5, -20.25, 0)
    assert math.isnan(source["timeWithdrawnMjdTai"])
    assert (packet.key, packet.stamped) == (None, True)


def test_with_the_package_packets_are_in_the_wire_framing_of_their_version():
    (packet,) = rubin_packets(curve("1"))
    assert struct.unpack_from(">bI", packet.value) == (0, 1101)


def test_objects_keep_their_histories_apart(schema):
    mixed = sorted(curve("111") + curve("111", name="x", start=10), key=lambda record: record["mjd"])
    found = packets(schema, mixed)
    names = [one["diaSource"]["diaObjectId"] for one in found]
    assert len(set(names)) == 2
    assert all(a != b for a, b in pairwise(names))
    assert [len(one["prvDiaSources"] or ()) for one in found] == [0, 0, 1, 1, 2, 2]


def test_a_position_is_asked_for():
    with pytest.raises(StartupError, match=r"object 615 has no position.*add columns ra and dec"):
        list(rubin_packets(curve("1", ra=None)))
