"""What the native adapter lets through has finite features and verdicts: no alert can spoil an object's state."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model import artefact
from model.bounds import BRIGHTEST_NJY, LARGEST_MWEBV, LARGEST_PHOTOZ, LATEST_MJD, SMALLEST_ERROR_NJY
from model.classifier import Classifier
from model.observation import LightCurve
from model.runs import Runs
from tests.support.alerts import alerts_of, record

CLASSIFIER = Classifier(artefact.load(artefact.DEFAULT), device="cpu", threads=1)


def floats(low: float, high: float, *others: float) -> st.SearchStrategy[float]:
    """Single-precision numbers of a range, its ends above all."""
    ends = [float(np.nextafter(np.float32(end), np.float32(1))) for end in (low, high)]
    return st.sampled_from([*ends, *others]) | st.floats(*ends, width=32)


OBSERVATIONS = st.fixed_dictionaries(
    {
        "mjd": st.sampled_from([5e-324, 59_000.0, 59_000.000001, float(np.nextafter(LATEST_MJD, 0))])
        | st.floats(1, LATEST_MJD, exclude_max=True),
        "band": st.sampled_from("ugrizy"),
        "flux": floats(-BRIGHTEST_NJY, BRIGHTEST_NJY, 0.0, -0.0, 1e-45, -1e-45),
        "fluxErr": floats(SMALLEST_ERROR_NJY, BRIGHTEST_NJY, 1.0),
        "detected": st.booleans(),
    }
)
CONTEXTS = st.fixed_dictionaries(
    {
        "ddf": st.sampled_from([None, True, False]),
        "hostgalPhotoz": st.none() | st.sampled_from([0.0, 1e-45, LARGEST_PHOTOZ]) | floats(1e-6, LARGEST_PHOTOZ),
        "hostgalPhotozErr": st.none() | st.sampled_from([0.0, 1e-45, LARGEST_PHOTOZ]),
        "mwebv": st.none() | st.sampled_from([0.0, 1e-45, LARGEST_MWEBV]),
    }
)


@given(OBSERVATIONS, st.lists(OBSERVATIONS, max_size=8), CONTEXTS)
@settings(max_examples=300, deadline=None)
def test_verdicts_are_finite(newest, history, context):
    alerts = alerts_of([record(**newest, **context, history=history)])
    rows = LightCurve.of(alerts.rows).observations
    half = len(rows) // 2
    state = CLASSIFIER.start_state
    for part in (rows[:half], rows[half:]):
        if len(part):
            runs = Runs(state[None], part, np.array([len(part)]), alerts.contexts, np.arange(len(part)))
            verdicts, bodies = CLASSIFIER.classify(runs)
            state = bodies[0]
            assert np.isfinite(verdicts.probabilities).all()
            assert np.isfinite(verdicts.p99).all()
            assert np.isfinite(verdicts.anomaly_scores).all()
            assert np.abs(verdicts.probabilities.sum(axis=1) - 1).max() < 1e-5
