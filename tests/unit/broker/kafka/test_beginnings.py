"""Where partitions begin, over a double of the consumer's questions: who decides, and who waits."""

from types import SimpleNamespace

import pytest
from confluent_kafka import TopicPartition

from broker.errors import StartupError
from broker.kafka.beginnings import Beginnings

NONE = -1001


class Group:
    """What a consumer tells of topics and of its group; each partition has the offsets 10 to 20."""

    def __init__(self, **partitions: int) -> None:
        self.partitions, self.offsets = partitions, {}

    def list_topics(self, timeout):
        topics = {name: SimpleNamespace(partitions=dict.fromkeys(range(n))) for name, n in self.partitions.items()}
        return SimpleNamespace(topics=topics)

    def committed(self, places, timeout):
        return [TopicPartition(p.topic, p.partition, self.offsets.get((p.topic, p.partition), NONE)) for p in places]

    def get_watermark_offsets(self, place, timeout):
        return 10, 20

    def commit(self, *, offsets, asynchronous):
        assert not asynchronous
        self.offsets |= {(p.topic, p.partition): p.offset for p in offsets}


def beginnings(group, start="latest", out_of_range="safe"):
    counted = []
    made = Beginnings(group, start, out_of_range, lambda: counted.append("range"), lambda: counted.append("added"))
    made.look()
    return made, counted


def places(*partitions, topic="a"):
    return {(topic, partition) for partition in partitions}


def test_a_new_topic_is_begun_as_a_whole_by_whoever_holds_its_partition_0():
    group = Group(a=3)
    other, _ = beginnings(group)
    assert other.begin(places(1, 2)) == {}, "it waits"
    first, counted = beginnings(group)
    assert first.begin(places(0)) == {("a", 0): 20}
    assert group.offsets == dict.fromkeys(places(0, 1, 2), 20)
    assert other.begin(places(1, 2)) == dict.fromkeys(places(1, 2), 20)
    assert not counted


def test_a_partition_without_an_offset_in_a_topic_with_some_was_added():
    group = Group(a=3)
    group.offsets = {("a", 0): 15}
    made, counted = beginnings(group)
    assert made.begin(places(2)) == {("a", 2): 10}
    assert counted == ["added"]
    assert group.offsets["a", 2] == 10


def test_a_topic_that_was_made_since_the_worker_began_is_read_from_its_first_message():
    group = Group(a=1)
    made, counted = beginnings(group)
    group.partitions["night"] = 2
    assert made.begin(places(1, topic="night")) == {("night", 1): 10}
    assert counted == ["added"]


def test_the_earliest_waits_for_nobody():
    made, counted = beginnings(Group(a=3), start="earliest")
    assert made.begin(places(1, 2)) == dict.fromkeys(places(1, 2), 10)
    assert not counted


@pytest.mark.parametrize(
    ("policy", "offset", "begins_at"),
    [
        ("safe", 5, 10),
        ("earliest", 25, 10),
        ("latest", 5, 20),
        ("latest", 25, 20),
        ("safe", 12, None),
        ("stop", 20, None),
    ],
)
def test_what_has_nothing_at_its_offset_goes_on_as_configured(policy, offset, begins_at):
    group = Group(a=1)
    group.offsets = {("a", 0): offset}
    made, counted = beginnings(group, out_of_range=policy)
    assert made.begin(places(0)) == {("a", 0): begins_at or offset}
    assert counted == (["range"] if begins_at else [])


@pytest.mark.parametrize(("policy", "offset"), [("safe", 25), ("stop", 5)])
def test_a_log_that_is_shorter_than_what_was_read_is_the_operators_to_judge(policy, offset):
    group = Group(a=1)
    group.offsets = {("a", 0): offset}
    with pytest.raises(StartupError, match=rf"a\[0\] has the offsets 10 to 20, the group stands at {offset}"):
        beginnings(group, out_of_range=policy)[0].begin(places(0))
    assert group.offsets == {("a", 0): offset}
