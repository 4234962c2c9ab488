"""What becomes of a message's bytes, and what that costs: law 10 as code, for tests and for `make fuzz`."""

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from broker.config import Outputs as Topics
from broker.errors import PoisonMessage, Reason
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.lightcurves.entries import cut_all, parse
from broker.lightcurves.hashes import salts
from broker.lightcurves.recall import entries_for
from broker.lightcurves.told import Messages, told_of
from broker.outputs.messages import LONGEST_DETAIL, Outputs
from broker.packets.decoded import Decoded
from broker.packets.formats import Formats, native_formats
from broker.packets.ids import SourcedIds
from broker.packets.reader import AlertReader
from broker.packets.rubin_package import rubin_package
from broker.packets.writers import Writer
from model.alerts import Alerts
from model.observation import BANDS

LARGEST_MESSAGE = 4 * 1024 * 1024  # bytes, as limits.max_message_bytes has it
MOST_BYTES = 40_000_000  # held at once while one message is read, beside the message
MOST_S = 0.05  # for one message
TRIES = 3  # a message counts as slow where each of them is

Read = Callable[[Batch], Decoded]
Fate = Alerts | Reason | Literal["declined"]


def all_formats() -> Formats:
    """One topic of everything: our own ids, Rubin's above them, and whatever brings its schema along."""
    native = native_formats()
    package = rubin_package()
    assert package, "lsst-alert-packet belongs to the extra `test`"
    ours, rubins = native.otherwise.by_id, SourcedIds(native.writers, [package])

    def by_id(schema_id: int) -> Writer:
        return rubins(schema_id) if 700 <= schema_id < 1200 else ours(schema_id)

    return replace(native, otherwise=replace(native.otherwise, by_id=by_id))


READ = AlertReader(LARGEST_MESSAGE, all_formats())
OUTPUTS = Outputs(Topics(), "none", "0" * 64, "balanced", "0")


def message(value: bytes | None, offset: int = 0) -> Message:
    """A message of these bytes."""
    return Message("alerts", 0, offset, 0, value=value)


def batch(*values: bytes | None) -> Batch:
    """Messages of these bytes."""
    return Batch.of([message(value, offset) for offset, value in enumerate(values)])


def fate(value: bytes | None, read: Read = READ) -> Fate:
    """The alert or the dead letter's reason that a message ends as, or declined. AssertionError where it is unsound."""
    decoded = read(batch(value))
    alerts, poisons = decoded.alerts, decoded.poisons
    assert [*alerts.message.tolist(), *decoded.declined.tolist(), *poisons] == [0], "one fate"
    if len(decoded.declined):
        return "declined"
    return sound_letter(value, poisons[0]) if poisons else sound_alert(alerts)


def sound_letter(value: bytes | None, poison: PoisonMessage) -> Reason:
    """The reason, from the closed list, of a letter that can be written and whose detail a terminal may show."""
    assert isinstance(poison.reason, Reason)
    assert 0 < len(poison.detail) <= LONGEST_DETAIL
    assert poison.detail.isascii()
    assert poison.detail.isprintable()
    assert OUTPUTS.dead_letter(message(value), poison, 0).value
    return poison.reason


def sound_alert(alerts: Alerts) -> Alerts:
    """The one alert, of which every observation is finite and can be stored."""
    (name,) = alerts.objects
    survey, slash, object_id = name.partition(b"/")
    assert (alerts.alert_ids != 0).all()  # ZTF's first packets have negative ones
    assert survey
    assert slash
    assert object_id
    rows = alerts.rows
    assert alerts.ends.tolist() == [len(rows)]
    assert all(np.isfinite(rows[field]).all() for field in ("mjd_tai", "flux_njy", "flux_err_njy"))
    assert (rows["flux_err_njy"] > 0).all()
    assert (rows["band"] < len(BANDS)).all()
    salt = salts([name])
    (told,) = told_of(alerts, Messages.of(batch(None), alerts), np.zeros(1, np.int64), {0})[0]
    assert parse(cut_all(entries_for(told, told.rows, False, salt[0])), int(salt[0]))[1].all()
    return alerts


def least_s(value: bytes | None, read: Read = READ) -> float:
    """How long one message takes to be read [s]; the least of several tries where it takes too long.

    Reading waits for nothing, so the thread's own time is what it takes on a machine without other work.
    """
    least = float("inf")
    for _ in range(TRIES):
        began = time.thread_time()
        read(batch(value))
        least = min(least, time.thread_time() - began)
        if least <= MOST_S:
            break
    return least


def most_bytes(value: bytes | None, read: Read = READ) -> int:
    """The most bytes held at once while one message is read, as Python's allocator counts them."""
    tracemalloc.start()
    try:
        read(batch(value))
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak
