"""Fixtures for all tests: one real Kafka and one real Valkey a session, and names of its own for each test."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import Topics, kafka_server, redis_server

INTEGRATION = Path(__file__).parent / "integration"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if INTEGRATION in item.path.parents:
            item.add_marker("integration")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers."""
    with kafka_server() as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A redis:// URL."""
    with redis_server() as url:
        yield url


@pytest.fixture
def topic_prefix(kafka: str) -> Iterator[str]:
    """What the topics of this test begin with; those that exist in the end are deleted."""
    prefix = f"test-{secrets.token_hex(6)}-"
    yield prefix
    Topics(kafka, prefix).delete()


@pytest.fixture
def topic_names(kafka: str, topic_prefix: str) -> Topics:
    """`topic_names("alerts", partitions=6)` makes fresh topics and returns their names."""
    return Topics(kafka, topic_prefix)


@pytest.fixture
def key_prefix() -> str:
    """What the keys of this test begin with in Redis."""
    return f"test-{secrets.token_hex(6)}:"
