"""Verdicts to the bytes of classifications (schemas/classification), a whole batch at once.

Most of a classification is the same in every message: from the array of classes to the threshold of the anomaly score
it is a template of bytes with the floats filled in, and what follows is one of a few ends (`tails`). A test holds every
byte equal to fastavro's.
"""

import numpy as np
from numpy.typing import NDArray

from broker.outputs.encoding import LONGEST_NUMBER, write_classifications
from broker.outputs.tails import Tails
from broker.outputs.template import MARK, Template, encoded, part
from broker.packets.framings import WIRE
from model.alerts import Alerts
from model.runs import Verdicts
from model.taxonomy import CLASS_IDS
from schemas.catalogue import confluent_id, load

NAME = "classification"
TIMES = ("ingestTimestamp", "publishTimestamp")
FIXED = 9 * LONGEST_NUMBER + 3 * 8 + 4  # bytes of a record's numbers before the template, at most


class ClassificationEncoder:
    """Encodes classifications of one artefact, in Confluent's wire framing.

    Args:
        classifier_name: of the artefact.
        classifier_version: its digest.
        broker_version: ours.
    """

    def __init__(self, *, classifier_name: str, classifier_version: str, broker_version: str) -> None:
        chances = [{"classId": c, "probability": MARK} for c in CLASS_IDS]
        numbers = {"classifications": chances, "p99": MARK, "anomalyScore": MARK, "anomalyThreshold": MARK}
        self._middle = Template(encoded(part(load(NAME), "Middle", tuple(numbers)), numbers))
        self._tails = Tails(
            classifier_name=classifier_name, classifier_version=classifier_version, broker_version=broker_version
        )
        self._suffix = part(load(NAME), "Times", TIMES)
        self._prefix = np.frombuffer(WIRE.pack(0, confluent_id(NAME)), np.uint8)

    def encode(
        self,
        alerts: Alerts,
        verdicts: Verdicts,
        assumed: NDArray[np.int64],
        observations: NDArray[np.int64],
        read_ms: int,
        publish_ms: int,
    ) -> list[bytes]:
        """The bytes [n] of classifications.

        Args:
            alerts: n of them.
            verdicts: [n].
            assumed: [n], which of PRIORS their probabilities assume.
            observations: [n], how many each light curve has, up to and with the alert.
            read_ms: when the alerts were read [ms since 1970].
            publish_ms: when the classifications are handed to Kafka [ms since 1970].
        """
        if not len(alerts):
            return []
        names = b"".join(alerts.objects)
        lengths = np.fromiter(map(len, alerts.objects), np.int64, len(alerts))
        slashes = np.fromiter((name.index(b"/") for name in alerts.objects), np.int64, len(alerts))
        photoz = np.ascontiguousarray(alerts.contexts["host_photoz"], "<f4")
        unknown = np.isnan(np.column_stack([alerts.places_deg, photoz]))
        suffix = encoded(self._suffix, dict(zip(TIMES, (read_ms, publish_ms), strict=True)))
        middles = self._middles(verdicts)
        tails = self._tails.of(verdicts, assumed)
        longest = int(np.diff(tails.ends, prepend=0).max())
        room = len(names) + len(alerts) * (FIXED + len(self._prefix) + middles.shape[1] + longest + len(suffix))
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
            observations,
            photoz[:, None].view(np.uint8),
            unknown,
            middles,
            *tails,
            np.frombuffer(suffix, np.uint8),
        ).tolist()
        raw = buffer[: ends[-1]].tobytes()
        return [raw[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def _middles(self, verdicts: Verdicts) -> NDArray[np.uint8]:
        """The template [n, w] with what each verdict says."""
        numbers = (verdicts.probabilities, verdicts.p99, verdicts.anomaly_scores, verdicts.thresholds)
        return self._middle.filled(np.column_stack(numbers))
