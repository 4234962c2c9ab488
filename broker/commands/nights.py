"""A part of the input once more, by time: into another topic, or for a group of its own."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from confluent_kafka.admin import AdminClient

from broker.commands.moments import moment, night
from broker.config import Settings
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.fresh import commit_first, first_offsets
from broker.replays.packet import Packet
from broker.text import calendar, printable

AT_ONCE = 1_000


class Times(NamedTuple):
    """From when to when [ms since 1970]; None: up to now."""

    begin_ms: int
    end_ms: int | None


def times_of(night_of: str | None, begin: str | None, end: str | None) -> Times | None:
    """What the options ask for; None where they ask for nothing. Raises StartupError."""
    if night_of and (begin or end):
        raise StartupError("--night names a time already; leave --from and --to out")
    if night_of:
        return Times(*night(night_of))
    if begin is None:
        if end is not None:
            raise StartupError("--to says where a replay ends; say with --from where it begins")
        return None
    times = Times(moment(begin), moment(end) if end else None)
    if times.end_ms is not None and times.end_ms <= times.begin_ms:
        raise StartupError(f"--to ({end}) lies not after --from ({begin}); nothing lies between them")
    return times


def spans_between(admin: AdminClient, settings: Settings, topics: Sequence[str], times: Times) -> list[spans.Span]:
    """What was sent to some topics between two times. Raises StartupError."""
    places = spans.partitions(admin, topics, settings.outputs.topics)
    first = spans.at_time(admin, places, times.begin_ms)
    end = spans.newest(admin, places) if times.end_ms is None else spans.at_time(admin, places, times.end_ms)
    return [spans.Span(*place, first[place], end[place]) for place in places]


def packets_between(
    settings: Settings, wanted: Sequence[spans.Span], partitions: int, advanced: Callable[[int], None]
) -> Iterator[Packet]:
    """The messages of some spans as they are: bytes, key, headers and time, in the order of their partition.

    Args:
        settings: of Kafka; nothing is committed.
        wanted: what to read.
        partitions: how many the other topic has: a partition's messages go to one partition.
        advanced: told by how many offsets reading has come on.
    """
    for messages in spans.read(settings.kafka.consumer(), wanted, AT_ONCE, advanced=advanced):
        for one in messages:
            yield Packet(
                one.value,
                one.key,
                headers=one.headers,
                partition=one.partition % partitions,
                timestamp_ms=max(0, one.timestamp_ms),
            )


def target(admin: AdminClient, settings: Settings, topic: str, sources: Sequence[spans.Span]) -> int:
    """How many partitions the topic has that a night is replayed into. Raises StartupError where it cannot be that."""
    if topic in settings.outputs.topics:
        raise StartupError(f"{topic} is what the service publishes to; name a topic of alerts")
    if topic in {span.topic for span in sources}:
        raise StartupError(f"{topic} would be replayed into itself; name another topic, or other sources")
    return len(spans.partitions(admin, [topic]))


def begin_group(admin: AdminClient, settings: Settings, group: str, topics: Sequence[str], times: Times) -> str:
    """Let a group of its own begin at a time; what to do with it, in words. Raises StartupError."""
    if group == settings.kafka.group_id:
        raise StartupError(f"{printable(group)} is the service's own group; name another, for it goes on as it is")
    config = settings.kafka.consumer() | {"group.id": group}
    offsets = first_offsets(admin, config, topics, settings.outputs.topics, times.begin_ms)
    commit_first(config, offsets)
    return (
        f"the group {printable(group)} begins with {calendar(times.begin_ms)} in {len(offsets)} partitions; "
        "MISWEEPER_KAFKA__GROUP_ID names it to `misweeper run`, with outputs and a MISWEEPER_REDIS__PREFIX of its own"
    )
