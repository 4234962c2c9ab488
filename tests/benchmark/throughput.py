"""How many alerts a second, end to end, beside a bare loop of the same bytes in the same run.

Kafka, Valkey and the workers share this machine. The store is filled first: `--objects` objects with `--points`
observations each. Then the workers stop, `--rounds` more alerts of each object come in, the workers start again, and
what they commit is timed from a quarter of the backlog on to its end. The bare loop consumes the same messages,
produces as many of a classification's size, and commits both in transactions; it does nothing else.

Example: python -m tests.benchmark.throughput --objects 20000 --points 100 --rounds 5 --workers 2
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from broker.config import Settings
from broker.embedded import EmbeddedKafka, EmbeddedValkey, free_port
from broker.kafka.topics import create_topics
from broker.packets.framings import encode

PARTITIONS = 6
ANSWER_BYTES = 500  # about a classification's size, with its headers
BATCH = 1024
LEFT_OUT = 0.25  # of the backlog: starting is not timed
SAMPLE_S = 0.1


@dataclass(frozen=True)
class Figures:
    """What one run measured."""

    workers: int
    objects: int
    points: int
    alerts_per_s: float
    cpu_us_per_alert: float  # of all threads of all workers
    bare_per_s: float
    share_of_bare: float
    machine: str
    cores: int
    load_before: float


class Bench:
    """Servers, workers and what they have committed."""

    def __init__(self, kafka: str, redis_url: str, workers: int) -> None:
        self.kafka = kafka
        self.environment = {
            "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": kafka,
            "MISWEEPER_REDIS__URL": redis_url,
            "MISWEEPER_LOG__LEVEL": "warning",
            "OMP_NUM_THREADS": "1",
        }
        os.environ.update({k: v for k, v in self.environment.items() if k.startswith("MISWEEPER")})
        create_topics(AdminClient({"bootstrap.servers": kafka}), Settings.load(), PARTITIONS, 1)
        self.sent = 0
        self.size = workers
        self.processes: list[subprocess.Popen[bytes]] = []
        self.group = Consumer({"bootstrap.servers": kafka, "group.id": "misweeper"})

    def send(self, objects: int, rounds: int, begin_mjd: float) -> None:
        """One alert of each object a round."""
        rng = np.random.default_rng(self.sent)
        producer = Producer({"bootstrap.servers": self.kafka, "linger.ms": 20, "enable.idempotence": True})
        context = {"ra": 10.0, "dec": -10.0, "ddf": False, "hostgalPhotoz": 0.4, "hostgalPhotozErr": 0.05, "mwebv": 0.1}
        for number in range(rounds):
            for name in range(objects):
                self.sent += 1
                own = {"mjd": begin_mjd + number, "band": "ugrizy"[number % 6], "detected": True, "fluxErr": 20.0}
                alert = {"alertId": self.sent, "objectId": str(name), "survey": "plasticc", "history": []}
                value = encode(alert | context | own | {"flux": float(rng.normal(500, 50))}, "observation")
                while True:
                    try:
                        producer.produce("alerts", value, f"plasticc/{name}")
                        break
                    except BufferError:
                        producer.poll(0.1)
        producer.flush()

    def start(self) -> None:
        for number in range(self.size):
            own = {"MISWEEPER_HTTP__PORT": str(free_port()), "MISWEEPER_WORKER": f"bench-{number}"}
            command = [sys.executable, "-m", "broker.commands.main", "run"]
            self.processes.append(subprocess.Popen(command, env=os.environ | self.environment | own))

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)
        self.processes.clear()

    def committed(self) -> int:
        places = [TopicPartition("alerts", p) for p in range(PARTITIONS)]
        return sum(max(0, p.offset) for p in self.group.committed(places, 5))

    def cpu_s(self) -> float:
        return sum(sum(psutil.Process(p.pid).cpu_times()[:2]) for p in self.processes)

    def sampled(self, until: int) -> list[tuple[float, int, float]]:
        """Time [s], alerts committed and CPU time [s], until so many are."""
        samples = []
        while not samples or samples[-1][1] < until:
            time.sleep(SAMPLE_S)
            samples.append((time.monotonic(), self.committed(), self.cpu_s()))
        return samples


def bare(kafka: str, messages: int) -> float:
    """Messages a second of a loop that consumes, produces and commits, and does nothing else."""
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic("bare", PARTITIONS, 1)])["bare"].result()
    consumer = Consumer({
        "bootstrap.servers": kafka, "group.id": "bare", "auto.offset.reset": "earliest", "enable.auto.commit": False,
        "fetch.min.bytes": 1_000_000, "fetch.wait.max.ms": 10,
    })  # fmt: skip
    consumer.subscribe(["alerts"])
    producer = Producer({
        "bootstrap.servers": kafka, "transactional.id": "bare", "linger.ms": 5, "compression.type": "lz4",
        "retry.backoff.ms": 2, "retry.backoff.max.ms": 20,
    })  # fmt: skip
    producer.init_transactions()
    answer, done, began = os.urandom(ANSWER_BYTES), 0, 0.0
    headers = [("source_topic", b"alerts"), ("source_partition", b"3"), ("source_offset", b"123456")]
    while done < messages:
        batch = consumer.consume(BATCH, 0.5)
        began = began or time.monotonic()
        if not batch:
            continue
        producer.begin_transaction()
        for message in batch:
            producer.produce("bare", answer, message.key(), headers=headers)
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()
        done += len(batch)
    seconds = time.monotonic() - began
    consumer.close()
    return done / seconds


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def measured(bench: Bench, objects: int, points: int, rounds: int) -> Figures:
    load = os.getloadavg()[0]
    say(f"filling: {objects} objects of {points} observations")
    bench.send(objects, points, 59_000.0)
    bench.start()
    bench.sampled(bench.sent)
    bench.stop()
    first = bench.sent
    bench.send(objects, rounds, 60_500.0)
    say("measuring")
    bench.start()
    samples = bench.sampled(bench.sent)
    bench.stop()
    timed = [s for s in samples if s[1] >= first + LEFT_OUT * (bench.sent - first)]
    (t0, n0, c0), (t1, n1, c1) = timed[0], timed[-1]
    say("the bare loop")
    loop = bare(bench.kafka, min(bench.sent, 500_000))
    rate = (n1 - n0) / (t1 - t0)
    return Figures(
        bench.size, objects, points, round(rate), round(1e6 * (c1 - c0) / (n1 - n0), 1), round(loop),
        round(rate / loop, 3), platform.processor() or platform.machine(), os.cpu_count() or 0, load,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("objects", 5000), ("points", 20), ("rounds", 40), ("workers", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    kafka, valkey = EmbeddedKafka(), EmbeddedValkey()
    try:
        kafka.start()
        valkey.start()
        bench = Bench(kafka.bootstrap_servers, valkey.url, chosen.workers)
        try:
            figures = measured(bench, chosen.objects, chosen.points, chosen.rounds)
        finally:
            bench.stop()
        sys.stdout.write(json.dumps(asdict(figures), indent=1) + "\n")
    finally:
        valkey.stop()
        kafka.stop()


if __name__ == "__main__":
    main()
