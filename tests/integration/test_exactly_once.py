"""Source and sink on a real Kafka, when calls fail in the worst places: nothing lost, nothing twice."""

import threading
import time
from contextlib import suppress
from itertools import cycle

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from broker.errors import StartupError, TransientError
from broker.kafka import transactions
from broker.kafka.batch import Batch
from broker.kafka.message import Record
from broker.kafka.sink import KafkaSink
from broker.kafka.source import KafkaSource
from broker.kafka.transactions import bounded


class Troubled:
    """A real producer, one of whose calls goes wrong once."""

    def __init__(self, producer: Producer, **wrong) -> None:
        self._producer = producer
        self._wrong = wrong

    def __getattr__(self, name):
        call = getattr(self._producer, name)
        wrong = self._wrong.pop(name, None)
        return (lambda *arguments: wrong(call, *arguments)) if wrong else call


def answer_lost(call, *arguments):
    call(*arguments)
    raise KafkaException(KafkaError(KafkaError.INVALID_TXN_STATE))


def never_returns(call, *arguments):
    threading.Event().wait()


@pytest.fixture
def topics(topic_names):
    return topic_names("alerts", "outputs", partitions=2)


@pytest.fixture
def source(kafka, topics, topic_prefix):
    settings = {"bootstrap.servers": kafka, "group.id": topic_prefix, "session.timeout.ms": 6000}
    source = KafkaSource(settings, [topics[0]], lambda _: None)
    yield source
    source.close()


@pytest.fixture
def sink(kafka, source, topic_prefix, monkeypatch):
    sink = KafkaSink({"bootstrap.servers": kafka}, topic_prefix)
    monkeypatch.setattr(transactions, "NEVER_S", 3.0)
    return sink


def send(kafka, topic, values, partition=0):
    producer = Producer({"bootstrap.servers": kafka})
    for value in values:
        producer.produce(topic, value, partition=partition)
    producer.flush(10)


def read(source, count, seconds=20.0):
    """So many messages, as one batch."""
    batches, deadline = [], time.monotonic() + seconds
    while sum(map(len, batches)) < count and time.monotonic() < deadline:
        try:
            batches.append(source.read(count, 0.1))
        except TransientError:  # it is read again, as the pipeline does
            source.back_off(0.1)
    messages = [batch.message(i) for batch in batches for i in range(len(batch))]
    return Batch.of(messages, batches[-1].group, batches[-1].epoch, np.concatenate([b.again for b in batches]))


def answers(batch, topic):
    return [Record(topic, None, b"answer to " + value, []) for value in batch.values]


def published(kafka, topic, seconds=3.0):
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": f"{topic}-reader", "auto.offset.reset": "earliest"}
        | {"isolation.level": "read_committed", "enable.auto.commit": False}
    )
    consumer.subscribe([topic])
    found, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline:
        found += [m.value() for m in consumer.consume(100, 0.1)]
    consumer.close()
    return sorted(found)


def test_a_commit_whose_answer_is_lost_is_not_done_again(kafka, topics, source, sink):
    send(kafka, topics[0], [b"0", b"1"])
    batch = read(source, 2)
    sink._producer = Troubled(sink._producer, commit_transaction=answer_lost)
    with pytest.raises(TransientError):
        sink.commit(answers(batch, topics[1]), batch)
    source.rewind(batch)
    send(kafka, topics[0], [b"2"])
    rest = read(source, 1)
    assert rest.values == [b"2"]
    sink.commit(answers(rest, topics[1]), rest)
    assert published(kafka, topics[1]) == [b"answer to 0", b"answer to 1", b"answer to 2"]


@pytest.mark.parametrize("call", ["send_offsets_to_transaction", "commit_transaction"])
def test_a_call_that_never_returns_costs_its_producer_and_the_batch_is_done_again(kafka, topics, source, sink, call):
    send(kafka, topics[0], [b"0", b"1"])
    batch = read(source, 2)
    sink._producer = Troubled(sink._producer, **{call: never_returns})
    with pytest.raises(TransientError, match="did not return"):
        sink.commit(answers(batch, topics[1]), batch)
    source.rewind(batch)
    again = read(source, 2)
    assert again.values == batch.values
    assert all(again.again)
    sink.commit(answers(again, topics[1]), again)
    assert published(kafka, topics[1]) == [b"answer to 0", b"answer to 1"]


def test_a_transaction_that_took_too_long_is_done_again(kafka, topics, source, topic_prefix):
    sink = KafkaSink({"bootstrap.servers": kafka, "transaction.timeout.ms": 1000}, topic_prefix)
    send(kafka, topics[0], [b"0", b"1"])
    batch = read(source, 2)

    def late(call, *arguments):
        call(*arguments)
        time.sleep(14)  # Kafka looks for such transactions every 10 s

    sink._producer = Troubled(sink._producer, send_offsets_to_transaction=late)
    with pytest.raises(TransientError):
        sink.commit(answers(batch, topics[1]), batch)
    source.rewind(batch)
    again = read(source, 2)
    sink.commit(answers(again, topics[1]), again)
    assert published(kafka, topics[1]) == [b"answer to 0", b"answer to 1"]


def test_of_two_living_workers_of_one_name_one_ends(kafka, topics, source, topic_prefix):
    first, second = (KafkaSink({"bootstrap.servers": kafka}, topic_prefix) for _ in range(2))
    send(kafka, topics[0], [b"0"])
    batch = read(source, 1)
    with pytest.raises(KafkaException):  # each is fenced by the other, again and again
        fight((first, second), answers(batch, topics[1]), batch)


def fight(sinks, records, batch):
    for sink in cycle(sinks):
        with suppress(TransientError):  # fenced once: it may have been too slow
            sink.commit(records, batch)


def test_partitions_that_come_back_after_a_pause_are_read(kafka, topics, source, topic_prefix):
    for partition in (0, 1):
        send(kafka, topics[0], [b"%d" % partition], partition)
    source.rewind(read(source, 2))
    settings = {"bootstrap.servers": kafka, "group.id": topic_prefix, "session.timeout.ms": 6000}
    joined = threading.Event()
    other = KafkaSource(settings, topics[:1], lambda held: joined.set() if held else None)
    joining = threading.Thread(target=lambda: [other.read(1, 0.1) for _ in iter(joined.is_set, True)])
    joining.start()
    while not joined.is_set():
        source.back_off(0.5)  # the rebalance takes a partition while it is paused
    joining.join()
    other.close()
    assert set(read(source, 2).values) == {b"0", b"1"}


def test_bounded_gives_what_the_call_gives(monkeypatch):
    monkeypatch.setattr(transactions, "NEVER_S", 0.1)
    assert bounded(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 / 0)
    with pytest.raises(TimeoutError, match="did not return"):
        bounded(threading.Event().wait)


def begin_behind(kafka, topic, group, offset):
    """Let a group stand at an offset that its topic does not have."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


def make_source(kafka, topics, group, **policy):
    counted = []
    source = KafkaSource(
        {"bootstrap.servers": kafka, "group.id": group}, topics[:1], lambda _: None, lambda: counted.append(1), **policy
    )
    return source, counted


def test_a_group_without_offsets_begins_as_configured(kafka, topics, topic_prefix):
    send(kafka, topics[0], [b"old"])
    source, counted = make_source(kafka, topics, topic_prefix, start="latest")
    assert read(source, 1, seconds=5.0).values == []
    send(kafka, topics[0], [b"new"])
    assert read(source, 1).values == [b"new"]
    source.close()
    assert not counted


@pytest.mark.parametrize(("policy", "expected"), [("earliest", [b"0", b"1"]), ("latest", [b"1"])])
def test_an_offset_out_of_range_is_counted_and_goes_on_as_configured(kafka, topics, topic_prefix, policy, expected):
    send(kafka, topics[0], [b"0"])
    begin_behind(kafka, topics[0], topic_prefix, 1000)
    source, counted = make_source(kafka, topics, topic_prefix, out_of_range=policy)
    old = read(source, 1, seconds=5.0)
    assert counted == [1]
    send(kafka, topics[0], [b"1"])
    assert old.values + read(source, len(expected) - len(old)).values == expected
    source.close()


@pytest.mark.parametrize("policy", ["stop", "safe"])
def test_a_log_that_is_shorter_than_what_was_read_ends_the_service(kafka, topics, topic_prefix, policy):
    send(kafka, topics[0], [b"0"])
    begin_behind(kafka, topics[0], topic_prefix, 1000)
    source, _ = make_source(kafka, topics, topic_prefix, out_of_range=policy)
    with pytest.raises(StartupError, match="has the offsets 0 to 1, the group stands at 1000"):
        read(source, 1)
    source.close()


def test_what_retention_took_is_counted_and_left_out(kafka, topics, topic_prefix, topic_names):
    send(kafka, topics[0], [b"0", b"1", b"2"])
    begin_behind(kafka, topics[0], topic_prefix, 0)
    for future in topic_names.admin.delete_records([TopicPartition(topics[0], 0, 2)]).values():
        future.result(10)
    source, counted = make_source(kafka, topics, topic_prefix)
    assert read(source, 1).values == [b"2"]
    assert counted == [1]
    source.close()


def test_a_first_place_is_kept_for_whoever_comes_next(kafka, topics, topic_prefix):
    first, _ = make_source(kafka, topics, topic_prefix, start="latest")
    assert read(first, 1, seconds=5.0).values == []
    first.close()
    send(kafka, topics[0], [b"while nobody was there"])
    second, _ = make_source(kafka, topics, topic_prefix, start="latest")
    assert read(second, 1).values == [b"while nobody was there"]
    second.close()
