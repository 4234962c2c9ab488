"""The crew: which workers the group has, what each of them reads, and how much waits; asked of Kafka now and then."""

import threading
from dataclasses import dataclass, field
from time import time

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.kafka import spans

log = structlog.get_logger(__name__)

EVERY_S = 3.0
ANSWER_S = 10.0


@dataclass(frozen=True, slots=True, order=True)
class Worker:
    """A member of the group."""

    name: str
    host: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Crew:
    """What Kafka said of the group."""

    at: float = 0.0  # [s since 1970]
    workers: tuple[Worker, ...] = ()
    lag: int = 0  # alerts, or markers of transactions, that wait
    trouble: str = "not asked yet"  # why the rest may be old; "" where it is not
    lags: dict[str, int] = field(default_factory=dict)  # by partition


class Lookout:
    """Asks every few seconds, in a thread of its own; safe to read from another."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)
        self.crew = Crew()

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        admin: AdminClient | None = None
        while not self._stop.is_set():
            try:
                admin = admin or connect_kafka(self._settings)
                self.crew = self._ask(admin)
            except (KafkaException, StartupError) as error:
                admin = None
                self.crew = Crew(self.crew.at, self.crew.workers, self.crew.lag, str(error.args[0]), self.crew.lags)
            self._stop.wait(EVERY_S)

    def _ask(self, admin: AdminClient) -> Crew:
        settings = self._settings
        group = settings.kafka.group_id
        told = admin.describe_consumer_groups([group], request_timeout=ANSWER_S)[group].result()
        workers = sorted(
            Worker(member.client_id, member.host.lstrip("/"), len(member.assignment.topic_partitions))
            for member in told.members
        )
        places = spans.partitions(admin, settings.kafka.topics, settings.outputs.topics)
        ends, done = spans.newest(admin, places), spans.committed(settings.kafka.consumer(), places)
        oldest = spans.oldest(admin, [place for place in places if place not in done])
        lags = {f"{t}[{p}]": max(0, ends[t, p] - done.get((t, p), oldest.get((t, p), 0))) for t, p in places}
        return Crew(time(), tuple(workers), sum(lags.values()), "", lags)
