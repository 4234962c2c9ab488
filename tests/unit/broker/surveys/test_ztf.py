"""What ZTF's packets say in each version, in true nJy and in TAI, and what is left out of them."""

import math

import numpy as np
import pytest

from broker.errors import PoisonMessage, Reason
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.packets.reader import AlertReader
from model.observation import BANDS, LightCurve
from tests.support.alerts import container
from tests.support.surveys import adapt, alert_of, blank, body_of, fields_of, real_packets

NAN = float("nan")
OWN = {"jd": 2_460_000.75, "fid": 1, "magpsf": 20.0, "sigmapsf": 0.1, "isdiffpos": "t", "candid": 11, "ra": 10.0}
NOTHING = {"candid": None, "magpsf": None, "sigmapsf": None, "isdiffpos": None, "diffmaglim": None}


def newest():
    """The newest writer's schema among the real packets, with its records' names."""
    return next(one for one in real_packets("ztf") if one.record.get("schemavsn") == "4.01")


def record(own=None, earlier=(), forced=(), **changes):
    packet = newest()

    def rows(kind, some):
        empty = blank(fields_of(packet.schema, f"ztf.alert.{kind}")) | {"fid": 1, "jd": 2_459_990.75}
        return [empty | one for one in some]

    histories = {"prv_candidates": rows("prv_candidate", earlier), "fp_hists": rows("fp_hist", forced)}
    return packet.record | histories | {"candidate": packet.record["candidate"] | OWN | (own or {}), **changes}


def alert(own=None, earlier=(), forced=(), **changes):
    return alert_of("ztf", newest().schema, record(own, earlier, forced, **changes))


def test_a_magnitude_is_a_flux_in_nanojansky_and_not_a_million_times_as_much():
    """The AB zero point 31.4: 20 mag is 36.3 microjansky."""
    own = alert().observation
    assert own.flux_njy == pytest.approx(36_307.8, rel=1e-5)
    assert own.flux_err_njy == pytest.approx(36_307.8 * 0.1 * 0.921034, rel=1e-5)


def test_the_start_of_an_exposure_in_utc_is_its_middle_in_tai():
    assert alert().observation.mjd_tai == pytest.approx(60_000.25 + (15 + 37) / 86_400, abs=1e-9)


@pytest.mark.parametrize(("fid", "band"), [(1, "g"), (2, "r"), (3, "i")])
def test_bands(fid, band):
    assert BANDS[alert({"fid": fid}).observation.band] == band


@pytest.mark.parametrize(("positive", "sign"), [("t", 1), ("1", 1), ("f", -1), ("0", -1)])
def test_the_sign_of_a_difference(positive, sign):
    own = alert({"isdiffpos": positive}).observation
    assert math.copysign(1, own.flux_njy) == sign
    assert own.flux_err_njy > 0


def test_a_history_of_detections_and_limits():
    found = alert(
        earlier=[NOTHING | {"diffmaglim": 20.0}, NOTHING | OWN | {"candid": 5, "jd": 2_459_991.75, "ra": None}]
    )
    limit, detection = found.history
    assert (limit.flux_njy, limit.detected) == (0.0, False)
    assert limit.flux_err_njy == pytest.approx(36_307.8 / 5, rel=1e-5)
    assert (detection.flux_njy, detection.detected) == (found.observation.flux_njy, True)


def test_each_forced_flux_has_a_zero_point_of_its_own():
    rows = [{"forcediffimflux": 100.0, "forcediffimfluxunc": 10.0, "magzpsci": zero} for zero in (26.4, 25.4)]
    one, other = alert(forced=rows).history
    assert (one.flux_njy, one.flux_err_njy) == (pytest.approx(1e4, rel=1e-5), pytest.approx(1e3, rel=1e-5))
    assert other.flux_njy == pytest.approx(one.flux_njy * 10**0.4, rel=1e-5)
    assert not one.detected


@pytest.mark.parametrize("none", [None, NAN, -99_999.0])
@pytest.mark.parametrize("field", ["forcediffimflux", "forcediffimfluxunc", "magzpsci"])
def test_forced_photometry_that_says_nothing_is_left_out(field, none):
    row = {"forcediffimflux": 100.0, "forcediffimfluxunc": 10.0, "magzpsci": 26.0}
    assert len(alert(forced=[row]).history) == 1
    assert alert(forced=[row | {field: none}]).history == ()


@pytest.mark.parametrize("error", [0.0, -1.0])
def test_forced_photometry_without_an_error_is_left_out(error):
    assert alert(forced=[{"forcediffimflux": 1.0, "forcediffimfluxunc": error, "magzpsci": 26.0}]).history == ()


@pytest.mark.parametrize("nothing", [{}, {"diffmaglim": NAN}, {"diffmaglim": -99_999.0}, {"candid": 5}])
def test_a_row_of_the_history_that_says_nothing_is_left_out(nothing):
    assert alert(earlier=[NOTHING | nothing]).history == ()


def test_no_history_at_all():
    assert alert(prv_candidates=None, fp_hists=None).history == ()


def test_a_detection_is_the_same_observation_in_its_own_alert_and_in_later_histories():
    """Where it has fewer digits: two observations would make each alert cost its object's whole curve."""
    own = alert({"magpsf": 18.016721725463867, "sigmapsf": 0.10253215581178665, "exptime": 300.0})
    again = alert(
        {"jd": 2_460_001.75},
        [NOTHING | OWN | {"magpsf": 18.0167, "sigmapsf": 0.102532, "ra": None}],
    )
    assert again.history == (own.observation,)


def test_rounding_moves_a_detection_by_less_than_a_fiftieth_of_its_error():
    for packet in real_packets("ztf"):
        if packet.record["candidate"]["sigmapsf"] < 0.003:
            continue
        own = packet.record["candidate"]
        exact = 10 ** (0.4 * (31.4 - own["magpsf"])) * (1 if own["isdiffpos"] in "t1" else -1)
        found = alert_of("ztf", packet.schema, packet.record).observation
        assert abs(found.flux_njy - exact) < found.flux_err_njy / 50
        assert found.flux_err_njy == pytest.approx(0.921034 * abs(exact) * own["sigmapsf"], rel=3e-4)


def test_a_forced_flux_of_a_visit_with_a_detection_is_no_second_observation():
    detection = NOTHING | OWN | {"jd": 2_459_991.75, "ra": None}
    forced = {"jd": 2_459_991.75, "forcediffimflux": 1.0, "forcediffimfluxunc": 0.001, "magzpsci": 26.0}
    found = alert(earlier=[detection], forced=[forced])
    assert len(found.history) == 2
    curve = LightCurve.of([*found.history, found.observation]).observations
    assert curve["detected"].all()


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"magpsf": NAN}, "candidate.magpsf as nJy is nan"),
        ({"magpsf": -99_999.0}, "candidate.magpsf as nJy is inf"),
        ({"sigmapsf": 0.0}, "candidate.sigmapsf as nJy is 0.0"),
        ({"sigmapsf": -99_999.0}, "candidate.sigmapsf as nJy is -"),
        ({"fid": 4}, "candidate.fid is 4; expected one of 1 2 3"),
        ({"fid": -1}, "candidate.fid is -1; expected one of 1 2 3"),
        ({"isdiffpos": "maybe"}, "candidate.isdiffpos is 'maybe'; expected one of t 1 f 0"),
        ({"jd": 60_000.75}, "candidate.jd as MJD is -2339999"),
        ({"candid": 0}, "candidate.candid is 0"),
        ({"dec": -91.0}, "candidate.dec is -91.0"),
    ],
)
def test_an_alerts_own_observation_that_cannot_be_is_a_dead_letter(own, told):
    with pytest.raises(PoisonMessage) as caught:
        alert(own)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.detail.startswith(told)


@pytest.mark.parametrize("name", ["", "\x1b[2J", "o" * 257])
def test_an_object_without_a_name_is_a_dead_letter(name):
    with pytest.raises(PoisonMessage, match=r"^objectId is "):
        alert(objectId=name)


def test_packets_are_told_apart_whatever_they_carry():
    limit = NOTHING | {"diffmaglim": 20.0}
    forced = {"forcediffimflux": 100.0, "forcediffimfluxunc": 10.0, "magzpsci": 26.0}
    shapes = [((), ()), ((limit,), (forced, forced)), ((NOTHING, limit), ()), ((), (forced,))]
    schema = newest().schema
    records = [record({"magpsf": 20.0 + i}, *shape) for i, shape in enumerate(shapes * 2)]
    records[5]["candidate"]["fid"] = 9
    adapted = adapt("ztf", schema, [body_of(schema, one) for one in records])
    assert list(adapted.poisons) == [5]
    alerts = adapted.alerts
    assert alerts.message.tolist() == [0, 1, 2, 3, 4, 6, 7]
    assert np.diff(alerts.ends, prepend=0).tolist() == [1, 4, 2, 2, 1, 2, 2]
    magnitudes = 31.4 - 2.5 * np.log10(alerts.own["flux_njy"])
    assert magnitudes.round(3).tolist() == [20.0, 21.0, 22.0, 23.0, 24.0, 26.0, 27.0]


def test_what_is_left_out_of_a_history_is_counted():
    """Forced photometry that says -99999 is none, and is not counted."""
    nothing = {"forcediffimflux": -99_999.0, "forcediffimfluxunc": -99_999.0, "magzpsci": 26.0}
    value = container(record(earlier=[NOTHING, NOTHING], forced=[nothing]), schema=newest().schema)
    counted = []
    read = AlertReader(4 * 1024 * 1024, left_out=lambda survey, rows: counted.append((survey, rows)))
    assert len(read(Batch.of([Message("alerts", 0, 0, 0, value=value)])).alerts.rows) == 1
    assert counted == [("ztf", 2)]
