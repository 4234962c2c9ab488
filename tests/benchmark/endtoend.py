"""How many alerts a second, end to end, beside a bare loop of the same bytes in the same run.

Kafka, Valkey, the workers and this process share the machine. While no worker runs, some alerts of each object are
sent; then the workers start, and what they commit is timed from a quarter of the backlog on to its end. The bare loop
consumes the same messages, produces as many of a classification's size, and commits both in transactions; it does
nothing else.
"""

import os
import time
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.benchmark.figure import Figure
from tests.benchmark.progress import say
from tests.benchmark.serving import PARTITIONS, Serving, serving
from tests.benchmark.sizes import Sizes
from tests.benchmark.stars import key, packets

ANSWER_BYTES = 500  # about a classification's size, with its headers
BATCH = 1024
LEFT_OUT = 0.25  # of the messages: starting and joining the group are not timed
SAMPLE_S = 0.05
MOST_BARE = 300_000  # messages


def end_to_end(sizes: Sizes) -> Iterator[Figure]:
    """Rate, share of the bare loop, and CPU time of the workers, by their number."""
    rates: dict[int, list[float]] = {workers: [] for workers in sizes.workers}
    shares: dict[int, list[float]] = {workers: [] for workers in sizes.workers}
    cpu_us: dict[int, list[float]] = {workers: [] for workers in sizes.workers}
    loops = []
    with serving("e", sizes.stored, sizes.points) as service:
        bare_topic(service.kafka)
        keys = [key("e", name) for name in range(sizes.stored)]
        day = sizes.points
        for repeat in range(sizes.repeats):
            for workers in sizes.workers:
                say(f"end to end: {workers} worker(s), {repeat + 1} of {sizes.repeats}")
                for _ in range(sizes.backlog):
                    service.send(packets("e", range(sizes.stored), day, service.sent + 1), keys)
                    day += 1
                rate, cpu = drained(service, workers, sizes.stored * sizes.backlog)
                loops.append(bare(service.kafka, min(service.sent, MOST_BARE), f"bare-{repeat}-{workers}"))
                rates[workers].append(rate)
                shares[workers].append(rate / loops[-1])
                cpu_us[workers].append(cpu)
    for workers in sizes.workers:
        name = f"{workers} worker{'s' if workers > 1 else ''}"
        yield Figure.of("end to end", name, "alerts/s", rates[workers])
        yield Figure.of("end to end", f"{name}, share of the bare loop", "", shares[workers])
        yield Figure.of("end to end", f"{name}, CPU of all their threads", "us", cpu_us[workers])
    yield Figure.of("end to end", "the bare loop", "alerts/s", loops)


def drained(
    service: Serving, workers: int, backlog: int, done: Callable[[], None] = lambda: None
) -> tuple[float, float]:
    """Alerts a second and CPU time an alert [us], of workers that start before a backlog; `done` before they end."""
    first = service.sent - backlog
    service.start(workers)
    samples = service.samples(SAMPLE_S)
    done()
    service.stop()
    begun = next(sample for sample in samples if sample.committed >= first + LEFT_OUT * backlog)
    ended = samples[-1]
    alerts = ended.committed - begun.committed
    if not alerts:
        raise RuntimeError("the backlog is too small to be timed; choose a larger --stored or --backlog")
    return alerts / (ended.at_s - begun.at_s), 1e6 * (ended.cpu_s - begun.cpu_s) / alerts


def bare_topic(kafka: str) -> None:
    """Make the topic that the bare loop writes."""
    admin = AdminClient({"bootstrap.servers": kafka})  # lives until the topic does
    admin.create_topics([NewTopic("bare", PARTITIONS, 1)])["bare"].result()


def bare(kafka: str, messages: int, name: str) -> float:
    """Messages a second of a loop that consumes, produces and commits, timed as the workers are."""
    consumer = Consumer({
        "bootstrap.servers": kafka, "group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False,
        "fetch.min.bytes": 1_000_000, "fetch.wait.max.ms": 5, "fetch.queue.backoff.ms": 10,
    })  # fmt: skip
    consumer.subscribe(["alerts"])
    producer = Producer({
        "bootstrap.servers": kafka, "transactional.id": name, "linger.ms": 5, "compression.type": "lz4",
        "retry.backoff.ms": 2, "retry.backoff.max.ms": 20,
    })  # fmt: skip
    producer.init_transactions()
    answer, done, left_out, began_s = os.urandom(ANSWER_BYTES), 0, 0, 0.0
    headers = [("source_topic", b"alerts"), ("source_partition", b"3"), ("source_offset", b"123456")]
    while done < messages:
        if not began_s and done >= LEFT_OUT * messages:
            left_out, began_s = done, time.monotonic()
        if not (batch := consumer.consume(BATCH, 0.5)):
            continue
        producer.begin_transaction()
        for message in batch:
            producer.produce("bare", answer, message.key(), headers=headers)
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()
        done += len(batch)
    seconds = time.monotonic() - began_s
    consumer.close()
    return (done - left_out) / seconds
