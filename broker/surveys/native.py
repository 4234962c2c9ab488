"""Native alerts (schemas/observation): which fields are read, and what they mean. Every value is checked here.

The bounds are those of `model.bounds`: one absurd number cannot turn an object's state into NaN for good. null and NaN
in the context both mean unknown. A time after the message's own and a day more is no time: it would stand at the end of
its light curve for ever.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from broker.errors import PoisonMessage, Reason
from broker.packets.columns import Columns
from broker.packets.fields import Field, Fields, Kind, Table
from broker.surveys.adapted import Adapted, Poisons
from model.alerts import Alerts
from model.bounds import BRIGHTEST_NJY, LARGEST_MWEBV, LARGEST_PHOTOZ, LATEST_MJD, SMALLEST_ERROR_NJY
from model.features import CONTEXT
from model.observation import BANDS, OBSERVATION

LONGEST_NAME = 256  # bytes of an object's name
LONGEST_HISTORY = 10_000  # observations
MJD_1970 = 40_587.0
DAY_MS = 86_400_000.0
GRACE_DAYS = 1.0  # between clocks

SURVEY = re.compile(rb"[a-z0-9][a-z0-9._-]{0,31}")

OBSERVED = {
    "mjd": Field(("mjd",), Kind.DOUBLE),
    "band": Field(("band",), Kind.TEXT, choices=tuple(band.encode() for band in BANDS)),
    "flux": Field(("flux",), Kind.DOUBLE),
    "fluxErr": Field(("fluxErr",), Kind.DOUBLE),
    "detected": Field(("detected",), Kind.BOOL),
}
FIELDS: Fields = {
    "alertId": Field(("alertId",), Kind.LONG),
    "objectId": Field(("objectId",), Kind.TEXT),
    "survey": Field(("survey",), Kind.TEXT),
    **OBSERVED,
    **{name: Field((name,), Kind.DOUBLE) for name in ("ra", "dec", "hostgalPhotoz", "hostgalPhotozErr", "mwebv")},
    "ddf": Field(("ddf",), Kind.BOOL),
    "history": Table(("history",), OBSERVED),
}

RANGES = {  # of what may be unknown
    "ra": (0.0, 360.0),
    "dec": (-90.0, 90.0),
    "hostgalPhotoz": (0.0, LARGEST_PHOTOZ),
    "hostgalPhotozErr": (0.0, LARGEST_PHOTOZ),
    "mwebv": (0.0, LARGEST_MWEBV),
}

Check = tuple[
    str, NDArray[np.bool_], NDArray[np.generic], str
]  # a field, where it is good, its values, what is expected


def alerts(columns: Columns, message: NDArray[np.int64], sent_ms: NDArray[np.int64]) -> Adapted:
    """The alerts of n packets, and what is wrong with the others, by message; none is declined.

    Args:
        columns: of the packets, as FIELDS names them.
        message: [n], which message of the batch each packet was.
        sent_ms: [n], when it was sent [ms since 1970]; 0 or less where nobody says.
    """
    values, history = columns.values, columns.tables["history"]
    latest = np.where(sent_ms > 0, MJD_1970 + sent_ms / DAY_MS + GRACE_DAYS, LATEST_MJD)
    counts = np.diff(history.ends, prepend=0)
    owner = np.repeat(np.arange(len(message)), counts)
    checks = [
        ("alertId", values["alertId"] >= 1, values["alertId"], "a number of at least 1"),
        ("objectId", each(values["objectId"], named), values["objectId"], f"1 to {LONGEST_NAME} bytes, printable"),
        ("survey", each(values["survey"], survey), values["survey"], "small letters, digits, . _ and -, at most 32"),
        *observed(values, latest),
        *(
            (name, np.isnan(values[name]) | ((values[name] >= low) & (values[name] <= high)), values[name],
             f"between {low:g} and {high:g}, or null")
            for name, (low, high) in RANGES.items()
        ),
    ]  # fmt: skip
    good, poisons = np.ones(len(message), bool), Poisons()
    for name, fine, what, expected in checks:
        for i in np.flatnonzero(good & ~fine).tolist():
            poisons[int(message[i])] = bad(name, what[i], expected)
        good &= fine
    for name, fine, what, expected in observed(history.values, latest[owner]):
        for row in np.flatnonzero(~fine & good[owner]).tolist():
            if good[i := owner[row]]:
                poisons[int(message[i])] = bad(
                    f"history[{row - int(history.ends[i] - counts[i])}].{name}", what[row], expected
                )
                good[i] = False
    rows, ends = interleaved(table_of(values), table_of(history.values), counts, good, good[owner])
    context = np.empty(int(good.sum()), CONTEXT)
    for field, name in (
        ("host_photoz", "hostgalPhotoz"),
        ("host_photoz_err", "hostgalPhotozErr"),
        ("mwebv", "mwebv"),
        ("ddf", "ddf"),
    ):
        context[field] = values[name][good]
    pairs = zip(values["survey"][good], values["objectId"][good], strict=True)
    return Adapted(
        Alerts(
            message=message[good],
            alert_ids=values["alertId"][good],
            objects=[b"%b/%b" % pair for pair in pairs],
            rows=rows,
            ends=ends,
            contexts=context,
            places_deg=np.stack([values["ra"][good], values["dec"][good]], axis=1),
            sent_ms=np.maximum(sent_ms[good], 0),
        ),
        np.empty(0, np.int64),
        poisons,
    )


def observed(values: dict[str, NDArray], latest: NDArray[np.float64]) -> Iterator[Check]:  # type: ignore[type-arg]
    """The checks of observations [n], whose times lie before `latest` [n]."""
    mjd, flux, error = values["mjd"], values["flux"], values["fluxErr"]
    yield "mjd", (mjd > 0) & (mjd < LATEST_MJD), mjd, f"a time between 0 and {LATEST_MJD:.0f} [days]"
    yield "mjd", mjd < latest, mjd, "a time before the message's own, or at most a day after it [days]"
    brightest = f"a finite number, at most {BRIGHTEST_NJY:g} [nJy]"
    yield "flux", np.abs(flux) <= BRIGHTEST_NJY, flux, brightest
    fine = (error >= np.float32(SMALLEST_ERROR_NJY)) & (error <= BRIGHTEST_NJY)
    yield "fluxErr", fine, error, f"a finite number above 0, {SMALLEST_ERROR_NJY:g} at least [nJy]"
    yield "band", values["band"] >= 0, np.broadcast_to("another", len(mjd)), f"one of {' '.join(BANDS)}"


def table_of(values: dict[str, NDArray]) -> NDArray[np.void]:  # type: ignore[type-arg]
    """Observations [n] of dtype OBSERVATION."""
    rows = np.empty(len(values["mjd"]), OBSERVATION)
    with np.errstate(over="ignore"):  # what does not fit is refused
        rows["flux_njy"], rows["flux_err_njy"] = values["flux"], values["fluxErr"]
    rows["mjd_tai"], rows["band"], rows["detected"] = values["mjd"], values["band"], values["detected"] > 0
    return rows


def interleaved(
    own: NDArray[np.void],
    past: NDArray[np.void],
    counts: NDArray[np.int64],
    good: NDArray[np.bool_],
    good_past: NDArray[np.bool_],
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Each good packet's history, then its own observation: rows [m] and where each packet's end."""
    ends = np.cumsum(counts[good] + 1)
    if not len(past):
        return own[good], ends
    rows = np.empty(int(ends[-1]) if len(ends) else 0, OBSERVATION)
    is_own = np.zeros(len(rows), bool)
    is_own[ends - 1] = True
    rows[is_own], rows[~is_own] = own[good], past[good_past]
    return rows, ends


def each(texts: NDArray[np.object_], fine: Callable[[bytes], bool]) -> NDArray[np.bool_]:
    """Which of some texts [n] are fine."""
    return np.fromiter(map(fine, texts), np.bool_, len(texts))


def named(name: bytes) -> bool:
    """Whether this is a name that is neither empty nor endless, and that a terminal may show; it is UTF-8."""
    return 0 < len(name) <= LONGEST_NAME and name.decode().isprintable()


@lru_cache(maxsize=256)
def survey(name: bytes) -> bool:
    """Whether this can name a survey."""
    return SURVEY.fullmatch(name) is not None


def bad(field: str, value: object, expected: str) -> PoisonMessage:
    """What is wrong, in words; a hostile value is cut short and its control characters are escaped."""
    if isinstance(value, bytes):
        value = value[:400].decode(errors="replace")[:100]
    shown = ascii(value.item() if isinstance(value, np.generic) else value)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."  # cut last: one character may be escaped as ten
    return PoisonMessage(Reason.INVALID_FIELD, f"{field} is {shown}; expected {expected}")
