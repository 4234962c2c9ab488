"""Verdicts to the bytes of classifications (schemas/classification), a whole batch at once.

Most of a classification is the same in every message: from the array of classes to the versions it is a template of
bytes with the floats filled in. A test holds every byte equal to fastavro's.
"""

import numpy as np
from numpy.typing import NDArray

from broker.outputs.encoding import LONGEST_NUMBER, write_classifications
from broker.outputs.template import MARK, Template, encoded, part
from broker.packets.framings import WIRE
from model.alerts import Alerts
from model.runs import Verdicts
from model.taxonomy import CLASS_IDS
from schemas.catalogue import confluent_id, load

NAME, VERSION = "classification", 1
TIMES = ("ingestTimestamp", "publishTimestamp")
FIXED = 8 * LONGEST_NUMBER + 3 * 8  # bytes of a record's numbers before the template, at most


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
        middle = part(load(NAME, VERSION), "Middle", (*constants, "anomaly"))
        raw, flagged = (encoded(middle, constants | {"anomaly": flag}) for flag in (False, True))
        self._middle = Template(raw)
        (self._flag,) = np.flatnonzero(self._middle.raw != np.frombuffer(flagged, dtype=np.uint8))
        self._suffix = part(load(NAME, VERSION), "Times", TIMES)
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
        suffix = encoded(self._suffix, dict(zip(TIMES, (read_ms, publish_ms), strict=True)))
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
        numbers = (verdicts.probabilities, verdicts.p99[:, None], verdicts.anomaly_scores[:, None])
        filled = self._middle.filled(np.concatenate(numbers, axis=1, dtype="<f4"))
        filled[:, self._flag] = verdicts.anomalies
        return filled
