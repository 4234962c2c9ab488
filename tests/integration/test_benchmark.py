"""What `make bench` takes for misweeper's is so: its sender's own wait apart, and the counts as they are told."""

from confluent_kafka import Producer
from prometheus_client import generate_latest

from broker.metrics import Metrics
from tests.benchmark.latency import Sender, endless
from tests.benchmark.realnights import told_by


def test_the_counts_of_steps_and_fates_are_found_in_the_metrics():
    metrics = Metrics()
    metrics.curves.labels("stepped").inc(3)
    metrics.fates.labels("ztf", "published").inc(5)
    metrics.fates.labels("rubin", "published").inc(7)
    found = [one for one in told_by(generate_latest(metrics.registry).decode()) if one[1]]
    assert sorted(found) == [("published", 5.0), ("published", 7.0), ("stepped", 3.0)]


def test_a_sender_says_how_long_kafka_made_it_wait_for_each_alert(kafka, topic_names):
    (topic,) = topic_names("alerts")
    alerts = endless("t", 3, 10, 1)
    sender = Sender(Producer({"bootstrap.servers": kafka, "linger.ms": 0, "enable.idempotence": True}), topic)
    sender.send([next(alerts) for _ in range(7)], 1_000)
    assert len(sender.sent_s) == len(sender.waited_ms) == 7
    assert sender.sent_s == sorted(sender.sent_s)
    assert min(sender.waited_ms) > 0
