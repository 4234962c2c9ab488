"""The service that the demo shows: `misweeper run` in a process of its own, on the demo's servers."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console

from broker.config import Settings
from broker.embedded import Servers, free_port, guard
from broker.errors import StartupError
from broker.text import host_and_port

PARTITIONS = 2  # enough for one worker; each costs Kafka a marker in every transaction
READY_S = 120.0
PAGE_S = 10.0  # for the page to end
WARM_TRANSACTIONS = 100
OURS = "MISWEEPER_"
KEPT = ("MISWEEPER_CLASSIFIER__", "MISWEEPER_BATCH__", "MISWEEPER_LOG__")  # settings of the shell that the demo obeys


def environment(servers: Servers, shell: Mapping[str, str], topics: Sequence[str]) -> dict[str, str]:
    """The settings of the demo's service: its own servers, and of the shell's settings none that name others."""
    kept = {name: value for name, value in shell.items() if name.upper().startswith(KEPT)}
    return kept | {
        "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": servers.kafka.bootstrap_servers,
        "MISWEEPER_REDIS__URL": servers.valkey.url,
        "MISWEEPER_HTTP__PORT": str(free_port()),
        "MISWEEPER_HTTP__DISK": str(servers.kafka.folder.parent),
        "MISWEEPER_KAFKA__TOPICS": ",".join(topics),
        "MISWEEPER_WORKER": "demo",
    }


def warm_up(settings: Settings, admin: AdminClient) -> None:
    """Some transactions on a topic of their own, so that latencies are not those of Java's first seconds."""
    topic = "warm-up"
    admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])[topic].result(READY_S)
    producer = Producer({**settings.kafka.client(), "transactional.id": topic, "retry.backoff.ms": 2})
    producer.init_transactions(READY_S)
    for _ in range(WARM_TRANSACTIONS):
        producer.begin_transaction()
        for i in range(100):
            producer.produce(topic, b"x" * 300, str(i))
        producer.commit_transaction(READY_S)


@contextmanager
def service(settings: Settings, console: Console) -> Iterator[None]:
    """`misweeper run` in a process of its own, once it is ready; stopped by SIGTERM as an orchestrator would."""
    with beside("run", patience_s=settings.shutdown_timeout_s) as process:
        with console.status("starting misweeper run"):
            await_ready(settings, process)
        yield


@contextmanager
def web_page() -> Iterator[str | None]:
    """`misweeper web` likewise: its address, or None where the extra is missing."""
    if find_spec("fastapi") is None:
        yield None
        return
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="misweeper-page-", ignore_cleanup_errors=True) as folder,
        beside("web", "--port", str(port), "--index", f"{folder}/index.sqlite", patience_s=PAGE_S, folder=folder),
    ):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def beside(*arguments: str, patience_s: float, folder: str = guard.NO_FOLDER) -> Iterator[subprocess.Popen[str]]:
    """A command of ours in a process of its own, stopped by SIGTERM.

    The guard of the embedded servers holds it too, so that it and its folder end with this process, even by kill -9.
    """
    command = [sys.executable, "-m", "broker.commands.main", *arguments]
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-I", "-S", guard.__file__, folder, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for this process alone
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            pid = process.stdout.readline()
            yield process
            os.kill(int(pid), signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
        finally:
            process.stdin.close()  # the guard kills what is left


def await_ready(settings: Settings, process: subprocess.Popen[str]) -> None:
    """Return once /readyz answers 200. Raises StartupError."""
    url = f"http://{host_and_port(settings.http.host, settings.http.port)}/readyz"
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartupError(f"`misweeper run` ended with exit code {process.returncode}; its log is above")
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            threading.Event().wait(0.1)
    raise StartupError(f"`misweeper run` was not ready within {READY_S:.0f} s; its log is above")
