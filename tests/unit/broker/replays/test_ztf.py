"""ZTF's packets of a light curve: what each has of the last 30 days, and that the formulas lead back."""

import pytest

from broker.errors import StartupError
from broker.replays.ztf import ztf_name, ztf_packets
from tests.support.replayed import curve, opened


def packets(records):
    return [opened(packet.value) for packet in ztf_packets(records)]


def mjd_tai(row):
    """By hand, as FACTS of the survey say: jd is the start of an exposure of 30 s, UTC."""
    return row["jd"] - 2_400_000.5 + (30 / 2 + 37) / 86_400


def days(rows):
    return [round(mjd_tai(row) - 60_000, 6) for row in rows or ()]


def test_each_detection_in_g_r_or_i_is_an_alert_with_its_past_and_no_forced_row_of_its_own_visit():
    first, second, third = packets(curve("0010110", band="g"))
    assert days([first["candidate"], second["candidate"], third["candidate"]]) == [2, 4, 5]
    assert days(third["prv_candidates"]) == days(third["fp_hists"]) == [0, 1, 2, 3, 4]
    assert [row["candid"] is None for row in third["prv_candidates"]] == [True, True, False, True, False]
    assert packets(curve("111", band="uzy")) == []
    assert packets(curve("1"))[0]["prv_candidates"] is None


def test_nothing_is_older_than_30_days():
    *_, last = packets(curve("1" + 31 * "0" + "1"))
    assert days(last["prv_candidates"])[0] == 2
    assert days(last["fp_hists"])[0] == 2


@pytest.mark.parametrize("flux", [500.0, -500.0, 3e6])
def test_magnitudes_lead_back_to_the_flux(flux):
    (found,) = packets(curve("1", flux=flux))
    row = found["candidate"]
    sign = {"t": 1, "f": -1}[row["isdiffpos"]]
    back = sign * 10 ** (0.4 * (31.4 - row["magpsf"]))
    assert back == pytest.approx(flux, rel=3e-6)
    assert 0.921034 * abs(back) * row["sigmapsf"] == pytest.approx(20.0, rel=1e-5)
    assert (row["fid"], row["exptime"], mjd_tai(row)) == (1, 30, pytest.approx(60_000, abs=1e-9))


def test_each_forced_row_has_a_zero_point_of_its_own_that_leads_back_to_the_flux():
    *_, last = packets(curve("0001"))
    rows = last["fp_hists"]
    assert len({row["magzpsci"] for row in rows}) == 3
    for i, row in enumerate(rows):
        njy = 10 ** (0.4 * (31.4 - row["magzpsci"]))
        assert row["forcediffimflux"] * njy == pytest.approx(500 + 10 * i, rel=3e-6)
        assert row["forcediffimfluxunc"] * njy == pytest.approx(20 + i, rel=3e-6)
        limit = 10 ** (0.4 * (31.4 - last["prv_candidates"][i]["diffmaglim"])) / 5
        assert limit == pytest.approx(1.6 * (20 + i), rel=1e-5), "of noise larger than the forced flux's"


def test_a_detection_of_flux_0_has_no_magnitude_and_is_a_limit():
    assert packets(curve("1", flux=0.0)) == []


def test_names_look_like_ztfs_and_differ():
    assert ztf_name("1") == "ZTF18aaaaaab"
    assert ztf_name("27") == "ZTF18aaaaabb"
    assert len({ztf_name(str(i)) for i in range(1_000)} | {ztf_name(f"x{i}") for i in range(1_000)}) == 2_000


def test_what_the_service_will_call_it_is_told():
    (packet,) = ztf_packets(curve("1"))
    found = opened(packet.value)
    assert (packet.object_id, packet.alert_id, packet.key) == (found["objectId"], found["candid"], b"ZTF18aaaaaxr")
    assert packet.made_of == "615"


def test_a_position_is_asked_for():
    with pytest.raises(StartupError, match="has no position"):
        list(ztf_packets(curve("1", dec=None)))
