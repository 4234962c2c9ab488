"""Native alerts (schemas/observation) to Alert: every value is checked here, and only here.

The bounds are wider than any telescope's and narrower than float32: within them the features stay finite, so one
absurd number cannot turn an object's state into NaN for good. null and NaN in the context both mean unknown.
"""

from math import isnan, nan
from typing import Any

from broker.errors import PoisonMessage, Reason
from model.observation import BANDS, Alert, Context, Observation

LATEST_MJD = 200_000.0  # the year 2406: a Julian date, or seconds, in place of an MJD is caught
BRIGHTEST_NJY = 1e12  # 1.4 mag AB; surveys saturate above 10
SMALLEST_ERROR_NJY = 1e-4  # 41 mag AB; a flux in Jy or mJy in place of nJy is caught
LONGEST_NAME = 256  # bytes of an object's or a survey's name
LONGEST_HISTORY = 10_000  # observations
LARGEST_PHOTOZ = 20.0
LARGEST_MWEBV = 1000.0

BAND_INDEX = {band: index for index, band in enumerate(BANDS)}

Record = dict[str, Any]


def adapt(record: Record) -> Alert:
    """The alert of a decoded packet. Raises PoisonMessage that names the field, its value and what was expected."""
    history = record["history"]
    if len(history) > LONGEST_HISTORY:
        raise bad("history", len(history), f"at most {LONGEST_HISTORY} observations")
    if record["alertId"] < 1:
        raise bad("alertId", record["alertId"], "a number of at least 1")
    return Alert(
        alert_id=record["alertId"],
        object_id=name(record, "objectId"),
        survey=name(record, "survey"),
        observation=observation(record),
        context=Context(
            host_photoz=within(record, "hostgalPhotoz", 0.0, LARGEST_PHOTOZ),
            host_photoz_err=within(record, "hostgalPhotozErr", 0.0, LARGEST_PHOTOZ),
            mwebv=within(record, "mwebv", 0.0, LARGEST_MWEBV),
            ddf=record["ddf"],
        ),
        history=tuple(observation(earlier, f"history[{i}].") for i, earlier in enumerate(history)),
        ra_deg=within(record, "ra", 0.0, 360.0),
        dec_deg=within(record, "dec", -90.0, 90.0),
    )


def observation(record: Record, where: str = "") -> Observation:
    """One observation, its own or one of the history's. Raises PoisonMessage."""
    mjd, flux, error, band = record["mjd"], record["flux"], record["fluxErr"], record["band"]
    if not 0 < mjd < LATEST_MJD:
        raise bad(f"{where}mjd", mjd, f"a time between 0 and {LATEST_MJD:.0f} [days]")
    if not -BRIGHTEST_NJY <= flux <= BRIGHTEST_NJY:
        raise bad(f"{where}flux", flux, f"a finite number, at most {BRIGHTEST_NJY:g} [nJy]")
    if not SMALLEST_ERROR_NJY <= error <= BRIGHTEST_NJY:
        raise bad(f"{where}fluxErr", error, f"a finite number above 0, {SMALLEST_ERROR_NJY:g} at least [nJy]")
    if (index := BAND_INDEX.get(band)) is None:
        raise bad(f"{where}band", band, f"one of {' '.join(BANDS)}")
    return Observation(mjd, flux, error, index, record["detected"])


def name(record: Record, field: str) -> str:
    """A name that is neither empty nor endless, and that a terminal may show. Raises PoisonMessage."""
    value: str = record[field]
    if not value or len(value.encode()) > LONGEST_NAME or not value.isprintable():
        raise bad(field, value, f"1 to {LONGEST_NAME} bytes, printable")
    return value


def within(record: Record, field: str, low: float, high: float) -> float:
    """A number in a range; NaN where it is null or NaN, which both mean unknown. Raises PoisonMessage."""
    value: float | None = record[field]
    if value is None or isnan(value):
        return nan
    if not low <= value <= high:
        raise bad(field, value, f"between {low:g} and {high:g}, or null")
    return value


def bad(field: str, value: object, expected: str) -> PoisonMessage:
    """What is wrong, in words; a hostile value is cut short and its control characters are escaped."""
    shown = ascii(value[:100] if isinstance(value, str) else value)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."  # cut last: one character may be escaped as ten
    return PoisonMessage(Reason.INVALID_FIELD, f"{field} is {shown}; expected {expected}")
