"""Verdicts for tests of what is made of them."""

import numpy as np

from model.runs import Verdicts

THRESHOLD = 5.5


def said(
    probabilities: np.ndarray,
    p99: np.ndarray,
    scores: np.ndarray,
    flags: np.ndarray,
    qualities: np.ndarray | None = None,
) -> Verdicts:
    """Verdicts [n] that rest on enough unless told, and give no reasons."""
    n = len(probabilities)
    return Verdicts(
        probabilities,
        p99,
        scores,
        np.full(n, THRESHOLD, np.float32),
        flags,
        np.zeros(n, np.uint8) if qualities is None else qualities,
        np.full(n, -1, np.int64),
        np.full((n, 3), -1, np.int64),
        np.zeros((n, 3), np.float32),
    )


def with_reasons(verdicts: Verdicts, seed: int = 1) -> Verdicts:
    """The same, with a class and three statistics for each that is flagged."""
    rng, n = np.random.default_rng(seed), len(verdicts.p99)
    flagged = verdicts.anomalies
    which = np.array([rng.permutation(91)[:3] for _ in range(n)]).reshape(n, 3)
    return verdicts._replace(
        nearest=np.where(flagged, rng.integers(0, 14, n), -1),
        furthest=np.where(flagged[:, None], which, -1),
        deviations=np.where(flagged[:, None], rng.normal(0, 9, (n, 3)), 0).astype(np.float32),
    )
