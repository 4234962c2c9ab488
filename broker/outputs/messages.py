"""What is published for a message: to which topics, under which key, with which headers and bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from broker.config import Outputs as Topics
from broker.errors import PoisonMessage
from broker.kafka.message import Message, Record
from broker.lightcurves.store import Arrival
from broker.outputs.classification import ClassificationEncoder
from broker.packets.framings import encode
from model.classifier import Verdict

LONGEST_DETAIL = 500  # characters
LARGEST_VALUE = 80 * 1024 * 1024  # bytes of a message that a dead letter keeps, where its topic takes as many
LARGEST_ENVELOPE = 1024 * 1024  # bytes of key and headers that it keeps
SMALLEST = 16 * 1024  # what any topic takes of each
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
    """

    topics: Topics
    classifier_name: str
    classifier_version: str
    priors: str
    broker_version: str
    largest_value: int = field(default=LARGEST_VALUE, init=False)
    largest_envelope: int = field(default=LARGEST_ENVELOPE, init=False)

    @cached_property
    def _encoder(self) -> ClassificationEncoder:
        return ClassificationEncoder(
            priors=self.priors,
            classifier_name=self.classifier_name,
            classifier_version=self.classifier_version,
            broker_version=self.broker_version,
        )

    def classification(
        self, arrival: Arrival, verdict: Verdict, observations: int, read_ms: int, publish_ms: int
    ) -> Iterator[Record]:
        """One message, and the same once more on the anomalies topic where the flag is raised."""
        value = self._encoder.encode(arrival.alert, verdict, observations, read_ms, publish_ms)
        key, headers = arrival.alert.object_id.encode(), source_headers(arrival.message)
        yield Record(self.topics.classifications, key, value, headers)
        if verdict.anomaly:
            yield Record(self.topics.anomalies, key, value, headers)

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
        return Record(self.topics.dead_letters, key, encode(record, "dead_letter"), source_headers(message))


def envelope_bytes(message: Message) -> int:
    """How many bytes key and headers have."""
    return len(message.key or b"") + sum(len(name) + len(content or b"") for name, content in message.headers)


def source_headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    """Law 7: every output names the message that it answers, so anyone can recount from the topics alone."""
    return [
        ("source_topic", message.topic.encode()),
        ("source_partition", b"%d" % message.partition),
        ("source_offset", b"%d" % message.offset),
    ]
