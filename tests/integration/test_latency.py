"""What `make bench` says of latencies is of misweeper alone: its sender says what it waited for itself."""

from confluent_kafka import Producer

from tests.benchmark.latency import Sender, endless


def test_a_sender_says_how_long_kafka_made_it_wait_for_each_alert(kafka, topic_names):
    (topic,) = topic_names("alerts")
    alerts = endless("t", 3, 10, 1)
    sender = Sender(Producer({"bootstrap.servers": kafka, "linger.ms": 0, "enable.idempotence": True}), topic)
    sender.send([next(alerts) for _ in range(7)], 1_000)
    assert len(sender.sent_s) == len(sender.waited_ms) == 7
    assert sender.sent_s == sorted(sender.sent_s)
    assert min(sender.waited_ms) > 0
