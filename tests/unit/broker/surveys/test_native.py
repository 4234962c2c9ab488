"""What a native alert may say, and what it is told where it may not."""

import math

import numpy as np
import pytest

from broker.errors import PoisonMessage, Reason
from broker.kafka.message import Message
from broker.names import NAMES
from broker.packets.reader import AlertReader
from broker.surveys.checks import DAY_MS, LONGEST_HISTORY, LONGEST_NAME, MJD_1970
from model.bounds import BRIGHTEST_NJY, LARGEST_PHOTOZ, LATEST_MJD, SMALLEST_ERROR_NJY
from model.observation import Context, Observation
from tests.support.alerts import record, wire
from tests.support.columns import Alert, read_alert

READ = AlertReader(4 * 1024 * 1024)
NAN, INF = float("nan"), float("inf")
EARLIER = {"mjd": 59000.0, "band": "g", "flux": 1.0, "fluxErr": 1.0, "detected": False}


def adapt(fields: dict, timestamp_ms: int = 0) -> Alert:
    """The alert of a message with these fields. Raises PoisonMessage."""
    return read_alert(Message("alerts", 0, 0, timestamp_ms, value=wire(fields)), READ)


def test_an_alert():
    assert adapt(record(history=[EARLIER])) == Alert(
        alert_id=7,
        object_id="615",
        survey="plasticc",
        observation=Observation(59750.4229, -19780.75, 131.5, 2, detected=True),
        context=Context(0.0, 0.0, float(np.float32(0.017)), ddf=True),
        history=(Observation(59000.0, 1.0, 1.0, 1, detected=False),),
        ra_deg=349.0461,
        dec_deg=-61.9438,
    )


@pytest.mark.parametrize("unknown", [None, NAN])
def test_what_is_unknown_is_nan(unknown):
    alert = adapt(record(hostgalPhotoz=unknown, hostgalPhotozErr=unknown, mwebv=unknown, ddf=None, ra=unknown))
    context = alert.context
    assert all(map(math.isnan, (context.host_photoz, context.host_photoz_err, context.mwebv, alert.ra_deg)))
    assert context.ddf is None


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("flux", [NAN, INF, -INF, 2 * BRIGHTEST_NJY, -3.4e38]),
        ("fluxErr", [NAN, INF, -INF, -1.0, 0.0, 1e-45, SMALLEST_ERROR_NJY / 2, 3.4e38]),
        ("mjd", [0.0, -0.0, -1.0, NAN, INF, 2_459_750.5, LATEST_MJD]),
        ("band", ["", "x", "gr", "R", "ugrizy", " r", "\x00", "б"]),
        ("objectId", ["", "o" * (LONGEST_NAME + 1), "é" * (LONGEST_NAME // 2 + 1), "\x1b[2J", "a\n", "\u202e", "\x00"]),
        ("survey", ["", "s" * 100_000, "s" * 33, "a/b", "A", "{a}", "a b", ".a"]),
        ("alertId", [0, -1, -(2**63)]),
        ("hostgalPhotoz", [-1.0, -1e-9, INF, 2 * LARGEST_PHOTOZ]),
        ("hostgalPhotozErr", [-1.0, INF]),
        ("mwebv", [-0.1, INF]),
        ("ra", [-0.1, 400.0, INF]),
        ("dec", [-91.0, 91.0, -INF]),
    ],
)
def test_a_value_that_cannot_be_is_named(field, values):
    for value in values:
        with pytest.raises(PoisonMessage, match=rf"^{field} is .*; expected ") as caught:
            adapt(record(**{field: value}))
        assert caught.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize(
    ("band", "said"),
    [("x", "'x'"), ("", "''"), ("\x1b[2J", r"'\x1b[2J'"), ("б", r"'\u0431'"), ("b" * 100_000, f"'{'b' * 99}...")],
)
def test_a_band_that_is_none_is_shown_as_far_as_a_terminal_may_show_it(band, said):
    for changes, name in (
        ({"band": band}, "band"),
        ({"history": [EARLIER, EARLIER | {"band": band}]}, "history[1].band"),
    ):
        with pytest.raises(PoisonMessage) as caught:
            adapt(record(**changes))
        assert caught.value.detail == f"{name} is {said}; expected one of u g r i z y"


def test_what_is_wrong_is_said_in_words():
    with pytest.raises(PoisonMessage, match=r"^flux is nan; expected a finite number, at most 1e\+12 \[nJy\]$"):
        adapt(record(flux=NAN))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flux", BRIGHTEST_NJY),
        ("flux", -0.0),
        ("flux", 1e-45),
        ("fluxErr", SMALLEST_ERROR_NJY),
        ("fluxErr", BRIGHTEST_NJY),
        ("mjd", np.nextafter(LATEST_MJD, 0)),
        ("objectId", "é" * (LONGEST_NAME // 2)),
        ("alertId", 2**63 - 1),
        ("hostgalPhotoz", 0.0),
        ("ra", 360.0),
    ],
)
def test_the_bounds_themselves_are_allowed(field, value):
    adapt(record(**{field: value}))


@pytest.mark.parametrize(("field", "value"), [("mjd", 0.0), ("band", "x"), ("flux", NAN), ("fluxErr", -1.0)])
def test_a_bad_observation_in_the_history_is_named_by_its_place(field, value):
    with pytest.raises(PoisonMessage, match=rf"^history\[1\]\.{field} is "):
        adapt(record(history=[EARLIER, EARLIER | {field: value}]))


def test_a_history_has_an_end():
    assert len(adapt(record(history=[EARLIER] * LONGEST_HISTORY)).history) == LONGEST_HISTORY
    with pytest.raises(PoisonMessage, match=r"^more rows than are read"):
        adapt(record(history=[EARLIER] * (LONGEST_HISTORY + 1)))


def test_two_surveys_objects_are_never_one():
    first = adapt(record(survey="ztf", objectId="b/c"))
    assert first.key == b"ztf/b/c"
    with pytest.raises(PoisonMessage, match=r"^survey is 'ztf/b'; expected one of plasticc rubin lsst ztf"):
        adapt(record(survey="ztf/b", objectId="c"))


def test_surveys_are_a_closed_list():
    for name in NAMES:
        assert adapt(record(survey=name.decode())).survey == name.decode()
    for name in ("ZTF", "ztf ", "decam", "rehearsal"):
        with pytest.raises(PoisonMessage, match=r"^survey is .*; expected one of plasticc rubin lsst ztf"):
            adapt(record(survey=name))


@pytest.mark.parametrize("where", ["own", "history"])
def test_a_time_more_than_a_day_after_the_messages_own_is_no_time(where):
    sent = 60_000.0
    sent_ms = int((sent - MJD_1970) * DAY_MS)

    def told(mjd: float) -> dict:
        return record(mjd=mjd) if where == "own" else record(mjd=sent, history=[EARLIER | {"mjd": mjd}])

    adapt(told(sent + 0.99), sent_ms)
    with pytest.raises(PoisonMessage, match=r"mjd is 60001\.01; expected a time before the message's own"):
        adapt(told(sent + 1.01), sent_ms)
    adapt(told(sent + 1.01), 0)


@pytest.mark.parametrize("field", ["band", "objectId", "survey"])
@pytest.mark.parametrize("text", ["\x1b[2J" * 10_000, "\n" * 1000, "\u202e" * 1000, "\U0001f52d" * 1000])
def test_hostile_text_does_not_reach_the_logs_as_it_is(field, text):
    with pytest.raises(PoisonMessage) as caught:
        adapt(record(**{field: text}))
    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) <= 200
