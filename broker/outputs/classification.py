"""A verdict to the bytes of a classification (schemas/classification).

Fastavro takes longer over the 14 {classId, probability} than over all else, and most of a classification is the same in
every message: from the array to the versions it is a template of bytes with the floats filled in. A test holds every
byte equal to fastavro's.
"""

from functools import lru_cache
from io import BytesIO
from math import isnan
from typing import Any

import fastavro
import numpy as np
from numpy.typing import ArrayLike

from broker.packets.framings import WIRE
from model.classifier import Verdict
from model.observation import Alert
from model.taxonomy import CLASS_IDS
from schemas.catalogue import Schema, confluent_id, load

VERSION = 1
HEAD = ("alertId", "objectId", "survey", "mjd", "ra", "dec", "observations")
TIMES = ("ingestTimestamp", "publishTimestamp")
MARK = np.float32(
    -1.5
)  # stands for a float to fill in; its bytes are in no class id and, not being UTF-8, in no string


class ClassificationEncoder:
    """Encodes classifications of one artefact, in Confluent's wire framing.

    Args:
        priors: balanced or natural.
        classifier_name: of the artefact.
        classifier_version: its digest.
        broker_version: ours.
    """

    def __init__(self, *, priors: str, classifier_name: str, classifier_version: str, broker_version: str) -> None:
        constants = {
            "classifications": [{"classId": c, "probability": MARK} for c in CLASS_IDS],
            "priors": priors,
            "p99": MARK,
            "anomalyScore": MARK,
            "classifierName": classifier_name,
            "classifierVersion": classifier_version,
            "brokerVersion": broker_version,
        }
        self._middle = {flag: Template("Middle", constants | {"anomaly": flag}) for flag in (False, True)}

    def encode(self, alert: Alert, verdict: Verdict, observations: int, read_ms: int, publish_ms: int) -> bytes:
        """The bytes of one classification.

        Args:
            alert: which it answers.
            verdict: the classifier's.
            observations: how many the light curve has, up to and with the alert.
            read_ms: when the alert was read [ms since 1970].
            publish_ms: when the classification is handed to Kafka [ms since 1970].
        """
        head = {
            "alertId": alert.alert_id,
            "objectId": alert.object_id,
            "survey": alert.survey,
            "mjd": alert.observation.mjd_tai,
            "ra": None if isnan(alert.ra_deg) else alert.ra_deg,
            "dec": None if isnan(alert.dec_deg) else alert.dec_deg,
            "observations": observations,
        }
        stream = BytesIO()
        stream.write(WIRE.pack(0, confluent_id(VERSION)))
        fastavro.schemaless_writer(stream, HEAD_SCHEMA, head)
        floats = [*verdict.probabilities.tolist(), verdict.p99, verdict.anomaly_score]
        stream.write(self._middle[bool(verdict.anomaly)].fill(floats))
        stream.write(times(read_ms, publish_ms))
        return stream.getvalue()


class Template:
    """The bytes of a part of the record, but for its floats.

    Args:
        name: of the part.
        values: its fields in the schema's order or any other, MARK in place of each float.
    """

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        raw = encoded(part(name, tuple(values)), values)
        starts = [i for i in range(len(raw)) if raw.startswith(MARK.tobytes(), i)]
        self._raw = np.frombuffer(raw, dtype=np.uint8)
        self._holes = (np.array(starts)[:, None] + np.arange(MARK.itemsize)).ravel()

    def fill(self, floats: ArrayLike) -> bytes:
        """The part's bytes for its floats [n], in their order."""
        filled = self._raw.copy()
        filled[self._holes] = np.array(floats, dtype="<f4").view(np.uint8)
        return filled.tobytes()


@lru_cache(maxsize=16)  # a batch shares them
def times(read_ms: int, publish_ms: int) -> bytes:
    """The timestamps' bytes."""
    return encoded(TIMES_SCHEMA, dict(zip(TIMES, (read_ms, publish_ms), strict=True)))


def part(name: str, names: tuple[str, ...]) -> Schema:
    """Some of the record's fields as a record of their own; Avro's records are their fields one after the other."""
    fields = [f for f in load("classification", VERSION)["fields"] if f["name"] in names]
    parsed: Schema = fastavro.parse_schema({"type": "record", "name": name, "fields": fields})  # type: ignore[assignment]
    return parsed


def encoded(schema: Schema, values: dict[str, Any]) -> bytes:
    """Some values' bytes."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, values)
    return stream.getvalue()


HEAD_SCHEMA = part("Head", HEAD)
TIMES_SCHEMA = part("Times", TIMES)
