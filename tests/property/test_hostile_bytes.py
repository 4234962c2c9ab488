"""Law 10: whatever the bytes, an alert or a PoisonMessage comes out; in little memory, and soon.

The bounds are those of tests/support/reading.py. `make fuzz` holds a million packets to them.
"""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.errors import Reason
from broker.surveys.checks import LONGEST_HISTORY
from model.alerts import Alerts
from tests.support.alerts import FRAMINGS, PACKETS, packets, record
from tests.support.hostile import BOMBS, CODECS, container, history
from tests.support.reading import MOST_BYTES, MOST_S, Fate, fate, least_s, most_bytes

GOOD = [frame(record()) for frame in FRAMINGS.values()]
SURVEYS = ("rubin", "ztf", "elasticc", "negative")
ANY = GOOD + [path.read_bytes() for survey in SURVEYS for path in sorted((PACKETS / survey).glob("*.avro"))]


def timed(value: bytes) -> Fate:
    """What the message ends as, within the time that one may take."""
    assert least_s(value) <= MOST_S
    return fate(value)


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name):
    assert isinstance(timed(BOMBS[name]), Reason)
    assert most_bytes(BOMBS[name]) < MOST_BYTES


@pytest.mark.parametrize("codec", CODECS)
def test_the_longest_good_alert(codec):
    value = container(CODECS[codec](history(LONGEST_HISTORY)), codec)
    assert isinstance(timed(value), Alerts)
    assert most_bytes(value) < MOST_BYTES


@pytest.mark.parametrize("survey", SURVEYS)
def test_real_packets(survey):
    for path in packets(survey):
        value = path.read_bytes()
        letter = survey in {"negative", "elasticc"}  # of which three are in one file
        assert isinstance(timed(value), Reason if letter else Alerts), path.name
        assert most_bytes(value) < MOST_BYTES


@given(st.binary(max_size=2000))
@example(b"Obj\x01")
@example(b"\x00")
@settings(max_examples=1000, deadline=None)
def test_noise(value):
    assert isinstance(timed(value), (Alerts, str))


@given(
    st.integers(0, len(ANY) - 1),  # not the packets themselves, which are long to print
    st.lists(st.tuples(st.integers(0, 600_000), st.integers(0, 255)), max_size=6),
    st.integers(0, 600_000),
    st.binary(max_size=12),
)
@settings(max_examples=2000, deadline=None)
def test_mutated_alerts(number, changes, cut, extra):
    value = bytearray(ANY[number])
    for place, byte in changes:
        value[place % len(value)] = byte
    if cut % 3 == 0:
        del value[cut % len(value) :]
    place = cut % (len(value) + 1)
    value[place:place] = extra
    assert isinstance(timed(bytes(value)), (Alerts, str))


@given(st.sampled_from(GOOD), st.data())
@settings(max_examples=1000, deadline=None)
def test_one_bit_flipped(good, data):
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    value = bytearray(good)
    value[bit // 8] ^= 1 << bit % 8
    assert isinstance(timed(bytes(value)), (Alerts, str))
