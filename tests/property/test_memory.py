"""Laws 3, 4, 5 and 7 on any sequence of alerts: late, doubled, redelivered, with lost states, in any micro-batches."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.kafka.message import Message
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import Arrival, InMemoryLightCurves, observations
from broker.lightcurves.store import entries as as_entries
from model.observation import Alert, Context, LightCurve, Observation
from tests.support.echo import echo, expected


@dataclass
class Worker:
    """Remembers and classifies like the pipeline does."""

    store: InMemoryLightCurves
    digest: str = "a" * 64
    answers: dict[tuple[int, int], object] = field(default_factory=dict)

    def take(self, arrivals: list[Arrival]) -> None:
        memory = Memory(self.store, self.digest)
        shares = memory.remember(arrivals)
        outcomes = [echo(share.runs, self.digest) for share in shares]
        memory.save(shares, outcomes)
        for share, of_share in zip(shares, outcomes, strict=True):
            for arrival, answer in zip(share.arrivals, share.answers, strict=True):
                place = arrival.message.partition, arrival.message.offset
                verdict = None if answer is None else of_share[answer.run].verdicts[answer.verdict]
                if answer is not None:
                    assert answer.observations == len(verdict[0]) // 18
                assert self.answers.setdefault(place, verdict) == verdict, "a redelivery is answered as before"


def alert(number: int, mjd: float, band: int = 0, z: float = 0.5, history: tuple = ()) -> Alert:
    return Alert(
        number, "object", "test", Observation(mjd, float(number), 1.0, band, True), Context(host_photoz=z), history
    )


def message(partition: int, offset: int) -> Message:
    return Message("alerts", partition, offset, 0)


alerts = st.lists(
    st.builds(
        alert,
        st.integers(1, 12),
        st.integers(1, 8).map(float),
        st.integers(0, 1),
        st.sampled_from([0.5, 0.5, 0.5, 0.7]),
        st.lists(
            st.integers(1, 8).map(lambda day: Observation(float(day), 3.0, 2.0, 1, False)),
            max_size=2,
        ).map(tuple),
    ),
    min_size=1,
    max_size=14,
)


@given(alerts, st.data())
@settings(max_examples=400, deadline=None)
def test_every_answer_is_the_light_curve_up_to_its_alert(sequence, data):
    """Laws 3 and 5: whatever the micro-batches, whatever states are lost or made by another model."""
    arrivals = [Arrival(message(0, i), a) for i, a in enumerate(sequence)]
    worker = Worker(InMemoryLightCurves())
    begun = 0
    while begun < len(arrivals):
        size = data.draw(st.integers(1, 5))
        if data.draw(st.booleans()):
            worker.store.states.clear()
        worker.digest = data.draw(st.sampled_from(["a" * 64, "b" * 64]))
        worker.take(arrivals[begun : begun + size])
        begun += size
    assert worker.answers == expected(arrivals)


@given(alerts, st.data())
@settings(max_examples=400, deadline=None)
def test_a_batch_done_again_gives_the_same_answers(sequence, data):
    """Law 6: a crash after the light curves were written, before the commit."""
    arrivals = [Arrival(message(0, i), a) for i, a in enumerate(sequence)]
    worker = Worker(InMemoryLightCurves())
    begun = 0
    while begun < len(arrivals):
        size = data.draw(st.integers(1, 5))
        again = data.draw(st.integers(0, 2))
        for _ in range(again):  # another process, other batches, perhaps without its save
            Memory(worker.store, worker.digest).remember(arrivals[begun : begun + data.draw(st.integers(1, size))])
        worker.take(arrivals[begun : begun + size])
        if again:
            worker.take(arrivals[begun : begun + size])
        begun += size
    assert worker.answers == expected(arrivals)


@given(alerts, alerts, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_any_split_over_two_workers_ends_in_one_curve(one, other, random):
    """Law 4: no key, two partitions, two workers, any interleaving."""
    queues = [[Arrival(message(p, i), a) for i, a in enumerate(q)] for p, q in enumerate((one, other))]
    store = InMemoryLightCurves()
    workers = [Worker(store), Worker(store)]
    taken = []
    while any(queues):
        p = random.choice([p for p in (0, 1) if queues[p]])
        size = random.randint(1, 3)
        batch, queues[p] = queues[p][:size], queues[p][size:]
        workers[p].take(batch)
        taken += batch
    curve = LightCurve.of(observations(as_entries(store.logs["test/object"]))).observations
    wanted = LightCurve.of([o for _, a in taken for o in (*a.history, a.observation)]).observations
    assert np.array_equal(curve, wanted)


@given(alerts, alerts, st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_a_state_whose_log_was_lost_is_not_believed(before, after, size):
    """Law 3: the log was evicted, the state was not, and the log has grown to the same length again."""
    store = InMemoryLightCurves()
    Worker(store).take([Arrival(message(0, i), a) for i, a in enumerate(before)])
    store.logs.clear()
    arrivals = [Arrival(message(1, i), a) for i, a in enumerate(after)]
    worker = Worker(store)
    for begun in range(0, len(arrivals), size):
        worker.take(arrivals[begun : begun + size])
    assert worker.answers == expected(arrivals)
