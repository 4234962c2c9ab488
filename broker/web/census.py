"""The census: a small process that asks Kafka for the group's members every few seconds, and writes what it hears.

It is a process of its own because librdkafka ends the process that asks where the group's coordinator goes away
meanwhile (2.16): then this one ends, and the page goes on and starts another. It ends when nobody reads any more.
"""

import resource
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient

from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.kafka import spans
from broker.web.crew import Crew, Worker
from broker.web.waits import Waits

EVERY_S = 2.0
ANSWER_S = 10.0


def main() -> None:
    """Write a crew a line, until nobody reads."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the page, which ends this one
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = Settings.load()
    clients: tuple[AdminClient, Consumer] | None = None  # kept: two new ones take more than what they are asked
    waits = Waits()
    while True:
        try:
            clients = clients or (connect_kafka(settings), spans.asker(settings.kafka.consumer()))
            crew = counted(*clients, settings, waits)
        except (KafkaException, StartupError) as error:
            why = error.args[0]
            clients, crew = None, Crew(trouble=f"Kafka: {why.str()}" if isinstance(error, KafkaException) else str(why))
        sys.stdout.write(crew.line() + "\n")
        sys.stdout.flush()
        time.sleep(EVERY_S)


def counted(admin: AdminClient, asker: Consumer, settings: Settings, waits: Waits) -> Crew:
    """Who is there, and what waits. Raises KafkaException; may end the process."""
    group = settings.kafka.group_id
    told = admin.describe_consumer_groups([group], request_timeout=ANSWER_S)[group].result()
    workers = sorted(
        Worker(
            member.client_id,
            member.host.lstrip("/"),
            tuple(sorted(f"{p.topic}[{p.partition}]" for p in member.assignment.topic_partitions)),
        )
        for member in told.members
    )
    places = spans.partitions(admin, settings.kafka.topics, settings.outputs.topics)
    ends, done = spans.newest(admin, places), spans.standing(asker, places)
    oldest = spans.oldest(admin, [place for place in places if place not in done])
    stands = {f"{t}[{p}]": done.get((t, p), oldest.get((t, p), 0)) for t, p in places}
    reach = {f"{t}[{p}]": ends[t, p] for t, p in places}
    lags = {name: max(0, end - stands[name]) for name, end in reach.items()}
    return Crew(time.time(), tuple(workers), sum(lags.values()), "", lags, waits.look(time.monotonic(), reach, stands))


if __name__ == "__main__":
    main()
