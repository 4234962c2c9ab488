"""The news: what the live page shows, of the pulse and of the crew."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from broker.text import calendar, printable
from broker.web import queries
from broker.web.crew import Crew
from broker.web.index import Index, Row
from broker.web.pulse import Pulse
from broker.web.views import address
from model.taxonomy import CLASS_NAMES

RATE_S = 5
LATENCY_S = 60
HOUR_S = 3600
SPARK_S = 300
SHOWN = 30  # objects with an anomaly
EVERY_S = 0.8  # made anew, however many pages listen
ANSWERING_S = 5.0  # who answers with what, which changes seldom and takes a look at thousands of answers


class News:
    """Made anew once in a while, however many ask; safe to ask from several threads.

    Args:
        make: what is told.
        every_s: how long it is told before it is made anew.
    """

    def __init__(self, make: Callable[[], dict[str, Any]], every_s: float = EVERY_S) -> None:
        self._make = make
        self._every_s = every_s
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}
        self._at = -every_s

    def latest(self) -> dict[str, Any]:
        """The news, not to be changed."""
        with self._lock:
            if monotonic() - self._at >= self._every_s:
                self._made, self._at = self._make(), monotonic()
            return self._made


def artefacts(index: Index) -> dict[str, Any]:
    """Which artefacts answer, `models`, and which of them each partition of the input, `answering`."""
    with index.reading() as reading:
        return {"models": queries.models(reading), "answering": queries.answering(reading)}


def account(index: Index, crew: Crew, latest: dict[str, Any]) -> dict[str, Any]:
    """Who answers with which of the latest artefacts, messages of each night and topic, objects with an anomaly."""
    answering = latest["answering"]
    with index.reading() as reading:
        nights = queries.nights(reading)
        anomalies = queries.anomalous(reading, 0, None, SHOWN).rows
    return {
        "models": [artefact(one) for one in latest["models"]],
        "workers": [
            {
                "name": printable(worker.name),
                "host": printable(worker.host),
                "partitions": len(worker.reads),
                "models": list(dict.fromkeys(artefact(a) for place in worker.reads for a in answering.get(place, ()))),
            }
            for worker in crew.workers
        ],
        "nights": [n | {"topic": printable(n["topic"])} for n in nights],
        "anomalies": [brief(row) for row in anomalies],
    }


def artefact(row: Row) -> str:
    """A model that answers, in a few words."""
    return f"{printable(row['model'])} {printable(row['version'][:12])}, {printable(row['priors'])} priors"


def waited(crew: Crew) -> str:
    """How long the oldest unread alert has waited, in words."""
    if crew.waiting is None:
        return "nothing waits" if crew.at else "–"
    return f"{crew.waiting.seconds:,.0f} s {'at least' if crew.waiting.at_least else 'at most'}"


def brief(row: Row) -> dict[str, Any]:
    """An object with an anomaly, for a line of the live page."""
    return {
        "name": f"{row['survey']}/{printable(row['object'])}",
        "address": address(row["survey"], row["object"]),
        "nearest": row["nearest"] or "–",  # records of version 1 do not tell it
        "best": CLASS_NAMES[row["best"]],
        "probability": round(row["probability"], 2),
        "points": row["observations"],
        "score": round(row["score"], 2),
        "highest": round(row["highest"], 2),
        "alerts": row["flagged"],
        "at": calendar(row["published_ms"]),
    }


def news(pulse: Pulse, crew: Crew, trouble: str, line_s: float) -> dict[str, Any]:
    """All that moves: rates [1/s], latencies [s] and their line, lag, classes of the last hour, troubles."""
    now, minute, hour = (pulse.last(seconds) for seconds in (RATE_S, LATENCY_S, HOUR_S))
    surveys: dict[str, list[dict[str, Any]]] = {}
    for (survey, best), count in hour.classes.most_common():
        surveys.setdefault(survey, []).append({"name": CLASS_NAMES[best], "count": count})
    return {
        "rate": round(now.rate, 1),
        "total": pulse.total,
        "rates": pulse.rates(SPARK_S),
        "p50": minute.latency_s(0.50),
        "p99": minute.latency_s(0.99),
        "late": line_s,
        "lag": crew.lag,
        "waited": waited(crew),
        "waits_long": crew.waiting is not None and crew.waiting.seconds > line_s,
        "anomalies_hour": hour.anomalies,
        "alerts_hour": hour.alerts,
        "surveys": surveys,
        "trouble": trouble,
    }
