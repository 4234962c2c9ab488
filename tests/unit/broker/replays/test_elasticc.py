"""ELAsTiCC's packets of a light curve: forced rows from 30 days before the first detection, host and dust."""

import pytest

from broker.errors import StartupError
from broker.replays.elasticc import elasticc_packets
from tests.support.alerts import PACKETS
from tests.support.replayed import curve, opened


def packets(records):
    return [opened(packet.value) for packet in elasticc_packets(records)]


def days(rows):
    return [row["midPointTai"] - 60_000 for row in rows or ()]


def test_each_detection_is_an_alert_and_the_first_has_no_forced_rows():
    first, second, third = packets(curve("0010110"))
    assert (first["prvDiaSources"], first["prvDiaForcedSources"]) == ([], None)
    assert days([first["diaSource"], second["diaSource"], third["diaSource"]]) == [2, 4, 5]
    assert days(third["prvDiaSources"]) == [2, 4]
    assert days(third["prvDiaForcedSources"]) == [0, 1, 2, 3, 4]


def test_forced_rows_begin_30_days_before_the_first_detection():
    *_, last = packets(curve(40 * "0" + "11"))
    assert days(last["prvDiaForcedSources"]) == list(range(10, 41))


def test_values_host_and_dust_are_those_of_the_light_curve():
    (found,) = packets(curve("1", band="y"))
    source, whole = found["diaSource"], found["diaObject"]
    assert (source["filterName"], source["psFlux"], source["psFluxErr"]) == ("Y", 500, 20)
    assert (source["diaObjectId"], whole["diaObjectId"], found["alertId"]) == (615, 615, 1)
    assert (whole["hostgal_zphot"], whole["mwebv"]) == (0.25, 0.125)
    assert whole["hostgal_zphot_err"] == pytest.approx(0.05)


@pytest.mark.parametrize("photoz", [0.0, None])
def test_of_objects_of_our_galaxy_and_of_unknown_ones_no_photo_z_is_told(photoz):
    (found,) = packets(curve("1", hostgalPhotoz=photoz, mwebv=None))
    assert (found["diaObject"]["hostgal_zphot"], found["diaObject"]["hostgal_zphot_err"]) == (-9, -9)
    assert found["diaObject"]["mwebv"] is None


def test_a_position_is_asked_for():
    with pytest.raises(StartupError, match="has no position"):
        list(elasticc_packets(curve("1", ra=None)))


def test_real_alerts_have_their_past_as_ours_have():
    import fastavro  # noqa: PLC0415

    with (PACKETS / "elasticc" / "11290844.avro").open("rb") as file:
        real = sorted(fastavro.reader(file), key=lambda one: one["diaSource"]["midPointTai"])
    assert real[0]["prvDiaForcedSources"] is None
    first = real[0]["diaSource"]["midPointTai"]
    for one in real[1:]:
        times = [row["midPointTai"] for row in one["prvDiaForcedSources"]]
        assert first - 30 <= times[0]
        assert times == sorted(times)
        assert times[-1] < one["diaSource"]["midPointTai"]
        assert first in times
