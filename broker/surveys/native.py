"""Native alerts (schemas/observation): which fields are read, and what they mean. Every value is checked here.

null and NaN in the context both mean unknown. A bad value in a history makes the alert a dead letter too: whoever
writes our own alerts can mend them.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from broker.names import EXPECTED, NAMES
from broker.surveys.adapted import Adapted, Poisons
from broker.surveys.checks import (
    LONGEST_NAME,
    Check,
    Flags,
    Floats,
    Measured,
    bad,
    each,
    latest_mjd,
    named,
    observed,
    sift,
    value_at,
    within,
)
from broker.surveys.columns import Columns, Told, Values
from broker.surveys.fields import Field, Fields, Kind, Table
from broker.surveys.rows import Past, alerts_of, nothing_known, table
from model.bounds import LARGEST_MWEBV, LARGEST_PHOTOZ
from model.observation import BANDS

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
CONTEXT_FIELDS = {
    "host_photoz": "hostgalPhotoz",
    "host_photoz_err": "hostgalPhotozErr",
    "mwebv": "mwebv",
    "ddf": "ddf",
}


def alerts(columns: Columns, message: NDArray[np.int64], sent_ms: NDArray[np.int64]) -> Adapted:
    """The alerts of n packets, and what is wrong with the others, by message; none is declined.

    Args:
        columns: of the packets, as FIELDS names them.
        message: [n], which message of the batch each packet was.
        sent_ms: [n], when it was sent [ms since 1970]; 0 or less where nobody says.
    """
    values, history, latest = columns.values, columns.tables["history"], latest_mjd(sent_ms)
    owner = np.repeat(np.arange(len(message)), np.diff(history.ends, prepend=0))
    checks = [
        Check("alertId", values["alertId"] >= 1, values["alertId"], "a number of at least 1"),
        Check("objectId", each(values["objectId"], named), values["objectId"], f"1 to {LONGEST_NAME} bytes, printable"),
        Check("survey", each(values["survey"], NAMES.__contains__), values["survey"], EXPECTED),
        *checked(values, latest, columns.told),
        *(within(name, values[name], *bounds) for name, bounds in RANGES.items()),
    ]
    good, poisons = sift(message, np.ones(len(message), np.bool_), checks)
    poisons |= bad_histories(checked(history.values, latest[owner], history.told), message, owner, history.ends, good)
    contexts = nothing_known(len(message))
    with np.errstate(over="ignore"):  # what does not fit is refused
        for field, name in CONTEXT_FIELDS.items():
            contexts[field] = values[name]
    past = table(measured(history.values), history.values["detected"] > 0)
    found = alerts_of(
        message,
        sent_ms,
        good,
        alert_ids=values["alertId"],
        objects=[b"%b/%b" % pair for pair in zip(values["survey"], values["objectId"], strict=True)],
        own=table(measured(values), values["detected"] > 0),
        pasts=[Past(past, owner, np.ones(len(past), np.bool_))],
        contexts=contexts,
        places_deg=np.stack([values["ra"], values["dec"]], axis=1),
    )
    return Adapted(found, np.empty(0, np.int64), poisons)


def bad_histories(
    checks: Iterator[Check],
    message: NDArray[np.int64],
    owner: NDArray[np.int64],
    ends: NDArray[np.int64],
    good: Flags,
) -> Poisons:
    """What is wrong first with each history [m] of a good packet [n], which is then good no more."""
    poisons, starts = Poisons(), np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    for name, fine, values, expected in checks:
        for row in np.flatnonzero(~fine & good[owner]).tolist():
            if good[i := owner[row]]:
                poisons[int(message[i])] = bad(
                    f"history[{row - int(starts[i])}].{name}", value_at(values, row), expected
                )
                good[i] = False
    return poisons


def checked(values: Values, latest: Floats, told: Mapping[str, Told]) -> Iterator[Check]:
    """The checks of observations [n], whose times lie before `latest` [n]."""
    return observed(measured(values), latest, ("mjd", "flux", "fluxErr", "band"), told["band"])


def measured(values: Values) -> Measured:
    """Observations [n]."""
    return Measured(values["mjd"], values["flux"], values["fluxErr"], values["band"])
