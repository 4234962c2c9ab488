"""What a native alert may say, and what it is told where it may not."""

import math

import numpy as np
import pytest

from broker.errors import PoisonMessage, Reason
from broker.surveys.native import (
    BRIGHTEST_NJY,
    LARGEST_PHOTOZ,
    LATEST_MJD,
    LONGEST_HISTORY,
    LONGEST_NAME,
    SMALLEST_ERROR_NJY,
    adapt,
)
from model.observation import Alert, Context, Observation
from tests.support.alerts import record

NAN, INF = float("nan"), float("inf")
EARLIER = {"mjd": 59000.0, "band": "g", "flux": 1.0, "fluxErr": 1.0, "detected": False}


def test_an_alert():
    assert adapt(record(history=[EARLIER])) == Alert(
        alert_id=7,
        object_id="615",
        survey="plasticc",
        observation=Observation(59750.4229, -19780.75, 131.5, 2, detected=True),
        context=Context(0.0, 0.0, 0.017, ddf=True),
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
        ("survey", ["", "s" * 100_000]),
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
    with pytest.raises(PoisonMessage, match=r"^history is 10001; expected at most 10000 observations$"):
        adapt(record(history=[EARLIER] * (LONGEST_HISTORY + 1)))


@pytest.mark.parametrize("field", ["band", "objectId", "survey"])
@pytest.mark.parametrize("text", ["\x1b[2J" * 10_000, "\n" * 1000, "\u202e" * 1000, "\U0001f52d" * 1000])
def test_hostile_text_does_not_reach_the_logs_as_it_is(field, text):
    with pytest.raises(PoisonMessage) as caught:
        adapt(record(**{field: text}))
    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) <= 200
