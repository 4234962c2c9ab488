"""A new group that begins at a time: its offsets are committed as a whole, before anybody joins it.

Whoever joins then goes on from there, in any order. A partition that appears later is read from its first message on,
as always: see `beginnings`.
"""

from collections.abc import Collection, Iterable, Mapping
from time import time_ns
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.batch import Place
from broker.kafka.moves import ANSWER_S, accepted, settled
from broker.text import calendar, printable

# What Kafka says to one who is no member of a group that has members.
ALIVE = {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS}


def first_offsets(
    admin: AdminClient, config: Mapping[str, Any], topics: Iterable[str], never: Collection[str], ms: int
) -> dict[Place, int]:
    """Where each partition of some topics stood at a time, for a group that has not begun.

    Args:
        admin: a client.
        config: librdkafka's settings for servers, security and group.
        topics: names, or regular expressions that begin with ^.
        never: topics that no expression means.
        ms: the time [ms since 1970].

    Raises:
        StartupError: the group has begun, there is no such topic, or the time is yet to come.
    """
    if ms > time_ns() // 1_000_000:
        raise StartupError(f"{calendar(ms)} is yet to come; give a time that is past")
    places = spans.partitions(admin, topics, never)
    if begun := spans.committed(dict(config), places):
        (topic, partition), offset = min(begun.items())
        group = printable(config["group.id"])
        raise StartupError(
            f"the group {group} has begun already ({topic}[{partition}] at offset {offset}); "
            "without a time it goes on from there, and another name in MISWEEPER_KAFKA__GROUP_ID begins anew"
        )
    return spans.at_time(admin, places, ms)


def commit_first(config: Mapping[str, Any], offsets: Mapping[Place, int]) -> None:
    """Commit the offsets of a group that has no member. Raises StartupError."""
    group = printable(config["group.id"])
    consumer = Consumer({"log_level": 0, **config, "enable.auto.commit": False})
    wanted = [TopicPartition(*place, offset) for place, offset in offsets.items()]
    try:
        settled(lambda: accepted(consumer.commit(offsets=wanted, asynchronous=False)), ANSWER_S)
    except KafkaException as refused:
        error = refused.args[0]
        if error.code() in ALIVE:
            raise StartupError(
                f"the group {group} has workers; stop them, a group without any begins at a time"
            ) from refused
        raise StartupError(
            f"the group {group} cannot begin ({error.str()}); look at the rights of this user"
        ) from refused
    finally:
        consumer.close()
