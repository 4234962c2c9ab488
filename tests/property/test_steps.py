"""An alert of a known object that comes in order is a step, whatever of its history its packet repeats.

Of packets as `replay` makes them, and of those that `make bench` sends: else its figures would be of a stream that no
survey sends.
"""

from itertools import count

import numpy as np
import pytest

from broker.config import Settings
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from broker.lightcurves.told import Messages
from broker.packets.formats import formats_of
from broker.packets.reader import AlertReader
from broker.replays.makers import MAKERS
from tests.benchmark.nights import RubinNights, ZtfNights
from tests.support.echo import Echo
from tests.support.replayed import curve

TOPICS = {"rubin": "lsst-alerts-v11", "ztf": "ztf_20261125_programid1", "elasticc": "elasticc"}
REACH = 0.95  # the others: values that a later packet repeats with another last digit
NIGHTS = 6


class Known:
    """What becomes of packets that come one by one, on a topic of their survey."""

    def __init__(self, survey: str) -> None:
        echo = Echo()
        self._topic, self._offsets, self._classify = TOPICS[survey], count(), echo.classify
        self._memory = Memory(InMemoryLightCurves(), echo.fingerprint, echo.start_state)
        self._read = AlertReader(4 * 1024 * 1024, formats_of(Settings.load()))

    def steps(self, value: bytes, key: bytes | None = None) -> bool:
        """Whether a packet was a step."""
        message = Message(self._topic, 0, next(self._offsets), 0, key, value)
        batch = Batch.of([message], again=np.zeros(1, np.bool_))
        found = self._read(batch)
        assert not found.poisons
        plan = self._memory.remember(found.alerts, Messages.of(batch, found.alerts))
        self._memory.save(self._memory.states_of(plan, self._classify(plan.runs)[1]), plan)
        return plan.stepped == 1


@pytest.mark.parametrize("survey", TOPICS)
def test_an_alert_in_order_is_a_step_and_be_it_the_second(survey):
    known, stepped = Known(survey), list[bool]()
    # ELAsTiCC tells of what was before the first alert with the second alone: then that is late, and the curve is read.
    begin = ["1"] if survey == "elasticc" else ["1", "011"]  # without a history, and with one
    for number in range(60):
        marks = begin[number % len(begin)]
        records = curve(marks + "0110010", name=f"object{number}", start=1000 * number, band="grzi", flux=900.0)
        stepped += [known.steps(packet.value, packet.key) for packet in MAKERS[survey](records)][1:]
    assert len(stepped) > 100
    assert np.mean(stepped) >= REACH


@pytest.mark.parametrize(("survey", "made"), [("rubin", RubinNights), ("ztf", ZtfNights)])
def test_the_nights_that_the_benchmark_sends_come_in_order(survey, made):
    known, nights = Known(survey), made(NIGHTS)
    objects = range(12)
    stepped = [known.steps(value) for number in range(NIGHTS) for _, value in nights.night(number, objects)]
    assert np.mean(stepped[len(objects) :]) >= REACH
