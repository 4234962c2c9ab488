"""What the parts tell of themselves, as metrics, /readyz and the log show it."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from broker.health import Health
from broker.lightcurves.facts import PROBLEMS, Facts
from broker.metrics import AtWork, Metrics

log = structlog.get_logger(__name__)

CALIBRATION_ERRORS = {"natural": "ece", "balanced": "ece_balanced"}  # by priors, in an artefact's record


def note_assignment(metrics: Metrics, state: Health, held: int) -> None:
    """Ready only while partitions are held."""
    metrics.held.set(held)
    metrics.rebalances.inc()
    log.info("assigned", partitions=held)
    if held:
        state.well("assigned")
    else:
        state.unwell("assigned", "no partition is assigned to this worker")


def note_store(metrics: Metrics, state: Health, problems: Mapping[str, str], facts: Facts | None) -> None:
    """Redis is set up so that it may lose light curves: a warning that stops nothing. A loss is seen when it comes."""
    for problem in PROBLEMS:
        metrics.store_problems.labels(problem).set(problem in problems)
    if facts:
        metrics.evicted_keys.set(facts.evicted_keys)
        metrics.redis_memory_bytes.set(facts.used_memory_bytes)
        metrics.redis_memory_limit_bytes.set(facts.max_memory_bytes)
        metrics.redis_info.clear()
        metrics.redis_info.labels(facts.version, facts.eviction_policy).set(1)
        told = {"version": facts.version, "policy": facts.eviction_policy, "memory_bytes": facts.used_memory_bytes}
        state.facts["redis"] = lambda: told | {"memory_limit_bytes": facts.max_memory_bytes}
    for problem, text in problems.items():
        if state.warnings.get(problem) != text:
            log.warning("the store is not safe", problem=problem, detail=text)
    state.warnings = problems


def note_models(
    metrics: Metrics, state: Health, at_work: Mapping[str, AtWork], promotion: int, refused: str = ""
) -> None:
    """Which artefacts classify, by survey; and why what is promoted does not, where it does not."""
    metrics.models.tell(at_work)
    metrics.models.promotion.set(promotion)
    metrics.models.refused.set(bool(refused))
    each = {survey: one._asdict() for survey, one in at_work.items()}
    state.facts["models"] = lambda: {"promotion": promotion, "refused": refused, **each}


def note_calibration(metrics: Metrics, record: Mapping[str, Any], priors: str) -> None:
    """How well an artefact's confidences were calibrated when it was made, if its record says so."""
    measured = record.get("metrics")
    error = measured.get(CALIBRATION_ERRORS[priors]) if isinstance(measured, Mapping) else None
    metrics.calibration_error.clear()  # another artefact's
    if isinstance(error, float):
        metrics.calibration_error.labels(priors).set(error)


def how_far(metrics: Metrics) -> dict[str, Callable[[], object]]:
    """How far the service is, for /readyz: what it holds, how much is unread, and when it committed last."""

    def held() -> int:
        return int(metrics.held._value.get())  # noqa: SLF001 - it is ours

    def unread() -> dict[str, int]:
        return {f"{topic}[{number}]": one.lag_offsets for (topic, number), one in metrics.partitions.each.items()}

    def since_commit_s() -> float | None:
        at_s: float = metrics.last_commit_timestamp_seconds._value.get()  # noqa: SLF001 - it is ours
        return round(time.time() - at_s, 1) if at_s else None

    return {"assigned_partitions": held, "lag_offsets": unread, "last_commit_s_ago": since_commit_s}


def room_on(folder: Path) -> dict[str, object]:
    """How much the disk of a folder has free, for /readyz; null where it cannot be looked at."""
    try:
        free_bytes = shutil.disk_usage(folder).free
    except OSError:
        free_bytes = None
    return {"folder": str(folder), "free_bytes": free_bytes}


def note_trouble(state: Health, why: str) -> None:
    """Kafka does not answer: not ready, but alive and trying."""
    state.turned()
    state.unwell("kafka", why)
    log.warning("Kafka does not answer", error=why)
