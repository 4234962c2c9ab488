"""Verdicts to the bytes of classifications (schemas/classification), a whole batch at once.

Most of a classification is the same in every message: from the array of classes to the versions it is a template of
bytes with the floats filled in. Fastavro alone would take longer over the 14 {classId, probability} than over all else.
A test holds every byte equal to fastavro's.
"""

from io import BytesIO
from typing import Any

import fastavro
import numpy as np
from numpy.typing import NDArray

from broker.outputs.encoding import LONGEST_NUMBER, write_classifications
from broker.packets.framings import WIRE
from model.alerts import Alerts
from model.runs import Verdicts
from model.taxonomy import CLASS_IDS
from schemas.catalogue import Schema, confluent_id, load

NAME, VERSION = "classification", 1
TIMES = ("ingestTimestamp", "publishTimestamp")
FIXED = 8 * LONGEST_NUMBER + 3 * 8  # bytes of a record's numbers before the template, at most
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
        raw, flagged = (encoded(part("Middle", (*constants, "anomaly")), constants | {"anomaly": f}) for f in (0, 1))
        starts = [i for i in range(len(raw)) if raw.startswith(MARK.tobytes(), i)]
        self._raw = np.frombuffer(raw, dtype=np.uint8)
        self._holes = (np.array(starts)[:, None] + np.arange(MARK.itemsize)).ravel()
        (self._flag,) = np.flatnonzero(self._raw != np.frombuffer(flagged, dtype=np.uint8))
        self._prefix = np.frombuffer(WIRE.pack(0, confluent_id(NAME, VERSION)), np.uint8)

    def encode(
        self, alerts: Alerts, verdicts: Verdicts, observations: NDArray[np.int64], read_ms: int, publish_ms: int
    ) -> list[bytes]:
        """The bytes [n] of classifications.

        Args:
            alerts: n of them.
            verdicts: [n].
            observations: [n], how many each light curve has, up to and with the alert.
            read_ms: when the alerts were read [ms since 1970].
            publish_ms: when the classifications are handed to Kafka [ms since 1970].
        """
        if not len(alerts):
            return []
        names = b"".join(alerts.objects)
        lengths = np.fromiter(map(len, alerts.objects), np.int64, len(alerts))
        slashes = np.fromiter((name.index(b"/") for name in alerts.objects), np.int64, len(alerts))
        suffix = encoded(part("Times", TIMES), dict(zip(TIMES, (read_ms, publish_ms), strict=True)))
        middles = self._middles(verdicts)
        room = len(names) + len(alerts) * (FIXED + len(self._prefix) + middles.shape[1] + len(suffix))
        buffer = np.empty(room, np.uint8)
        ends = write_classifications(
            buffer,
            self._prefix,
            alerts.alert_ids,
            np.frombuffer(names, np.uint8),
            np.cumsum(lengths),
            slashes,
            np.ascontiguousarray(alerts.own["mjd_tai"])[:, None].view(np.uint8),
            np.ascontiguousarray(alerts.places_deg).view(np.uint8),
            np.isnan(alerts.places_deg),
            observations,
            middles,
            np.frombuffer(suffix, np.uint8),
        ).tolist()
        raw = buffer[: ends[-1]].tobytes()
        return [raw[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def _middles(self, verdicts: Verdicts) -> NDArray[np.uint8]:
        """The template [n, w] with what each verdict says."""
        numbers = np.concatenate(
            [verdicts.probabilities, verdicts.p99[:, None], verdicts.anomaly_scores[:, None]], axis=1, dtype="<f4"
        )
        filled = np.tile(self._raw, (len(numbers), 1))
        filled[:, self._holes] = np.ascontiguousarray(numbers).view(np.uint8)
        filled[:, self._flag] = verdicts.anomalies
        return filled


def part(name: str, names: tuple[str, ...]) -> Schema:
    """Some of the record's fields as a record of their own; Avro's records are their fields one after the other."""
    fields = [f for f in load(NAME, VERSION)["fields"] if f["name"] in names]
    parsed: Schema = fastavro.parse_schema({"type": "record", "name": name, "fields": fields})  # type: ignore[assignment]
    return parsed


def encoded(schema: Schema, values: dict[str, Any]) -> bytes:
    """Some values' bytes."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, values)
    return stream.getvalue()
