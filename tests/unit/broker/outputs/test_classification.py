"""The template's bytes are fastavro's, whatever stands in the record."""

import math
from io import BytesIO

import fastavro
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.kafka.message import Message
from broker.outputs.classification import ClassificationEncoder
from broker.settings.predicates import PRIORS
from model.features import STATISTICS
from model.observation import Observation
from model.runs import QUALITIES, Verdicts
from model.taxonomy import CLASS_IDS
from schemas.catalogue import load
from tests.support.columns import Alert, Arrival, alerts_of

FLOATS = st.floats(width=32, allow_nan=False)
NAMES = st.text(min_size=1, max_size=100)
TIMES = st.integers(0, 2**42)
FAR = st.tuples(st.integers(0, len(STATISTICS) - 1), FLOATS)
DEGREES = st.just(math.nan) | st.floats(-360, 360)


@given(
    probabilities=st.lists(FLOATS, min_size=14, max_size=14),
    numbers=st.tuples(FLOATS, FLOATS, FLOATS),
    photoz=st.just(math.nan) | st.floats(0, 10, width=32),
    anomaly=st.booleans(),
    alert=st.builds(
        Alert,
        st.integers(1, 2**63 - 1),
        NAMES,
        st.from_regex(r"[a-z0-9][a-z0-9._-]{0,31}", fullmatch=True),
        st.builds(Observation, st.floats(0, 1e6), FLOATS, FLOATS, st.integers(0, 5), st.booleans()),
        ra_deg=DEGREES,
        dec_deg=DEGREES,
    ),
    observations=st.integers(1, 2**31 - 1),
    times=st.tuples(TIMES, TIMES),
    names=st.tuples(NAMES, NAMES, NAMES),
    priors=st.sampled_from(PRIORS),
    quality=st.sampled_from(QUALITIES),
    reasons=st.none() | st.tuples(st.integers(0, 13), st.none() | st.lists(FAR, min_size=3, max_size=3)),
)
@settings(deadline=None)  # the first call compiles
def test_the_bytes_are_those_of_fastavro(
    *, probabilities, numbers, photoz, anomaly, alert, observations, times, names, priors, quality, reasons
):
    p99, score, threshold = numbers
    classifier, digest, version = names
    encoder = ClassificationEncoder(classifier_name=classifier, classifier_version=digest, broker_version=version)
    nearest, furthest = reasons if anomaly and reasons else (-1, None)
    which, away = zip(*furthest, strict=True) if furthest else ((-1,) * 3, (0.0,) * 3)
    other = Alert(1, "another", "before", Observation(1.0, 2.0, 3.0, 4, True))
    said = Verdicts(
        np.array([[0.0] * 14, probabilities], np.float32),
        np.array([0.0, p99], np.float32),
        np.array([0.0, score], np.float32),
        np.array([0.0, threshold], np.float32),
        np.array([not anomaly, anomaly]),
        np.array([0, QUALITIES.index(quality)], np.uint8),
        np.array([2, nearest]),
        np.array([[1, 2, 3], which]),
        np.array([[0.5] * 3, away], np.float32),
    )
    record = {
        "alertId": alert.alert_id,
        "objectId": alert.object_id,
        "survey": alert.survey,
        "mjd": alert.observation.mjd_tai,
        "ra": None if math.isnan(alert.ra_deg) else alert.ra_deg,
        "dec": None if math.isnan(alert.dec_deg) else alert.dec_deg,
        "observations": observations,
        "photoz": None if math.isnan(photoz) else photoz,
        "classifications": [{"classId": c, "probability": p} for c, p in zip(CLASS_IDS, probabilities, strict=True)],
        "p99": p99,
        "anomalyScore": score,
        "anomalyThreshold": threshold,
        "priors": priors,
        "quality": quality,
        "anomaly": anomaly,
        "nearestClass": CLASS_IDS[nearest] if nearest >= 0 else None,
        "furthest": [{"statistic": STATISTICS[i], "deviations": d} for i, d in furthest or ()],
        "classifierName": classifier,
        "classifierVersion": digest,
        "brokerVersion": version,
        "ingestTimestamp": times[0],
        "publishTimestamp": times[1],
    }
    stream = BytesIO()
    fastavro.schemaless_writer(stream, load("classification"), record)
    alerts = alerts_of([Arrival(Message("alerts", 0, 0, 0), one) for one in (other, alert)])
    alerts.contexts["host_photoz"][1] = photoz
    assumed = np.array([0, PRIORS.index(priors)])
    _, got = encoder.encode(alerts, said, assumed, np.array([9, observations]), *times)
    assert got[:5] == b"\x00\x00\x00\x00\xc9"
    assert got[5:] == stream.getvalue()
