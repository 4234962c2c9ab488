"""The feed: from the classification topic, at read_committed, into the index and the pulse; in a thread of its own.

It is in no group: where it goes on stands in the index, so a page that is started again misses nothing and counts
nothing twice. Of a flood it keeps the anomalies and every so many of the rest, and counts all.
"""

import sqlite3
import threading
from collections.abc import Sequence
from time import monotonic

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.fetching import FETCH_AGAIN
from broker.kafka.subscription import NOT_OURS, source
from broker.kafka.times import CUT_OFF_S
from broker.kafka.troubles import Troubles
from broker.web.index import Batch, Index
from broker.web.published import Classifications, Place, Shown, rows, shown
from broker.web.pulse import Pulse

log = structlog.get_logger(__name__)

READ = 5_000  # messages at once
WAIT_S = 0.5
LOOK_AGAIN_S = 20.0  # for new partitions
PAUSE_S = 2.0  # after an error
REST_S, FEW = 0.5, READ // 4  # after a read of few messages: what a batch costs beside them is spent half as often
KEPT_A_SECOND = 2_000  # answers that the index keeps of a flood, beside all anomalies


class Feed:
    """Follows the topic until it is stopped.

    Args:
        settings: name Kafka and the topic.
        index: what is written to.
        pulse: what is told of everything.
        since_ms: where an empty index begins [ms since 1970].
    """

    def __init__(self, settings: Settings, index: Index, pulse: Pulse, since_ms: int) -> None:
        self._settings = settings
        self._index = index
        self._pulse = pulse
        self._since_ms = since_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._reader = Classifications()
        self.trouble = ""  # what keeps it from following; "" where nothing does
        self.strangers = 0  # messages that are none of ours

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, the read in hand finished."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (KafkaException, StartupError, sqlite3.Error) as error:
                self.trouble = described(error)
                log.warning("the page does not follow", error=self.trouble)
                self._stop.wait(PAUSE_S)

    def _follow(self) -> None:
        topic = self._settings.outputs.classifications
        troubles = Troubles()
        consumer = Consumer(
            {
                **self._settings.kafka.client(),
                "group.id": "misweeper-web",  # never joined
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.min.bytes": 1_000_000,  # a few answers of Kafka a second, not one to each transaction
                "fetch.wait.max.ms": 250,
                **FETCH_AGAIN,
                "error_cb": troubles,
            }
        )
        try:
            known: dict[tuple[str, int], int] = {}
            looked, heard = -LOOK_AGAIN_S, monotonic()
            while not self._stop.is_set():
                if monotonic() - looked > LOOK_AGAIN_S:
                    looked = monotonic()
                    known = self._assign(consumer, topic, known)
                messages = consumer.consume(READ, WAIT_S)
                self.trouble = f"Kafka: {troubles.told('it cannot be reached')}" if troubles and not messages else ""
                if messages:
                    troubles.over()
                    heard = monotonic()
                    self._take(messages)
                    if len(messages) < FEW:
                        self._stop.wait(REST_S)
                elif troubles and monotonic() - heard > CUT_OFF_S:  # it may never connect again: another one may
                    raise StartupError(self.trouble)
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer, topic: str, known: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """Follow partitions that are there now and were not before."""
        admin = connect_kafka(self._settings)
        places = [place for place in spans.partitions(admin, [topic]) if place not in known]
        if not places:
            return known
        begun = self._index.places()
        first = spans.at_time(admin, [place for place in places if place not in begun], self._since_ms)
        starts = {place: begun.get(place, first.get(place, 0)) for place in places}
        consumer.incremental_assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        return known | starts

    def _take(self, messages: Sequence[KafkaMessage]) -> None:
        """Count all, keep some, and write where to go on."""
        for message in messages:
            if error := message.error():
                raise KafkaException(error)
        following = {(m.topic() or "", m.partition() or 0): (m.offset() or 0) + 1 for m in messages}
        columns = self._reader.read([message.value() or b"" for message in messages])
        found = shown(columns)
        self.count(found)
        every = max(1, round(len(found.which) / WAIT_S / KEPT_A_SECOND)) if len(messages) == READ else 1
        keep = found.which[found.anomaly | (np.arange(len(found.which)) % every == 0)]
        places, which = [], []
        for i, message in zip(keep.tolist(), (messages[j] for j in columns.which[keep].tolist()), strict=True):
            here = message.topic() or "", message.partition() or 0, message.offset() or 0
            try:
                places.append(Place(*here, *source(message.headers() or ())))
                which.append(i)
            except (*NOT_OURS, SystemError):  # the client's own, for a header's name that is no UTF-8
                self.strangers += 1
        self.strangers += len(messages) - len(found.which)
        kept = rows(columns, which, places)
        outputs = self._settings.outputs
        nights = {(night, outputs.classifications): count for night, count in found.nights.items()}
        nights |= {(night, outputs.anomalies): count for night, count in found.flagged.items()}  # each is there too
        self._index.write(Batch(kept, nights, following))

    def count(self, found: Shown) -> None:
        """Tell the pulse of all that has come."""
        self._pulse.beat(found.surveys, found.best, found.anomaly, found.late_s, found.published_s)


def described(error: Exception) -> str:
    """What keeps the page from following, in words that name who it is."""
    if isinstance(error, KafkaException):
        return f"Kafka: {error.args[0].str()}"
    return str(error) if isinstance(error, StartupError) else f"the index: {error}"
