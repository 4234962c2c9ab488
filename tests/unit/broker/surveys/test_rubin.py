"""What Rubin's packets say in each version, what is left out of them, and what is told where they cannot be."""

import math

import numpy as np
import pytest

from broker.errors import PoisonMessage, Reason
from broker.packets.projection import compile_projection
from broker.surveys import rubin
from broker.surveys.checks import DAY_MS, MJD_1970
from broker.surveys.known import survey_named
from model.observation import LightCurve, Observation
from tests.support.by_hand import read_rubin
from tests.support.surveys import (
    RUBIN_OBJECT,
    RUBIN_VERSIONS,
    adapt,
    alert_of,
    body_of,
    copied,
    fields_of,
    rubin_record,
    rubin_sample,
    rubin_schema,
)

LATEST = (11, 1)
NAN, INF = float("nan"), float("inf")
EARLIER = {"midpointMjdTai": 60_990.5, "psfFlux": 500.0, "psfFluxErr": 20.0, "band": "g"}


def alert(source=None, sources=(), forced=(), version=LATEST, sent_ms=0, **changes):
    return alert_of("rubin", rubin_schema(*version), rubin_record(version, source, sources, forced, **changes), sent_ms)


def declined(record, version=LATEST):
    schema = rubin_schema(*version)
    return len(adapt("rubin", schema, [body_of(schema, record)]).declined) == 1


@pytest.mark.parametrize("version", RUBIN_VERSIONS)
def test_the_made_up_alert_of_each_version_reads(version):
    """Its time, up to 7.4, is seconds since 1970: what is refused, and all that is."""
    record, schema = rubin_sample(*version), rubin_schema(*version)
    if version < (8, 0):
        with pytest.raises(PoisonMessage, match=r"^diaSource\.midpointMjdTai is 1480360995\.0; expected a time"):
            alert_of("rubin", schema, record)
        for source in (record["diaSource"], *record["prvDiaSources"]):
            source["midpointMjdTai"] = 60_902.993305483615
    found = alert_of("rubin", schema, record)
    by_hand = read_rubin(record)
    assert (f"{found.survey}/{found.object_id}", found.alert_id) == (by_hand.object_id, by_hand.alert_id)
    assert found.observation == Observation(60_902.993305483615, 1241.0, 12.0, 2, detected=True)
    assert len(found.history) == len(record["prvDiaSources"])


@pytest.mark.parametrize("version", RUBIN_VERSIONS)
def test_every_version_says_the_same(version):
    again = {"midpointMjdTai": 61_000.25, "psfFlux": 1300.0, "psfFluxErr": 11.0, "band": "r"}
    found = alert(sources=[EARLIER], forced=[EARLIER | {"psfFlux": 501.0}, again], version=version)
    assert found.observation == Observation(61_000.25, 1241.0, 12.0, 2, detected=True)
    assert found.history == (
        Observation(60_990.5, 500.0, 20.0, 1, detected=True),
        Observation(60_990.5, 501.0, 20.0, 1, detected=False),
        Observation(61_000.25, 1300.0, 11.0, 2, detected=False),
    )
    assert (found.survey, found.object_id, found.alert_id) == ("rubin", str(RUBIN_OBJECT), 1231321321)


def test_a_forced_flux_of_a_visit_with_a_detection_is_no_second_observation():
    """Even the better one: same time and band is one measurement, and the detection wins."""
    again = {"midpointMjdTai": 61_000.25, "psfFlux": 1300.0, "psfFluxErr": 1.0, "band": "r"}
    found = alert(forced=[again])
    rows = [tuple(row) for row in LightCurve.of([*found.history, found.observation]).observations.tolist()]
    assert rows == [tuple(found.observation)]


def test_what_a_packet_does_not_say_is_missing():
    context = alert().context
    assert all(map(math.isnan, (context.host_photoz, context.host_photoz_err, context.mwebv)))
    assert context.ddf is False
    assert alert({"ra": 150.1, "dec": 2.2}).context.ddf is True


@pytest.mark.parametrize("no", [None, NAN, 0.0, -1.0, INF])
def test_rows_that_are_not_withdrawn_are_kept(no):
    found = alert({"timeWithdrawnMjdTai": no}, [EARLIER | {"timeWithdrawnMjdTai": no}], [EARLIER])
    assert len(found.history) == 2


def test_withdrawn_rows_are_left_out():
    yes = {"timeWithdrawnMjdTai": 60_995.0}
    assert alert(sources=[EARLIER | yes], forced=[EARLIER | yes]).history == ()


def test_an_alert_of_a_withdrawn_source_is_declined():
    assert declined(rubin_record(LATEST, {"timeWithdrawnMjdTai": 60_995.0}))


@pytest.mark.parametrize("version", RUBIN_VERSIONS)
@pytest.mark.parametrize("source", [{"ssObjectId": 7}, {"diaObjectId": None}, {"diaObjectId": 0, "ssObjectId": 7}])
def test_alerts_of_the_solar_system_are_declined(version, source):
    assert declined(rubin_record(version, source, diaObject=None), version)


@pytest.mark.parametrize("none", [None, 0])
def test_no_solar_system_object_is_null_or_0(none):
    assert not declined(rubin_record(LATEST, {"ssObjectId": none}))


@pytest.mark.parametrize("which", ["sources", "forced"])
@pytest.mark.parametrize(
    "bad",
    [
        {"psfFlux": None}, {"psfFlux": NAN}, {"psfFlux": INF}, {"psfFlux": 2e12}, {"psfFluxErr": None},
        {"psfFluxErr": NAN}, {"psfFluxErr": 0.0}, {"psfFluxErr": -1.0}, {"band": None}, {"band": "N"},
        {"midpointMjdTai": NAN}, {"midpointMjdTai": 0.0}, {"midpointMjdTai": 2_461_000.5}, {"midpointMjdTai": 61_002.0},
    ],
)  # fmt: skip
def test_a_row_of_a_history_that_cannot_be_is_left_out(which, bad):
    sent_ms = int((61_000.5 - MJD_1970) * DAY_MS)
    rows = {which: [EARLIER, EARLIER | {"midpointMjdTai": 60_991.5} | bad, EARLIER | {"midpointMjdTai": 60_992.5}]}
    assert [row.mjd_tai for row in alert(**rows, sent_ms=sent_ms).history] == [60_990.5, 60_992.5]
    body = body_of(rubin_schema(*LATEST), rubin_record(LATEST, **rows))
    assert adapt("rubin", rubin_schema(*LATEST), [body], sent_ms).left_out == 1


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"psfFlux": None}, r"diaSource\.psfFlux is nan"),
        ({"psfFlux": NAN}, r"diaSource\.psfFlux is nan"),
        ({"psfFluxErr": 0.0}, r"diaSource\.psfFluxErr is 0\.0"),
        ({"psfFluxErr": None}, r"diaSource\.psfFluxErr is nan"),
        ({"band": None}, r"diaSource\.band is None; expected one of u g r i z y"),
        ({"midpointMjdTai": NAN}, r"diaSource\.midpointMjdTai is nan"),
        ({"midpointMjdTai": 61_002.0}, r"diaSource\.midpointMjdTai is 61002\.0; expected a time before the message's"),
        ({"ra": 400.0}, r"diaSource\.ra is 400\.0; expected between 0 and 360"),
        ({"diaObjectId": -1}, r"diaObjectId is -1; expected a number of at least 1"),
    ],
)
def test_an_alerts_own_observation_that_cannot_be_is_a_dead_letter(bad, told):
    with pytest.raises(PoisonMessage, match=f"^{told}") as caught:
        alert(bad, [EARLIER], sent_ms=int((61_000.5 - MJD_1970) * DAY_MS))
    assert caught.value.reason is Reason.INVALID_FIELD


def test_many_packets_are_told_apart_whatever_they_carry():
    histories = [[], [EARLIER], [EARLIER | {"psfFlux": NAN}] * 3, [EARLIER, EARLIER | {"midpointMjdTai": 60_991.5}]]
    schema = rubin_schema(*LATEST)
    records = [
        rubin_record(LATEST, {"diaObjectId": 1 + i, "psfFlux": float(i)} | ({"ra": 999.0} if i == 2 else {}), one, two)
        for i, (one, two) in enumerate(zip(histories * 2, histories[::-1] * 2, strict=True))
    ]
    records[5]["diaSource"]["ssObjectId"] = 3
    adapted = adapt("rubin", schema, [body_of(schema, one) for one in records])
    assert (adapted.declined.tolist(), list(adapted.poisons)) == ([5], [2])
    alerts = adapted.alerts
    assert alerts.message.tolist() == [0, 1, 3, 4, 6, 7]
    assert np.diff(alerts.ends, prepend=0).tolist() == [3, 2, 3, 3, 2, 3]
    assert alerts.own["flux_njy"].tolist() == [0, 1, 3, 4, 6, 7]
    assert alerts.objects == [b"rubin/%d" % (1 + i) for i in alerts.message]


def test_a_history_has_an_end():
    schema = rubin_schema(*LATEST)
    body = body_of(schema, rubin_record(LATEST, forced=[EARLIER] * 101))
    assert compile_projection(schema, rubin.FIELDS).read([body], 100)[1][0].reason is Reason.INVALID_FIELD


@pytest.mark.parametrize(
    ("record", "old", "told"),
    [
        ("lsst.v11_1.diaSource", "psfFlux", r"has no field diaSource\.psfFlux \(flux\)"),
        ("lsst.v11_1.diaSource", "psfFluxErr", r"has no field diaSource\.psfFluxErr \(error\)"),
        ("lsst.v11_1.diaSource", "band", r"has no field diaSource\.band \(band\)"),
        ("lsst.v11_1.diaForcedSource", "psfFlux", r"has no field psfFlux \(flux\)"),
        ("lsst.v11_1.alert", "prvDiaForcedSources", r"has no field prvDiaForcedSources \(forced\)"),
        ("lsst.v11_1.diaSource", "ssObjectId", r"has no field diaSource\.ssObjectId \(solar\)"),
    ],
)
def test_a_renamed_field_is_named_and_never_read_as_zero(record, old, told):
    schema = copied(rubin_schema(*LATEST))
    for field in fields_of(schema, record):
        field["name"] = "scienceFlux2" if field["name"] == old else field["name"]
    with pytest.raises(PoisonMessage, match=told) as caught:
        compile_projection(schema, rubin.FIELDS)
    assert caught.value.reason is Reason.UNKNOWN_SCHEMA


def test_a_new_minor_version_with_more_fields_needs_no_change():
    schema, new = copied(rubin_schema(*LATEST)), {"name": "somethingNew", "type": ["null", "double"], "default": None}
    fields_of(schema, "lsst.v11_1.diaSource").insert(3, new)
    newer, known = alert_of("rubin", schema, rubin_record(LATEST, sources=[EARLIER])), alert(sources=[EARLIER])
    assert (newer.key, newer.observation, newer.history) == (known.key, known.observation, known.history)
    assert survey_named("lsst.v12_0.alert").name == "rubin"
