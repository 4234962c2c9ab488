"""Fetching: how a source's client asks Kafka for messages, in librdkafka's settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from broker.patterns import never_input

STATISTICS_MS = 2_000  # between two looks at where partitions end
# For whoever reads much: a partition whose messages fill the client's queue is fetched again as soon as there is room.
# By default it is left alone for a second: a worker of 70 KB packets waited for Kafka for two thirds of its time.
FETCH_AGAIN = {"fetch.queue.backoff.ms": 10}


def fetching(config: Mapping[str, Any], outputs: Sequence[str], max_bytes: int) -> dict[str, Any]:
    """Settings of a consumer whose offsets are committed elsewhere.

    Args:
        config: servers, security and group, and what else is wanted otherwise.
        outputs: topics that are never read, whatever a regular expression says.
        max_bytes: that are fetched before they are asked for.
    """
    return {
        "partition.assignment.strategy": "cooperative-sticky",
        "auto.offset.reset": "error",  # then it is ours to decide
        "isolation.level": "read_committed",
        "topic.metadata.refresh.interval.ms": 5_000,  # new topics and partitions are seen within seconds
        "topic.blacklist": never_input(outputs),
        # Kafka answers a fetch every few milliseconds with all that has come, not once for each message, which takes
        # half as much CPU again at 1,000/s and makes no answer earlier.
        "fetch.min.bytes": 1_000_000,
        "fetch.wait.max.ms": 5,
        "queued.max.messages.kbytes": max(1, max_bytes // 1024),
        **FETCH_AGAIN,
        "enable.partition.eof": False,
        **config,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "statistics.interval.ms": STATISTICS_MS,
    }
