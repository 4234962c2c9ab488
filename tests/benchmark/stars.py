"""Made-up objects: their observations as columns, and their alerts as messages.

Object n of a family is always the same, and its observation t is at day t. No figure depends on what is observed.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from broker.packets.framings import encode
from model.alerts import Alerts
from model.features import contexts
from model.observation import BANDS, OBSERVATION, Context

FIRST_MJD = 50_000.0
CONTEXT = {"ddf": False, "hostgalPhotoz": 0.4, "hostgalPhotozErr": 0.05, "mwebv": 0.1}
PLACE = {"ra": 10.0, "dec": -10.0}
ERROR_NJY = 20.0


def fluxes_njy(names: NDArray[np.int64], days: NDArray[np.int64]) -> NDArray[np.float32]:
    """What each object [k] shows on each day [k]: fluxes of some hundred nJy without a random generator's state."""
    noise = (names * 7919 + days * 104_729) % 1000
    return (400.0 + 0.2 * noise).astype(np.float32)


def rows(names: NDArray[np.int64], days: NDArray[np.int64]) -> NDArray[np.void]:
    """Observations [k] of dtype OBSERVATION."""
    made = np.zeros(len(names), OBSERVATION)
    made["mjd_tai"], made["band"] = FIRST_MJD + days, days % len(BANDS)
    made["flux_njy"], made["flux_err_njy"] = fluxes_njy(names, days), ERROR_NJY
    made["detected"] = True
    return made


def key(family: str, name: int) -> bytes:
    """The object in Kafka and in Redis."""
    return f"plasticc/{family}{name}".encode()


def alerts_of(family: str, names: Sequence[int], first: int, days: int, *, whole: bool = False) -> Alerts:
    """An alert of each object on each of so many days; `whole`: one of each, with the earlier days as its history."""
    named = np.repeat(np.array(names, np.int64), days)
    day = np.tile(np.arange(first, first + days), len(names))
    each = 1 if whole else days
    n = len(names) * each
    known = Context(CONTEXT["hostgalPhotoz"], CONTEXT["hostgalPhotozErr"], CONTEXT["mwebv"], CONTEXT["ddf"])
    return Alerts(
        message=np.arange(n),
        alert_ids=np.arange(1, n + 1),
        objects=[key(family, name) for name in names for _ in range(each)],
        rows=rows(named, day),
        ends=np.arange(1, n + 1) * (days if whole else 1),
        contexts=contexts([known]).repeat(n),
        places_deg=np.tile(np.array([PLACE["ra"], PLACE["dec"]]), (n, 1)),
        sent_ms=np.zeros(n, np.int64),
    )


def packets(family: str, names: Sequence[int], day: int, first_id: int, history: int = 0) -> list[bytes]:
    """An alert of each object on a day, with so many of the days before as its history."""
    each = history + 1
    days = np.tile(np.arange(day - history, day + 1), len(names))
    observed = rows(np.repeat(np.array(names, np.int64), each), days)
    columns = [observed[name].tolist() for name in ("mjd_tai", "band", "flux_njy", "flux_err_njy", "detected")]
    told = [
        {"mjd": mjd, "band": BANDS[band], "flux": flux, "fluxErr": error, "detected": detected}
        for mjd, band, flux, error, detected in zip(*columns, strict=True)
    ]
    made = []
    for place, name in enumerate(names):
        *past, own = told[place * each : (place + 1) * each]
        named = {"alertId": first_id + place, "objectId": f"{family}{name}", "survey": "plasticc", "history": past}
        made.append(encode(named | CONTEXT | PLACE | own, "observation"))
    return made
