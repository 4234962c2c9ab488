"""What is published for a message: to which topics, under which key, with which headers and bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from broker.config import Outputs as Topics
from broker.errors import PoisonMessage
from broker.kafka.batch import Batch
from broker.kafka.message import Headers, Message, Record
from broker.outputs.assumed import Rates, assumed
from broker.outputs.classification import ClassificationEncoder
from broker.outputs.elasticc import ElasticcEncoder
from broker.outputs.passed_on import PassedOn
from broker.outputs.router import Answered, Router, digests
from broker.packets.decoded import Decoded
from broker.packets.framings import encode
from model.alerts import Alerts
from model.runs import Verdicts

LONGEST_DETAIL = 500  # characters
LARGEST_VALUE = 80 * 1024 * 1024  # bytes of a message that a dead letter keeps, where its topic takes as many
LARGEST_ENVELOPE = 1024 * 1024  # bytes of key and headers that it keeps
SMALLEST = 16 * 1024  # what any topic takes of each
ROUTES = "routes"  # the header that says which routes were in force
WITHOUT_ENVELOPE = "without its key and headers"  # how the detail begins where they are not kept


@dataclass
class Outputs:
    """Makes the messages of every fate.

    Args:
        topics: where they go.
        classifier_name: the artefact's name.
        classifier_version: the artefact's digest.
        priors: balanced or natural, as the classifier applies them.
        broker_version: ours.
        rates: of surveys whose probabilities are to assume published ones.
    """

    topics: Topics
    classifier_name: str
    classifier_version: str
    priors: str
    broker_version: str
    rates: Rates = field(default_factory=dict)
    largest_value: int = field(default=LARGEST_VALUE, init=False)
    largest_envelope: int = field(default=LARGEST_ENVELOPE, init=False)

    @cached_property
    def _encoder(self) -> ClassificationEncoder:
        return ClassificationEncoder(
            classifier_name=self.classifier_name,
            classifier_version=self.classifier_version,
            broker_version=self.broker_version,
        )

    @cached_property
    def _router(self) -> Router:
        said = {"classifier_name": self.classifier_name, "classifier_version": self.classifier_version}
        said |= {"priors": self.priors}
        elasticc = ElasticcEncoder(broker_version=self.broker_version, **said)
        return Router(self.topics.routes, PassedOn(**said), elasticc)

    @cached_property
    def _in_force(self) -> Headers:
        """What each message says of the routes: whoever recounts knows which there were when it was published."""
        return [(ROUTES, digests(self.topics.routes))] if self.topics.routes else []

    def published(
        self,
        batch: Batch,
        decoded: Decoded,
        answered: NDArray[np.int64],
        verdicts: Verdicts,
        observations: NDArray[np.int64],
        read_ms: int,
        publish_ms: int,
    ) -> list[Record]:
        """Everything that is published of k alerts: classifications, anomalies, and what the routes take.

        Args:
            batch: the messages that the alerts stood in.
            decoded: what they mean.
            answered: [k], which of the alerts.
            verdicts: [k].
            observations: [k], of each light curve.
            read_ms: see ClassificationEncoder.
            publish_ms: see ClassificationEncoder.
        """
        alerts = decoded.alerts.take(answered)
        verdicts, priors = assumed(verdicts, alerts.objects, self.priors, self.rates)
        records = self.classifications(batch, alerts, verdicts, observations, read_ms, publish_ms, priors)
        if not self.topics.routes:
            return records
        values = [record.value for record in records[: len(answered)]]
        headers = batch_headers(batch, alerts.message)
        said = Answered(batch, decoded, answered, verdicts, observations, values, headers, priors, read_ms)
        return [*records, *self._router.published(said)]

    def declined(self, batch: Batch, decoded: Decoded, read_ms: int) -> list[Record]:
        """A compact record of each alert that is declined, and what routes say of it."""
        messages = [batch.message(i) for i in decoded.declined.tolist()]
        detail = "its object is of the solar system, or its observation was withdrawn: it adds to no light curve"
        letters = [
            self._letter(message, read_ms, fate="declined", reason="declined", detail=detail, value=None)
            for message in messages
        ]
        headers = batch_headers(batch, decoded.declined)
        return [*letters, *self._router.declined(batch, decoded, headers, read_ms)]

    def classifications(
        self,
        batch: Batch,
        alerts: Alerts,
        verdicts: Verdicts,
        observations: NDArray[np.int64],
        read_ms: int,
        publish_ms: int,
        priors: NDArray[np.int64] | None = None,
    ) -> list[Record]:
        """One message an alert, and the same once more on the anomalies topic where the flag is raised.

        Args:
            batch: the messages that the alerts stood in.
            alerts: n of them.
            verdicts: [n].
            observations: [n], of each light curve.
            read_ms: see ClassificationEncoder.
            publish_ms: see ClassificationEncoder.
            priors: [n], which of PRIORS the probabilities assume; None for the classifier's.
        """
        if priors is None:
            _, priors = assumed(verdicts, alerts.objects, self.priors, {})
        values = self._encoder.encode(alerts, verdicts, priors, observations, read_ms, publish_ms)
        headers = batch_headers(batch, alerts.message, self._in_force)
        topic = self.topics.classifications
        records = [Record(topic, *rest) for rest in zip(alerts.objects, values, headers, strict=True)]
        topic = self.topics.anomalies
        return [*records, *(records[i]._replace(topic=topic) for i in np.flatnonzero(verdicts.anomalies).tolist())]

    def dead_letter(self, message: Message, poison: PoisonMessage, read_ms: int) -> Record:
        """A message that cannot be read, with its bytes. Beyond largest_value they are cut: valueSize tells."""
        value = None if message.value is None else message.value[: self.largest_value]
        detail, reason = poison.detail, poison.reason
        return self._letter(message, read_ms, fate="dead_letter", reason=reason, detail=detail, value=value)

    def shrink(self) -> bool:
        """Keep less of a message in dead letters, since Kafka refused one. Whether that was possible."""
        before = self.largest_value, self.largest_envelope
        self.largest_value, self.largest_envelope = (max(SMALLEST, size // 4) for size in before)
        return (self.largest_value, self.largest_envelope) != before

    def grow(self) -> None:
        """Keep as much again as at first."""
        self.largest_value, self.largest_envelope = LARGEST_VALUE, LARGEST_ENVELOPE

    def duplicate(self, message: Message, read_ms: int) -> Record:
        """A compact record of an alert that came before; its bytes are in the source topic."""
        detail = "the alert came before, at another offset"
        return self._letter(message, read_ms, fate="duplicate", reason="duplicate", detail=detail, value=None)

    def _letter(
        self, message: Message, read_ms: int, *, fate: str, reason: str, detail: str, value: bytes | None
    ) -> Record:
        key, headers = message.key, message.headers
        headers_out = source_headers(message)
        if fate == "declined":
            headers_out += self._in_force
        if (size := envelope_bytes(message)) > self.largest_envelope:
            key, headers = None, ()
            detail = f"{WITHOUT_ENVELOPE}, which have {size} bytes: {detail}"
        record = {
            "fate": fate,
            "reason": reason,
            "detail": detail[:LONGEST_DETAIL],
            "sourceTopic": message.topic,
            "sourcePartition": message.partition,
            "sourceOffset": message.offset,
            "sourceTimestamp": max(0, message.timestamp_ms),
            "key": key,
            "headers": [{"key": name, "value": content} for name, content in headers],
            "value": value,
            "valueSize": len(message.value or b""),
            "failedAt": read_ms,
        }
        return Record(self.topics.dead_letters, key, encode(record, "dead_letter"), headers_out)


def envelope_bytes(message: Message) -> int:
    """How many bytes key and headers have."""
    return len(message.key or b"") + sum(len(name) + len(content or b"") for name, content in message.headers)


def source_headers(message: Message) -> Headers:
    """Law 7: every output names the message that it answers, so anyone can recount from the topics alone."""
    return [
        ("source_topic", message.topic.encode()),
        ("source_partition", b"%d" % message.partition),
        ("source_offset", b"%d" % message.offset),
    ]


def batch_headers(batch: Batch, which: NDArray[np.int64], more: Headers | None = None) -> Sequence[Headers]:
    """The source headers of some messages [n] of a batch, and more behind them."""
    places = [(("source_topic", t.encode()), ("source_partition", b"%d" % p)) for t, p in batch.places]
    offsets = batch.offsets[which].tolist()
    behind = more or []
    return [
        [*places[place], ("source_offset", b"%d" % offset), *behind]
        for place, offset in zip(batch.place[which].tolist(), offsets, strict=True)
    ]
