"""Law 10: whatever the bytes, an Alert or a PoisonMessage comes out; nothing else, and not late."""

import time

from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.errors import PoisonMessage, Reason
from broker.message import Message
from broker.reader import AlertReader
from model.observation import Alert
from tests.support.alerts import FRAMINGS, record

READ = AlertReader(4 * 1024 * 1024)
GOOD = [frame(record()) for frame in FRAMINGS.values()]


def outcome(value: bytes) -> Alert | Reason:
    began = time.perf_counter()
    try:
        result = READ(Message("alerts", 0, 0, 0, value=value))
    except PoisonMessage as poison:
        result = poison.reason
    assert time.perf_counter() - began < 0.5
    return result


@given(st.binary(max_size=2000))
@example(b"Obj\x01")
@example(b"\x00")
@settings(max_examples=1000, deadline=None)
def test_noise(value):
    assert isinstance(outcome(value), (Alert, Reason))


@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    st.integers(0, 10_000),
    st.binary(max_size=12),
)
@settings(max_examples=2000, deadline=None)
def test_mutated_alerts(good, flips, cut, extra):
    value = bytearray(good)
    for place, byte in flips:
        value[place % len(value)] = byte
    if cut % 3 == 0:
        del value[cut % len(value) :]
    place = cut % (len(value) + 1)
    value[place:place] = extra
    assert isinstance(outcome(bytes(value)), (Alert, Reason))
