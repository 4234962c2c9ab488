"""What may be configured otherwise, and what may not."""

import re

from broker.kafka.fetching import fetching


def test_what_is_configured_goes_before_ours_but_never_commits_an_offset():
    wanted = {"fetch.wait.max.ms": 50, "group.id": "g", "enable.auto.commit": True, "enable.auto.offset.store": True}
    found = fetching(wanted, (), 1_000_000)
    assert (found["fetch.wait.max.ms"], found["group.id"]) == (50, "g")
    assert (found["enable.auto.commit"], found["enable.auto.offset.store"]) == (False, False)


def test_no_more_is_fetched_ahead_than_a_batch_holds():
    assert fetching({}, (), 64 * 1024 * 1024)["queued.max.messages.kbytes"] == 64 * 1024
    assert fetching({}, (), 100)["queued.max.messages.kbytes"] == 1  # librdkafka refuses 0


def test_outputs_are_left_out_and_their_like_are_not():
    left_out = [re.compile(one) for one in fetching({}, ("a.anomalies",), 1)["topic.blacklist"].split(",")]
    topics = ("a.anomalies", "a-anomalies", "a.anomalies.2", "__offsets", "alerts")
    assert [t for t in topics if any(one.search(t) for one in left_out)] == ["a.anomalies", "__offsets"]
