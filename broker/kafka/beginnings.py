"""Where a partition begins that has no offset in the group, or nothing at the one it has.

`start` is for what was there when the group began. What comes later is read from its first message on, wherever `start`
says, for else what was sent before the first worker looked would be left out: a partition that was added to a topic,
known by the offsets that the group has in others of its topic, and a topic that was made while this worker ran. So that
the two can be told apart, a topic without offsets is begun as a whole, by whoever holds its partition 0.
"""

from collections import defaultdict
from collections.abc import Callable, Collection

import structlog
from confluent_kafka import Consumer, TopicPartition

from broker.errors import StartupError
from broker.kafka.batch import Place
from broker.kafka.moves import accepted

log = structlog.get_logger(__name__)

ANSWER_S = 1.0  # how long Kafka may take to answer a question


class Beginnings:
    """Finds and commits them, so that whoever comes next begins there too.

    Args:
        consumer: of the group.
        start: earliest or latest, where the group has no offset yet.
        out_of_range: where there is nothing at its offset: earliest, latest, stop, or safe, which goes on at the
            earliest where retention passed the group by, and stops where the log is shorter than what was read.
        on_out_of_range: called where offsets are left out, or read again, because there is nothing at the one wanted.
        on_added: called where a partition begins at its first message, though `start` is latest.
    """

    def __init__(
        self,
        consumer: Consumer,
        start: str,
        out_of_range: str,
        on_out_of_range: Callable[[], None],
        on_added: Callable[[], None],
    ) -> None:
        self.consumer, self._start, self._out_of_range = consumer, start, out_of_range
        self._on_out_of_range, self._on_added = on_out_of_range, on_added
        self._there: set[str] | None = None  # the topics that there were when this worker began

    def look(self) -> None:
        """See which topics there are before any is read, where that matters. Raises KafkaException."""
        if self._there is None:
            self._there = set(self._partitions()) if self._start == "latest" else set()

    def begin(self, places: Collection[Place]) -> dict[Place, int]:
        """The offsets to go on at, committed; a place whose turn has not come is left out.

        Raises KafkaException, StartupError.
        """
        stands = committed(self.consumer, places)
        found = {p: self._go_on(p, offset) for p, offset in stands.items() if offset >= 0}
        new = [p for p, offset in stands.items() if offset < 0]
        first = dict.fromkeys(new, "earliest") if self._start == "earliest" else self._first_of(new)
        found |= {p: self._end(p, which) for p, which in first.items()}
        if found:
            offsets = [TopicPartition(*place, offset) for place, offset in found.items()]
            self.consumer.commit(offsets=offsets, asynchronous=False)
        return {place: offset for place, offset in found.items() if place in stands}

    def _first_of(self, new: Collection[Place]) -> dict[Place, str]:
        """At which end partitions without an offset begin, where `start` is latest; the topic's others among them."""
        chosen: dict[Place, str] = {}
        by_topic: defaultdict[str, list[Place]] = defaultdict(list)
        for place in new:
            by_topic[place[0]].append(place)
        if not by_topic:
            return chosen
        counts = self._partitions()
        for topic, ours in by_topic.items():
            everything = [(topic, partition) for partition in range(counts.get(topic, 0))]
            stands = committed(self.consumer, everything)
            if any(offset >= 0 for offset in stands.values()):
                chosen |= self._added(ours, "a partition was added")
            elif topic not in (self._there or ()):
                chosen |= self._added(ours, "a topic was added")
            elif (topic, 0) in ours:
                chosen |= dict.fromkeys(stands, "latest")
        return chosen

    def _added(self, places: Collection[Place], why: str) -> dict[Place, str]:
        for topic, partition in places:
            log.warning(why, partition=f"{topic}[{partition}]", begins_at="earliest")
            self._on_added()
        return dict.fromkeys(places, "earliest")

    def _go_on(self, place: Place, offset: int) -> int:
        """Where a partition goes on that has nothing at its offset."""
        low, high = self._ends(place)
        if low <= offset <= high:  # another worker began it
            return offset
        at = going_on(place, low, offset, high, self._out_of_range)
        log.error("offset out of range", partition=f"{place[0]}[{place[1]}]", offset=offset, going_on_at=at)
        self._on_out_of_range()
        return at

    def _end(self, place: Place, which: str) -> int:
        low, high = self._ends(place)
        return low if which == "earliest" else high

    def _ends(self, place: Place) -> tuple[int, int]:
        return self.consumer.get_watermark_offsets(TopicPartition(*place), ANSWER_S)

    def _partitions(self) -> dict[str, int]:
        """How many each topic has."""
        topics = self.consumer.list_topics(timeout=ANSWER_S).topics
        return {name: len(topic.partitions) for name, topic in topics.items()}


def going_on(place: Place, low: int, offset: int, high: int, policy: str) -> int:
    """Where a partition of the offsets `low` to `high` goes on, the group standing outside. Raises StartupError."""
    if policy == "safe":
        policy = "earliest" if offset < low else "stop"
    if policy == "stop":
        raise StartupError(
            f"{place[0]}[{place[1]}] has the offsets {low} to {high}, the group stands at {offset}; find out why, then "
            "set MISWEEPER_KAFKA__OUT_OF_RANGE: earliest where the topic was made anew, latest where its end was lost"
        )
    return low if policy == "earliest" else high


def committed(consumer: Consumer, places: Collection[Place]) -> dict[Place, int]:
    """The group's offsets, once no transaction holds them; negative where it has none. Raises KafkaException."""
    if not places:
        return {}
    found = accepted(consumer.committed([TopicPartition(*place) for place in places], ANSWER_S))
    return {(p.topic, p.partition): p.offset for p in found}
