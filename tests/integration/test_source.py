"""The source on a real Kafka: what a batch is, rebalances while something is in flight, and where reading begins."""

import threading
import time

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import NewPartitions

from broker.embedded import EmbeddedKafka
from broker.errors import TransientError
from broker.kafka import cutoff
from broker.kafka.message import Record
from broker.kafka.sink import KafkaSink
from broker.kafka.source import KafkaSource
from tests.support.servers import Topics


@pytest.fixture
def topics(topic_names):
    return topic_names("alerts", "outputs", partitions=2)


@pytest.fixture
def make(kafka, topics, topic_prefix):
    """Makes sources of one group; each knows what it holds and what it has added."""
    made = []

    def make(*wanted, **options):
        added = []
        settings = {"bootstrap.servers": kafka, "group.id": topic_prefix, "session.timeout.ms": 6000}
        source = KafkaSource(
            settings,
            wanted or topics[:1],
            lambda _: None,
            on_added=lambda: added.append(1),
            **options,
        )
        source.added = added
        made.append(source)
        return source

    make.made = made
    yield make
    for source in made:
        source.close()


def send(kafka, topic, values, partition=0):
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 10_000_000})
    for value in values:
        producer.produce(topic, value, partition=partition)
    producer.flush(10)


def until(condition, *sources, seconds=30.0):
    """Let sources read until something is so; the batches that came, by source."""
    deadline, got = time.monotonic() + seconds, {source: [] for source in sources}
    while not condition(got):
        assert time.monotonic() < deadline, "it does not come to it"
        for source in sources:
            try:
                batch = source.read(100, 0.05)
            except TransientError:
                source.back_off(0.1)
                continue
            if len(batch):
                got[source].append(batch)
    return got


def for_a_while(seconds, *sources):
    """What comes meanwhile."""
    deadline = time.monotonic() + seconds
    return until(lambda _: time.monotonic() > deadline, *sources)


def values(batches):
    return [value for batch in batches for value in batch.values]


def test_a_partition_whose_messages_fill_the_clients_queue_is_fetched_again_as_soon_as_there_is_room(
    make, kafka, topics
):
    send(kafka, topics[0], [bytes([n]) * 200_000 for n in range(100)])
    source = make(max_bytes=400_000)  # the queue is full ten times and more: by default each costs a second
    first = until(lambda got: got[source], source)[source]
    began = time.monotonic()
    rest = until(lambda got: sum(map(len, got[source])) == 100 - sum(map(len, first)), source)[source]
    assert [value[0] for value in values(first + rest)] == list(range(100))
    assert time.monotonic() - began < 8


def batches_of(source, count):
    return until(lambda got: sum(map(len, got[source])) >= count, source)[source]


def sink_of(kafka, name):
    return KafkaSink({"bootstrap.servers": kafka}, name)


def test_reading_returns_with_the_first_message_and_what_is_there_with_it(kafka, topics, make):
    source = make()
    until(lambda _: len(source.held) == 2, source)
    threading.Timer(0.5, send, (kafka, topics[0], [b"0", b"1", b"2"])).start()
    began = time.monotonic()
    batch = source.read(100, 20.0)
    assert time.monotonic() - began < 5.0, "it does not wait for company"
    rest = values(batches_of(source, 3 - len(batch))) if len(batch) < 3 else []
    assert [*batch.values, *rest] == [b"0", b"1", b"2"]


def test_a_batch_is_bounded_in_count_and_bytes_and_what_is_too_much_comes_next(kafka, topics, make):
    big = [b"%d" % i + bytes(400_000) for i in range(7)]
    small = [b"s%d" % i for i in range(30)]
    send(kafka, topics[0], [*small, *big])
    send(kafka, topics[0], [bytes(1_000_000), *small], partition=1)
    source = make(max_bytes=900_000)
    batches = batches_of(source, 68)
    assert all(len(batch) <= 100 for batch in batches)
    assert all(batch.nbytes <= 900_000 or len(batch) == 1 for batch in batches)
    for partition, sent in ((0, [*small, *big]), (1, [bytes(1_000_000), *small])):
        got = [
            value
            for batch in batches
            for value, i in zip(batch.values, batch.place, strict=True)
            if batch.places[i] == (topics[0], partition)
        ]
        assert got == sent


def test_a_rewind_reads_all_again_that_was_read_and_not_committed(kafka, topics, make, topic_prefix):
    source, sink = make(), sink_of(kafka, topic_prefix)
    send(kafka, topics[0], [b"0", b"1"])
    done = batches_of(source, 2)
    sink.commit([], done[-1])
    send(kafka, topics[0], [b"2"])
    failed = batches_of(source, 1)[0]
    send(kafka, topics[0], [b"3"], partition=1)
    later = batches_of(source, 1)[0]  # read while the other was being committed
    assert failed.epoch == later.epoch == source.epoch
    source.rewind(failed)
    assert source.epoch == failed.epoch + 1
    source.rewind(later)
    assert source.epoch == failed.epoch + 1, "it is void already"
    send(kafka, topics[0], [b"4"], partition=1)
    again = batches_of(source, 3)
    assert sorted(values(again)) == [b"2", b"3", b"4"]
    marked = {value: mark for batch in again for value, mark in zip(batch.values, batch.again, strict=True)}
    assert marked[b"2"]
    assert marked[b"3"]


def test_nothing_is_read_again_while_something_is_in_flight(kafka, topics, make):
    settled = [False]
    source = make(settle=lambda _: settled[0])
    send(kafka, topics[0], [b"0"])
    source.rewind(batches_of(source, 1)[0])
    with pytest.raises(TransientError, match="a commit has not come to its end"):
        source.read(1, 0.1)
    settled[0] = True
    assert values(batches_of(source, 1)) == [b"0"]


def test_what_is_in_flight_is_committed_before_its_partition_is_given_up(kafka, topics, make, topic_prefix):
    """Though the generation is a new one by then, and settling takes longer than a session."""
    batches, settled = [], []
    sink = sink_of(kafka, topic_prefix)

    def settle(deadline_s):
        if batches:
            assert deadline_s == 8.0
            time.sleep(7.0)
            committer = threading.Thread(target=lambda: settled.append(sink.commit([], batches.pop())))
            committer.start()
            committer.join()
        return True

    first = make(settle=settle)
    for partition in (0, 1):
        send(kafka, topics[0], [b"%d" % partition], partition)
    until(lambda _: len(first.held) == 2, first)
    got = until(lambda got: sum(map(len, got[first])) == 2, first)[first]
    assert len(got) == 1 or sink.commit([], got[0]) is None
    batches.append(got[-1])
    epoch = first.epoch
    second = make()
    seen = until(lambda _: len(first.held) == len(second.held) == 1, first, second, seconds=60)
    assert settled == [None]
    assert first.epoch > epoch
    assert not any(seen.values()), "nothing is read twice"
    assert not any(for_a_while(2.0, first, second).values())


def test_offsets_are_owed_until_they_are_committed_or_their_partition_is_anothers(kafka, topics, make, topic_prefix):
    source, sink = make(), sink_of(kafka, topic_prefix)
    ends = {(topics[0], 0): 1, (topics[0], 1): 1}
    for partition in (0, 1):
        send(kafka, topics[0], [b"%d" % partition], partition)
    got = until(lambda got: sum(map(len, got[source])) == 2, source)[source]
    assert source.owes(ends)
    assert source.owes({(topics[0], 1): 1})
    for batch in got:
        sink.commit([], batch)
    assert not source.owes(ends)
    ends = {(topics[0], 0): 9, (topics[0], 1): 9}
    assert source.owes(ends)
    make()
    until(lambda _: len(source.held) == 1, *make.made)
    assert not source.owes({place: 9 for place in ends if place not in source.held})


def test_who_has_given_partitions_up_cannot_commit_what_he_read_of_them(kafka, topics, make, topic_prefix):
    first, sink = make(), sink_of(kafka, topic_prefix)
    until(lambda _: len(first.held) == 2, first)
    for partition in (0, 1):
        send(kafka, topics[0], [b"%d" % partition], partition)
    got = until(lambda got: sum(map(len, got[first])) == 2, first)[first]
    second = make()
    again = until(lambda got: sum(sum(map(len, bs)) for bs in got.values()) == 2, first, second, seconds=60)
    assert len(first.held) == len(second.held) == 1
    assert sorted(values(again[first]) + values(again[second])) == [b"0", b"1"], "each is read again, by who has it now"
    assert all(all(batch.again) for bs in again.values() for batch in bs)
    for batch in got:
        assert batch.epoch < first.epoch
        with pytest.raises(TransientError):
            sink.commit([Record(topics[1], None, b"zombie", [])], batch)
    for batch in again[first]:
        sink.commit([], batch)


def test_partitions_and_topics_that_come_later_begin_at_their_first_message(
    kafka, topics, topic_names, topic_prefix, make
):
    send(kafka, topics[0], [b"history"])
    source = make(f"^{topic_prefix}[a-n].*", start="latest")
    until(lambda _: len(source.held) == 2, source)
    assert not for_a_while(1.0, source)[source]
    send(kafka, topics[0], [b"new"])
    assert values(batches_of(source, 1)) == [b"new"]
    assert not source.added
    for future in topic_names.admin.create_partitions([NewPartitions(topics[0], 3)]).values():
        future.result(10)
    (night,) = topic_names("night")
    time.sleep(0.5)
    send(kafka, topics[0], [b"before it was seen"], partition=2)
    send(kafka, night, [b"before the topic was seen"])
    assert sorted(values(batches_of(source, 2))) == [b"before it was seen", b"before the topic was seen"]
    assert len(source.added) == 2


def test_a_new_group_at_the_latest_reads_no_history_with_any_number_of_workers(kafka, topics, make):
    for partition in (0, 1):
        send(kafka, topics[0], [b"history"], partition)
    first, second = make(start="latest"), make(start="latest")
    got = until(lambda _: len(first.held) == len(second.held) == 1, first, second)
    assert not any(got.values())
    assert not any(for_a_while(1.0, first, second).values())
    for partition in (0, 1):
        send(kafka, topics[0], [b"new"], partition)
    got = until(lambda got: sum(sum(map(len, bs)) for bs in got.values()) >= 2, first, second)
    assert values(got[first]) == values(got[second]) == [b"new"]
    assert not first.added
    assert not second.added


def test_the_outputs_are_never_input(kafka, topics, topic_prefix, make):
    source = make(f"^{topic_prefix}.*", outputs=[topics[1]])
    send(kafka, topics[1], [b"ours"])
    send(kafka, topics[0], [b"an alert"])
    assert values(batches_of(source, 1)) == [b"an alert"]
    assert {topic for topic, _ in source.held} == {topics[0]}


@pytest.fixture
def restarted(monkeypatch):
    """A Kafka of its own, a source of its topic with one message read, and the source's clients."""
    monkeypatch.setattr(cutoff, "CUT_OFF_S", 2.0)
    with EmbeddedKafka() as server:
        servers = server.bootstrap_servers
        (topic,) = Topics(servers, "")("alerts")
        made, settings = [], {"bootstrap.servers": servers, "group.id": "one", "session.timeout.ms": 6000}
        monkeypatch.setattr("broker.kafka.source.Consumer", lambda config: made.append(Consumer(config)) or made[-1])
        source = KafkaSource(settings, [topic], lambda _: None)
        try:
            send(servers, topic, [b"before"])
            batches_of(source, 1)
            yield server, source, topic, made
        finally:
            source.close()


def reads_on(server, source, topic):
    server.start()
    send(server.bootstrap_servers, topic, [b"after"])
    return values(batches_of(source, 2)) == [b"before", b"after"]  # what is not committed is read again


def test_a_client_that_reaches_no_server_where_others_do_is_replaced_and_its_successor_reads_on(restarted, monkeypatch):
    server, source, topic, made = restarted
    monkeypatch.setattr(cutoff, "answers", lambda _: True)
    server.kill()
    until(lambda _: len(made) > 1, source, seconds=60)
    assert reads_on(server, source, topic)


def test_no_client_is_replaced_while_kafka_is_away_for_all(restarted):
    server, source, topic, made = restarted
    server.kill()
    for_a_while(8.0, source)
    assert len(made) == 1
    assert reads_on(server, source, topic)


def test_what_is_unread_is_told_and_the_mark_behind_a_transaction_is_none_of_it(kafka, topics, make, topic_prefix):
    source, place = make(), (topics[0], 0)

    def told(wanted):
        return lambda _: source.unread.partitions.each.get(place, ())[:2] == wanted

    until(lambda _: len(source.held) == 2, source)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topic_prefix}sender"})
    producer.init_transactions(10)
    producer.begin_transaction()
    for value in (b"0", b"1", b"2"):
        producer.produce(topics[0], value, partition=0)
    producer.commit_transaction(10)
    batches = batches_of(source, 3)
    until(told((4, 4)), source)  # three messages in hand, and the mark
    oldest_ms = int(batches[0].timestamps_ms[0])
    assert source.unread.partitions.each[place].since_ms == oldest_ms
    for batch in batches:
        source.unread.committed(batch)
    until(told((0, 4)), source)
    assert source.unread.partitions.each[place].since_ms is None
