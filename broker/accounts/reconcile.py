"""Recount: the fate of every input offset, from the topics alone.

In this order, so that it is right while the service runs: first what the group has committed, which is how far there
must be a fate; then how far the output topics reach, which is past every answer to it; then the outputs up to there,
open transactions waited for. Last, where an offset has no fate, the input itself: not every offset holds a message.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from confluent_kafka.admin import AdminClient

from broker.accounts.answers import Answers, anomaly_bits, fate_of, letter_bits, published_bits
from broker.accounts.ledger import Ledger
from broker.accounts.reconciliation import Reconciliation
from broker.accounts.routes import RouteAccounts
from broker.config import Settings
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.batch import Place
from broker.kafka.message import Message
from broker.kafka.spans import Span

AT_ONCE, FEW = 1000, 16  # classifications, packets in memory; dead letters, which may have 100 MB, are read one by one
NEAR = 10_000  # offsets: candidates for gaps that are nearer than this are read in one go
MARGIN_MS = 3_600_000  # an output may bear an earlier time than its alert: clocks differ


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which offsets to recount; what is None is not limited.

    Args:
        topics: of the input, names or regular expressions that begin with ^.
        since_ms: messages from this time on [ms since 1970].
        until_ms: messages before this time [ms since 1970].
        start: of a partition, the first offset.
        end: of a partition, the offset after the last.
    """

    topics: Sequence[str]
    since_ms: int | None = None
    until_ms: int | None = None
    start: Callable[[int], int | None] = lambda _: None
    end: Callable[[int], int | None] = lambda _: None


def reconcile(
    admin: AdminClient,
    settings: Settings,
    wanted: Wanted,
    *,
    expect: Callable[[int], None] = lambda _: None,
    advanced: Callable[[int], None] = lambda _: None,
) -> Reconciliation:
    """Recount.

    Args:
        admin: of the servers.
        settings: where the topics are and what they are called.
        wanted: which offsets.
        expect: told how many more offsets there are to read.
        advanced: told how many were read.

    Raises:
        StartupError: a topic is missing, or Kafka stopped answering.
    """

    def reading(some: Sequence[Span], batch: int) -> Iterator[list[Message]]:
        expect(sum(span.size for span in some))
        return spans.read(settings.kafka.consumer(), some, batch, advanced=advanced)

    found, pending = input_spans(admin, settings, wanted)
    ledgers = {span.place: Ledger(span) for span in found}
    answers, routes = Answers(ledgers), RouteAccounts(settings.outputs.routes, found)
    outputs, expired = output_spans(admin, settings.outputs.topics, wanted.since_ms)
    kinds = dict(zip(settings.outputs.ours, (published_bits, anomaly_bits, letter_bits), strict=True))
    for topic, bits in kinds.items():
        ours = [span for span in outputs if span.topic == topic]
        for messages in reading(ours, 1 if bits is letter_bits else AT_ONCE):
            answers.take(messages, bits)
            if bits is published_bits:
                routes.published(messages)
            elif bits is letter_bits:
                routes.declined([message for message in messages if fate_of(message.value or b"") == "declined"])
    answers.note()
    for topic in routes.ledgers:
        for messages in reading([span for span in outputs if span.topic == topic], FEW):
            routes.there(topic, messages)
    settle(ledgers, lambda some: reading(some, 1))
    return Reconciliation(ledgers, pending, answers.nameless + routes.nameless, expired, routes)


def offsets(text: str | None) -> Callable[[int], int | None]:
    """The offset that an operator names for each partition: 80 for all, or 0:80,2:95. Raises StartupError."""
    try:
        if text is None or ":" not in text:
            common = None if text is None else int(text)
            return lambda _: common
        pairs = (part.split(":") for part in text.split(","))
        named = {int(partition): int(offset) for partition, offset in pairs}
    except ValueError as error:
        raise StartupError(f"{text!r} are no offsets; write 80, or by partition 0:80,2:95") from error
    return named.get


def input_spans(admin: AdminClient, settings: Settings, wanted: Wanted) -> tuple[list[Span], dict[Place, int]]:
    """What must have a fate by now, and how many offsets of each partition are not committed yet."""
    places = spans.partitions(admin, wanted.topics, settings.outputs.topics)
    done = spans.committed(settings.kafka.consumer(), places)
    first, last = spans.oldest(admin, places), spans.newest(admin, places)
    since = spans.at_time(admin, places, wanted.since_ms) if wanted.since_ms is not None else first
    until = spans.at_time(admin, places, wanted.until_ms) if wanted.until_ms is not None else last
    found, pending = [], {}
    for place in places:
        named = wanted.start(place[1]), wanted.end(place[1])
        start = max(first[place], since[place], named[0] or 0)
        asked = min(last[place], until[place], last[place] if named[1] is None else named[1])
        end = max(start, min(asked, done.get(place, start)))
        found.append(Span(*place, start, end))
        pending[place] = max(0, asked - end)
    return found, pending


def output_spans(admin: AdminClient, topics: Sequence[str], since_ms: int | None) -> tuple[list[Span], int]:
    """What may hold the answers, all that is there now from `since_ms` on, and how many offsets were deleted."""
    places = spans.partitions(admin, topics)
    oldest = spans.oldest(admin, places)
    first = oldest if since_ms is None else spans.at_time(admin, places, since_ms - MARGIN_MS)
    last = spans.newest(admin, places)
    return [Span(*place, first[place], last[place]) for place in places], sum(oldest.values())


def settle(ledgers: Mapping[Place, Ledger], reading: Callable[[Sequence[Span]], Iterator[list[Message]]]) -> None:
    """Look at the input where an offset has no fate: only one that holds a message is a gap."""
    rounds = [candidates(ledger) for ledger in ledgers.values()]
    while some := [span for of_one in rounds if (span := next(of_one, None)) is not None]:
        for messages in reading(some):
            for message in messages:
                ledgers[message.topic, message.partition].hold(message.offset)


def candidates(ledger: Ledger) -> Iterator[Span]:
    """Spans that hold every offset without a fate, and little else."""
    offsets = ledger.without_fate()
    if len(offsets):
        for run in np.split(offsets, np.flatnonzero(np.diff(offsets) > NEAR) + 1):
            yield Span(*ledger.span.place, int(run[0]), int(run[-1]) + 1)
