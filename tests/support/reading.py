"""What becomes of a message's bytes, and what that costs: law 10 as code, for tests and for `make fuzz`."""

import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from math import isfinite

from broker.config import Outputs as Topics
from broker.errors import PoisonMessage, Reason
from broker.kafka.message import Message
from broker.lightcurves.store import Arrival, entry
from broker.outputs.messages import LONGEST_DETAIL, Outputs
from broker.packets.reader import AlertReader
from model.observation import BANDS, Alert

LARGEST_MESSAGE = 4 * 1024 * 1024  # bytes, as limits.max_message_bytes has it
MOST_BYTES = 40_000_000  # held at once while one message is read, beside the message
MOST_S = 0.05  # for one message
TRIES = 3  # a message counts as slow where each of them is

Read = Callable[[Message], Alert]
Fate = Alert | Reason

READ = AlertReader(LARGEST_MESSAGE)
OUTPUTS = Outputs(Topics(), "none", "0" * 64, "balanced", "0")


def message(value: bytes | None) -> Message:
    """A message of these bytes."""
    return Message("alerts", 0, 0, 0, value=value)


def fate(value: bytes | None, read: Read = READ) -> Fate:
    """The alert or the dead letter's reason that a message ends as. AssertionError where it is not a sound one."""
    try:
        alert = read(message(value))
    except PoisonMessage as poison:
        return sound_letter(value, poison)
    return sound_alert(alert)


def sound_letter(value: bytes | None, poison: PoisonMessage) -> Reason:
    """The reason, from the closed list, of a letter that can be written and whose detail a terminal may show."""
    assert isinstance(poison.reason, Reason)
    assert 0 < len(poison.detail) <= LONGEST_DETAIL
    assert poison.detail.isascii()
    assert poison.detail.isprintable()
    assert OUTPUTS.dead_letter(message(value), poison, 0).value
    return poison.reason


def sound_alert(alert: Alert) -> Alert:
    """The alert, of which every observation is finite and can be stored."""
    assert alert.alert_id >= 1
    assert alert.object_id
    for one in (alert.observation, *alert.history):
        assert isfinite(one.mjd_tai)
        assert isfinite(one.flux_njy)
        assert isfinite(one.flux_err_njy)
        assert one.flux_err_njy > 0
        assert 0 <= one.band < len(BANDS)
    entry(Arrival(message(None), alert), alert.observation)
    return alert


def least_s(value: bytes | None, read: Read = READ) -> float:
    """How long one message takes to be read [s]; the least of several tries where it takes too long.

    Reading waits for nothing, so the thread's own time is what it takes on a machine without other work.
    """
    least = float("inf")
    for _ in range(TRIES):
        began = time.thread_time()
        with suppress(PoisonMessage):
            read(message(value))
        least = min(least, time.thread_time() - began)
        if least <= MOST_S:
            break
    return least


def most_bytes(value: bytes | None, read: Read = READ) -> int:
    """The most bytes held at once while one message is read, as Python's allocator counts them."""
    tracemalloc.start()
    try:
        with suppress(PoisonMessage):
            read(message(value))
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak
