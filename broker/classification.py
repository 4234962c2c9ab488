"""A verdict to the bytes of a classification (schemas/classification).

The array of 14 {classId, probability} takes fastavro longer than all else in the record, and only its floats ever
change: it is a template of bytes with the floats filled in. A test holds every byte equal to fastavro's.
"""

from io import BytesIO
from math import isnan

import fastavro
import numpy as np
from numpy.typing import NDArray

from broker.codec import WIRE
from model.classifier import Verdict
from model.observation import Alert
from model.taxonomy import CLASS_IDS
from schemas.catalogue import Schema, confluent_id, load

VERSION = 1
ARRAY = "classifications"


class ClassificationEncoder:
    """Encodes classifications of one artefact, in Confluent's wire framing.

    Args:
        priors: balanced or natural.
        classifier_name: of the artefact.
        classifier_version: its digest.
        broker_version: ours.
    """

    def __init__(self, *, priors: str, classifier_name: str, classifier_version: str, broker_version: str) -> None:
        fields = load("classification", VERSION)["fields"]
        at = [f["name"] for f in fields].index(ARRAY)
        self._head, self._tail = part("Head", fields[:at]), part("Tail", fields[at + 1 :])
        self._array = ProbabilityArray(fields[at]["type"])
        self._constants = {
            "priors": priors,
            "classifierName": classifier_name,
            "classifierVersion": classifier_version,
            "brokerVersion": broker_version,
        }

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
        tail = self._constants | {
            "p99": verdict.p99,
            "anomalyScore": verdict.anomaly_score,
            "anomaly": verdict.anomaly,
            "ingestTimestamp": read_ms,
            "publishTimestamp": publish_ms,
        }
        stream = BytesIO()
        stream.write(WIRE.pack(0, confluent_id(VERSION)))
        fastavro.schemaless_writer(stream, self._head, head)
        stream.write(self._array.fill(verdict.probabilities))
        fastavro.schemaless_writer(stream, self._tail, tail)
        return stream.getvalue()


class ProbabilityArray:
    """The Avro bytes of the classifications array, but for the probabilities."""

    def __init__(self, schema: Schema) -> None:
        stream = BytesIO()
        mark = np.float32(-1.5)  # stands for a probability; none of the class ids has such bytes
        fastavro.schemaless_writer(stream, schema, [{"classId": c, "probability": mark} for c in CLASS_IDS])
        raw = stream.getvalue()
        starts = [i for i in range(len(raw)) if raw.startswith(mark.tobytes(), i)]
        assert len(starts) == len(CLASS_IDS)
        self._template = np.frombuffer(raw, dtype=np.uint8)
        self._holes = (np.array(starts)[:, None] + np.arange(4)).ravel()

    def fill(self, probabilities: NDArray[np.float32]) -> bytes:
        """The array's bytes for probabilities [14]."""
        filled = self._template.copy()
        filled[self._holes] = np.ascontiguousarray(probabilities, dtype="<f4").view(np.uint8)
        return filled.tobytes()


def part(name: str, fields: list[Schema]) -> Schema:
    """Some of a record's fields as a record of their own; Avro's records are their fields one after the other."""
    parsed: Schema = fastavro.parse_schema({"type": "record", "name": name, "fields": fields})  # type: ignore[assignment]
    return parsed
