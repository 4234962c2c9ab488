"""Law 4 on surveys' packets: those of one object end in one light curve, in any order, repeated, with any split into
histories and single alerts, in mixed schema versions; and in order they cost what is new of them (law 3).
"""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.kafka.message import Message
from broker.lightcurves.entries import observations, parse
from broker.lightcurves.hashes import salts
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from broker.surveys.checks import nothing
from broker.surveys.columns import DTYPES, Columns, Rows
from broker.surveys.fields import Field, Kind, Table
from broker.surveys.known import SURVEYS
from model.bounds import LATEST_MJD
from model.observation import BANDS, LightCurve
from tests.support.columns import Alert, Arrival, alert_at, columns_of
from tests.support.echo import Echo, answers_of, expected
from tests.support.surveys import (
    RUBIN_VERSIONS,
    adapt,
    blank,
    body_of,
    elasticc_0_9_1,
    fields_of,
    real_packets,
    rubin_record,
    rubin_schema,
)

VISITS = 6


def rubin_alert(version: int, own: int, seen: list[int], forced: list[int]) -> Alert:
    """An alert of visit `own`, with earlier detections and forced photometry of visits, in any version."""
    number = RUBIN_VERSIONS[version % len(RUBIN_VERSIONS)]
    schema = rubin_schema(*number)

    def source(visit: int, flux: float, error: float) -> dict:
        band = "gr"[visit % 2]
        return {"midpointMjdTai": 61_000.0 + visit // 2, "psfFlux": flux + visit, "psfFluxErr": error, "band": band}

    identity = "diaSourceId" if "diaSourceId" in rubin_record(number) else "alertId"
    record = rubin_record(
        number,
        source(own, 1000.0, 20.0),
        [source(visit, 1000.0, 20.0) for visit in seen],
        [source(visit, 1003.0, 19.0) for visit in forced],
        **{identity: 1 + own},
    )
    return alert_at(adapt("rubin", schema, [body_of(schema, record)]).alerts, 0)


def ztf_packets() -> list:
    """One real packet of each version: 1.3, 3.3, 4.01."""
    return list({str(one.record.get("schemavsn")): one for one in real_packets("ztf")}.values())


ZTF = ztf_packets()


def ztf_alert(version: int, own: int, seen: list[int], forced: list[int]) -> Alert:
    """The same of ZTF, whose histories have fewer digits, and forced photometry from 4.0 on."""
    packet = ZTF[version % len(ZTF)]
    rng = np.random.default_rng(5)
    exact = [(18.0 + rng.random(), 0.05 + rng.random() / 20) for _ in range(VISITS)]

    def at(visit: int) -> dict:
        return {"jd": 2_460_000.5 + visit // 2, "fid": 1 + visit % 2, "isdiffpos": "t"}

    def detection(visit: int, *digits: int) -> dict:
        magnitude, sigma = exact[visit]
        if digits:
            magnitude, sigma = round(magnitude, digits[0]), round(sigma, digits[1])
        return at(visit) | {"magpsf": magnitude, "sigmapsf": sigma, "candid": 1 + visit}

    earlier = blank(fields_of(packet.schema, "ztf.alert.prv_candidate"))
    record = packet.record | {
        "objectId": "ZTF26aaaaaaa",
        "candid": 1 + own,
        "candidate": packet.record["candidate"] | detection(own) | {"ra": 10.0, "dec": 20.0},
        "prv_candidates": [earlier | detection(visit, 4, 6) for visit in seen] or None,
    }
    if "fp_hists" in record:
        empty = blank(fields_of(packet.schema, "ztf.alert.fp_hist"))
        told = {"forcediffimflux": 700.0, "forcediffimfluxunc": 3.0, "magzpsci": 26.2, "exptime": 30.0}
        record["fp_hists"] = [empty | at(visit) | told for visit in forced]
    return alert_at(adapt("ztf", packet.schema, [body_of(packet.schema, record)]).alerts, 0)


ELASTICC = real_packets("elasticc")[0]
ELASTICC_SCHEMAS = (ELASTICC.schema, elasticc_0_9_1(ELASTICC.schema))


def elasticc_alert(version: int, own: int, seen: list[int], forced: list[int]) -> Alert:
    """The same of ELAsTiCC in both versions; forced photometry has another flux."""
    schema = ELASTICC_SCHEMAS[version % 2]
    kinds = {
        name: blank(fields_of(ELASTICC.schema, f"elasticc.v0_9.{name}")) for name in ("diaSource", "diaForcedSource")
    }

    def row(kind: str, visit: int, flux: float, error: float) -> dict:
        at = {"midPointTai": 60_900.0 + visit // 2, "filterName": "gY"[visit % 2], "diaObjectId": 7}
        return kinds[kind] | at | {"psFlux": flux + visit, "psFluxErr": error, "ra": 10.0, "decl": -20.0}

    record = ELASTICC.record | {
        "alertId": 1 + own,
        "diaSource": row("diaSource", own, 1000.0, 20.0),
        "prvDiaSources": [row("diaSource", visit, 1000.0, 20.0) for visit in seen] or None,
        "prvDiaForcedSources": [row("diaForcedSource", visit, 1003.0, 19.0) for visit in forced] or None,
        "prvDiaNondetectionLimits": None,
    }
    return alert_at(adapt("elasticc", schema, [body_of(schema, record)]).alerts, 0)


MAKERS = {"rubin": rubin_alert, "ztf": ztf_alert, "elasticc": elasticc_alert}

visits = st.lists(st.integers(0, VISITS - 1), unique=True, max_size=VISITS)
packet_plans = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, VISITS - 1), visits, visits),
    min_size=1,
    max_size=VISITS,
    unique_by=lambda plan: plan[1],  # one alert a detection
)


def curve_after(alerts: list[Alert], sizes: list[int]) -> np.ndarray:
    """The light curve that a store has of the alerts' object, once micro-batches of these sizes are remembered."""
    store, classifier = InMemoryLightCurves(), Echo()
    memory = Memory(store, classifier.fingerprint, classifier.start_state)
    arrivals = [Arrival(Message("alerts", 0, i, 0), alert) for i, alert in enumerate(alerts)]
    answers, begun = {}, 0
    while begun < len(arrivals):
        some = arrivals[begun : begun + sizes[begun % len(sizes)]]
        plan = memory.remember(*columns_of(some))
        verdicts, bodies = classifier.classify(plan.runs)
        memory.save(memory.states_of(plan, bodies), plan)
        answers |= answers_of(verdicts, plan, some)
        begun += len(some)
    assert answers == expected(arrivals)
    (key,) = {alert.key for alert in alerts}
    entries, good = parse(store.logs[key], int(salts([key])[0]))
    return LightCurve.of(observations(entries[good])).observations


@pytest.mark.parametrize("survey", MAKERS)
@given(packet_plans, st.data())
@settings(max_examples=60, deadline=None)
def test_any_order_repetition_and_split_of_packets_is_one_light_curve(survey, plans, data):
    alerts = [MAKERS[survey](*plan) for plan in plans]
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    again = data.draw(st.lists(st.sampled_from(alerts), max_size=4))
    told = LightCurve.of([o for a in alerts for o in (*a.history, a.observation)]).observations
    for _ in range(2):
        order = data.draw(st.permutations([*alerts, *again]))
        assert np.array_equal(curve_after(order, sizes), told)
    seen = {(a.observation.mjd_tai, a.observation.band) for a in alerts}
    assert all(row["detected"] for row in told if (row["mjd_tai"], row["band"]) in seen)


@pytest.mark.parametrize("survey", MAKERS)
def test_packets_in_order_with_all_of_their_history_cost_what_is_new_of_them(survey):
    """None is recalled, though each repeats what is known, in other digits or as forced photometry."""
    store, classifier = InMemoryLightCurves(), Echo()
    memory = Memory(store, classifier.fingerprint, classifier.start_state)
    for visit in range(VISITS):
        alert = MAKERS[survey](-1, visit, list(range(visit)), list(range(visit + 1)))
        plan = memory.remember(*columns_of([Arrival(Message("alerts", 0, visit, 0), alert)]))
        _, bodies = classifier.classify(plan.runs)
        memory.save(memory.states_of(plan, bodies), plan)
        assert (plan.stepped, plan.recalled) == (1, 0)
        assert plan.observations.tolist() == [visit + 1]


EXTREMES = {
    Kind.LONG: [0, 1, -1, 2, 3, 2**53 + 1, 2**63 - 1, -(2**63)],
    Kind.DOUBLE: [
        0.0,
        -0.0,
        1.0,
        20.0,
        26.0,
        60_000.5,
        2_460_000.5,
        nan,
        inf,
        -inf,
        1e-45,
        3.4e38,
        -1e308,
        1e308,
        -99_999.0,
    ],
    Kind.BOOL: [-1, 0, 1],
    Kind.TEXT: [b"", b"a", b"ztf", b"test", b"\x1b", "é".encode(), b"o" * 300],
}


TOLD = dict.fromkeys(("band", "isdiffpos"), nothing)
USUAL = {"mjd": 60_000.5, "jd": 2_460_000.5, "withdrawn": nan, "solar": 0}  # else 1, or b"test"


def said(name: str, field: Field, size: int, rng: np.random.Generator) -> np.ndarray:
    """A column that says now and then the most extreme things."""
    extreme = list(range(-1, len(field.choices))) if field.choices else EXTREMES[field.kind]
    usual = b"test" if field.kind is Kind.TEXT and not field.choices else USUAL.get(name, 1)
    column = np.empty(size, np.int8 if field.choices else DTYPES[field.kind])
    column[:] = [extreme[rng.integers(len(extreme))] if rng.random() < 0.1 else usual for _ in range(size)]
    return column


def said_in_table(table: Table, size: int, rng: np.random.Generator) -> Rows:
    ends = np.cumsum(rng.integers(4, size=size))
    rows = int(ends[-1]) if size else 0
    values = {name: said(name, field, rows, rng) for name, field in table.fields.items()}
    return Rows(ends, values, {name: rng.random(rows) < 0.5 for name in values}, TOLD)


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: survey.name)
@pytest.mark.parametrize("seed", range(3))
def test_whatever_packets_say_each_has_one_fate_and_no_row_is_absurd(survey, seed):
    """Without a warning of numpy's either: they are errors in tests."""
    rng, alerts = np.random.default_rng(seed), 0
    for _ in range(50):
        size = int(rng.integers(40))
        wanted = survey.fields.items()
        values = {name: said(name, field, size, rng) for name, field in wanted if isinstance(field, Field)}
        tables = {name: said_in_table(table, size, rng) for name, table in wanted if isinstance(table, Table)}
        missing = {name: np.zeros(size, np.bool_) for name in values}
        columns = Columns(np.arange(size), values, missing, tables, TOLD)
        adapted = survey.alerts(columns, np.arange(size), rng.choice([0, -1, 10**12], size))
        assert sorted([*adapted.alerts.message, *adapted.declined, *adapted.poisons]) == list(range(size))
        rows, alerts = adapted.alerts.rows, alerts + len(adapted.alerts)
        assert len(rows) == (adapted.alerts.ends[-1] if len(adapted.alerts) else 0)
        assert all(np.isfinite(rows[name]).all() for name in ("mjd_tai", "flux_njy", "flux_err_njy"))
        assert (rows["flux_err_njy"] > 0).all()
        assert (rows["band"] < len(BANDS)).all()
        assert ((rows["mjd_tai"] > 0) & (rows["mjd_tai"] < LATEST_MJD)).all()
    assert alerts
