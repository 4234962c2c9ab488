"""The servers that tests speak to: embedded ones, or those that the environment names."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.cimpl import NewTopic

from broker.embedded import EmbeddedKafka, EmbeddedValkey
from broker.embedded.server import Server
from broker.errors import StartupError

KAFKA = "MISWEEPER_TEST_KAFKA"  # bootstrap servers
REDIS = "MISWEEPER_TEST_REDIS"  # a redis:// URL
TOPIC_S = 30.0

S = TypeVar("S", bound=Server)


@contextmanager
def kafka_server() -> Iterator[str]:
    """Bootstrap servers."""
    if named := os.environ.get(KAFKA):
        yield named
    else:
        with running(EmbeddedKafka()) as server:
            yield server.bootstrap_servers


@contextmanager
def redis_server() -> Iterator[str]:
    """A redis:// URL."""
    if named := os.environ.get(REDIS):
        yield named
    else:
        with running(EmbeddedValkey()) as server:
            yield server.url


@contextmanager
def running(server: S) -> Iterator[S]:
    """The server, started. One that does not start is a failure with its log's last lines, never a skip."""
    reason = None
    try:
        server.start()
    except StartupError as error:
        reason = str(error)
    if reason:  # outside the except: what is shown is the reason alone
        pytest.fail(reason, pytrace=False)
    try:
        yield server
    finally:
        server.stop()


class Topics:
    """Makes topics with a prefix of their own: `alerts, outputs = topics("alerts", "outputs", partitions=6)`."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self.admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        self.prefix = prefix

    def __call__(self, *roles: str, partitions: int = 1, **config: str) -> tuple[str, ...]:
        """Create one topic a role, with topic settings such as `max_message_bytes="1000"`; their names."""
        names = tuple(f"{self.prefix}{role}" for role in roles)
        settings = {key.replace("_", "."): value for key, value in config.items()}
        wanted = [NewTopic(name, partitions, 1, config=settings) for name in names]
        for future in self.admin.create_topics(wanted, operation_timeout=TOPIC_S).values():
            future.result(TOPIC_S)
        while not set(names) <= self.existing():
            time.sleep(0.01)  # created in the controller, not yet known to the server that clients ask
        for place in ((name, number) for name in names for number in range(partitions)):
            while not self._led(*place):
                time.sleep(0.01)  # known, and not yet led
        return names

    def _led(self, name: str, partition: int) -> bool:
        """Whether a partition's leader answers."""
        place = TopicPartition(name, partition)
        try:
            return self.admin.list_offsets({place: OffsetSpec.latest()})[place].result(TOPIC_S).offset >= 0
        except KafkaException:
            return False

    def existing(self) -> set[str]:
        """The topics with our prefix, whoever made them."""
        return {name for name in self.admin.list_topics(timeout=TOPIC_S).topics if name.startswith(self.prefix)}

    def delete(self) -> None:
        """Remove them all."""
        if names := sorted(self.existing()):
            for future in self.admin.delete_topics(names, operation_timeout=TOPIC_S).values():
                future.result(TOPIC_S)
