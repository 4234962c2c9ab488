"""What a value may be: the checks of every survey's packets, and the words for what does not pass.

The bounds are those of `model.bounds`: one absurd number cannot turn an object's state into NaN for good. A time after
the message's own and a day more is no time: it would stand at the end of its light curve for ever.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.errors import PoisonMessage, Reason
from broker.surveys.adapted import Poisons
from broker.surveys.columns import Told
from model.bounds import BRIGHTEST_NJY, LATEST_MJD, SMALLEST_ERROR_NJY
from model.observation import BANDS

LONGEST_NAME = 256  # bytes of an object's name
LONGEST_HISTORY = 10_000  # rows of a packet, over all its histories
MJD_1970 = 40_587.0
DAY_MS = 86_400_000.0
GRACE_DAYS = 1.0  # between clocks

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Check(NamedTuple):
    """Which of some values [n] of a field are fine, and what is expected of the others."""

    field: str
    fine: Flags
    values: NDArray[Any] | Told
    expected: str


class Measured(NamedTuple):
    """Observations [n] as packets say them, before anybody has looked whether they can be."""

    mjd_tai: Floats
    flux_njy: Floats
    flux_err_njy: Floats
    band: NDArray[np.int8]  # index into BANDS; -1 for any other


def latest_mjd(sent_ms: NDArray[np.int64]) -> Floats:
    """The latest time [n] that messages sent then [ms since 1970; 0 or less: unknown] may tell of."""
    return np.where(sent_ms > 0, MJD_1970 + sent_ms / DAY_MS + GRACE_DAYS, LATEST_MJD)


def observed(told: Measured, latest: Floats, names: tuple[str, str, str, str], bands: Told) -> Iterator[Check]:
    """The checks of observations [n], whose times lie before `latest` [n].

    Args:
        told: [n].
        latest: [n], the latest time that each may have [MJD].
        names: the fields' in the packet.
        bands: what each says of its band.
    """
    mjd, flux, error, band = told
    time_of, flux_of, error_of, band_of = names
    yield Check(time_of, (mjd > 0) & (mjd < LATEST_MJD), mjd, f"a time between 0 and {LATEST_MJD:.0f} [days]")
    yield Check(time_of, mjd < latest, mjd, "a time before the message's own, or at most a day after it [days]")
    brightest = f"a finite number, at most {BRIGHTEST_NJY:g} [nJy]"
    yield Check(flux_of, np.abs(flux) <= BRIGHTEST_NJY, flux, brightest)
    fine = (error >= np.float32(SMALLEST_ERROR_NJY)) & (error <= BRIGHTEST_NJY)
    yield Check(error_of, fine, error, f"a finite number above 0, {SMALLEST_ERROR_NJY:g} at least [nJy]")
    yield Check(band_of, band >= 0, bands, f"one of {' '.join(BANDS)}")


def possible(told: Measured, latest: Floats) -> Flags:
    """Which of some observations [n] pass all their checks."""
    fine = np.ones(len(told.mjd_tai), np.bool_)
    for check in observed(told, latest, ("", "", "", ""), nothing):
        fine &= check.fine
    return fine


def nothing(_row: int) -> None:
    """What is told of a row where nobody will ask."""


def within(field: str, values: Floats, low: float, high: float) -> Check:
    """The check of a value that may be unknown: NaN."""
    fine = np.isnan(values) | ((values >= low) & (values <= high))
    return Check(field, fine, values, f"between {low:g} and {high:g}, or null")


def sift(message: NDArray[np.int64], among: Flags, checks: Iterable[Check]) -> tuple[Flags, Poisons]:
    """Which of the packets [n] among some pass all checks, and what is wrong first with each other one of these."""
    good, poisons = among.copy(), Poisons()
    for field, fine, values, expected in checks:
        for i in np.flatnonzero(good & ~fine).tolist():
            poisons[int(message[i])] = bad(field, value_at(values, i), expected)
        good &= fine
    return good, poisons


def value_at(values: NDArray[Any] | Told, row: int) -> object:
    """The value of a row."""
    return values(row) if callable(values) else values[row]


def each(texts: NDArray[np.object_], fine: Callable[[bytes], bool]) -> Flags:
    """Which of some texts [n] are fine."""
    return np.fromiter(map(fine, texts), np.bool_, len(texts))


def named(name: bytes) -> bool:
    """Whether this is a name that is neither empty nor endless, and that a terminal may show; it is UTF-8."""
    return 0 < len(name) <= LONGEST_NAME and name.decode().isprintable()


def bad(field: str, value: object, expected: str) -> PoisonMessage:
    """What is wrong, in words; a hostile value is cut short and its control characters are escaped."""
    if isinstance(value, bytes):
        value = value[:400].decode(errors="replace")[:100]
    shown = ascii(value.item() if isinstance(value, np.generic) else value)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."  # cut last: one character may be escaped as ten
    return PoisonMessage(Reason.INVALID_FIELD, f"{field} is {shown}; expected {expected}")
