"""What a recount of a route expects, of whom, and what it calls a defect."""

import pytest

from broker.accounts.routes import ANSWERED, IN_FORCE, THERE, WANTED, RouteAccounts, RouteLedger
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.packets.framings import encode
from broker.settings.predicates import NUMBERS
from broker.settings.routes import Route
from model.taxonomy import CLASS_IDS

SPAN = Span("alerts", 0, 100, 110)
ROUTES = {
    "tdes": Route(topic="tdes", where="class in {TDE} and observations >= 5 and survey == ztf and priors == balanced"),
    "all": Route(topic="all", content="packet"),
}
IN_HEADER = b" ".join(route.digest.encode() for route in ROUTES.values())


def answer(offset, value=b"", routes=IN_HEADER):
    named = {"source_topic": b"alerts", "source_partition": b"0", "source_offset": b"%d" % offset, "routes": routes}
    return Message("outputs", 0, 0, 0, value=value, headers=tuple((k, v) for k, v in named.items() if v is not None))


def classification(best=15, version=2, **changes):
    classes = [{"classId": c, "probability": 0.5 if c == best else 0.1} for c in CLASS_IDS]
    said = {
        "alertId": 1, "objectId": "o", "survey": "ztf", "mjd": 6e4, "ra": None, "dec": 1.0, "observations": 5,
        "classifications": classes, "priors": "balanced", "p99": 0.1, "anomalyScore": 3.0, "anomaly": False,
        "classifierName": "n", "classifierVersion": "v", "brokerVersion": "b", "ingestTimestamp": 0,
        "publishTimestamp": 0, "quality": "little",
    }  # fmt: skip
    return encode(said | changes, "classification", version)


def accounts():
    return RouteAccounts(ROUTES, [SPAN])


def seen(found, topic):
    return {n: s for n in range(100, 110) if (s := found.ledgers[topic]["alerts", 0].seen(n)) != "nothing"}


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"best": 90}, False),
        ({"observations": 4}, False),
        ({"survey": "lsst"}, False),
        ({"priors": "natural"}, False),
    ],
)
def test_the_condition_is_asked_again_of_the_classification(changes, taken):
    found = accounts()
    found.published([answer(103, classification(**changes)), answer(104, classification())])
    assert seen(found, "tdes") == {103: "taken, answered" if taken else "answered", 104: "taken, answered"}
    assert seen(found, "all") == dict.fromkeys((103, 104), "taken, answered")


def test_classifications_of_either_version_are_asked_in_one_recount():
    routes = {
        "sure": Route(topic="sure", where="quality in {little, enough}"),
        "tde": Route(topic="tde", where="class == TDE"),
    }
    in_force = b" ".join(route.digest.encode() for route in routes.values())
    found = RouteAccounts(routes, [SPAN])
    values = [classification(version=1), classification(), classification(best=90, version=1), classification(best=90)]
    found.published([answer(100 + i, value, routes=in_force) for i, value in enumerate(values)])
    assert seen(found, "sure") == {n: "taken, answered" if n % 2 else "answered" for n in range(100, 104)}
    assert seen(found, "tde") == {n: "taken, answered" if n < 102 else "answered" for n in range(100, 104)}


def test_a_route_that_was_not_in_force_expects_nothing():
    found = accounts()
    other = Route(topic="all", content="packet", where="anomaly").digest.encode()
    found.published([answer(101, classification(), routes=None), answer(102, classification(), routes=other)])
    assert seen(found, "all") == dict.fromkeys((101, 102), "answered")


def test_a_declined_alert_is_expected_where_declined_ones_are_told():
    found = accounts()
    found.declined([answer(105)])
    assert seen(found, "all") == {105: "taken, answered"}
    assert seen(found, "tdes") == {105: "answered"}


def test_strangers_are_passed_over_or_counted():
    found = accounts()
    found.published([answer(101, b"who knows"), Message("outputs", 0, 0, 0, value=classification())])
    found.published([answer(102, classification(classifications=[])), answer(99, classification())])
    assert seen(found, "all") == {}
    found.there("all", [Message("all", 0, 0, 0), answer(101)])
    assert found.nameless == 1
    assert seen(found, "all") == {101: "there"}
    assert seen(found, "tdes") == {}


def test_what_is_expected_and_there_once_is_no_defect_and_all_else_is_one():
    ledger = RouteLedger(SPAN)
    judged, wanted = ANSWERED | IN_FORCE, ANSWERED | IN_FORCE | WANTED
    for offset, bits in enumerate([wanted, wanted, wanted, judged, judged, ANSWERED, None, None], 100):
        if bits is not None:
            ledger.note(bits, offset)
    for offset in (100, 101, 101, 103, 105, 106, 999):
        ledger.note(THERE, offset)
    defects = {name.format("r"): found.tolist() for name, found in ledger.defects().items()}
    assert defects == {
        "not on route r": [102],
        "twice on route r": [101],
        "on route r though not taken": [103],
        "on route r without its classification": [106],
    }
    assert (ledger.count(WANTED), ledger.count(THERE)) == (3, 5)


def test_every_number_that_a_condition_may_ask_for_is_read_back():
    for name in NUMBERS:
        route = Route(topic="t", where=f"{name} >= 0.1" if name != "ra" else "not ra > 0")  # an unknown place
        found = RouteAccounts({"t": route}, [SPAN])
        found.published([answer(101, classification(), routes=route.digest.encode())])
        assert seen(found, "t") == {101: "taken, answered"}, name
