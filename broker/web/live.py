"""The news: what the live page shows, of the pulse and of the crew."""

from typing import TYPE_CHECKING, Any

from model.taxonomy import CLASS_NAMES

if TYPE_CHECKING:
    from broker.web.app import Parts

RATE_S = 5
LATENCY_S = 60
HOUR_S = 3600
SPARK_S = 300


def news(parts: "Parts") -> dict[str, Any]:
    """All that moves: rates [1/s], latencies [s], lag, classes of the last hour, workers, troubles."""
    now, minute, hour = (parts.pulse.last(seconds) for seconds in (RATE_S, LATENCY_S, HOUR_S))
    crew = parts.lookout.crew
    surveys: dict[str, list[dict[str, Any]]] = {}
    for (survey, best), count in hour.classes.most_common():
        surveys.setdefault(survey, []).append({"name": CLASS_NAMES[best], "count": count})
    return {
        "rate": round(now.rate, 1),
        "total": parts.pulse.total,
        "rates": parts.pulse.rates(SPARK_S),
        "p50": minute.latency_s(0.50),
        "p99": minute.latency_s(0.99),
        "late": parts.latency_line_s,
        "lag": crew.lag,
        "anomalies_hour": hour.anomalies,
        "alerts_hour": hour.alerts,
        "surveys": surveys,
        "workers": [{"name": w.name, "host": w.host, "partitions": w.partitions} for w in crew.workers],
        "trouble": parts.feed.trouble or crew.trouble,
    }
