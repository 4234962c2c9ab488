"""Laws 3, 4, 5 and 7 on any sequence of alerts: late, doubled, redelivered, with lost states, in any micro-batches."""

from contextlib import suppress
from dataclasses import dataclass, field
from math import nan
from time import process_time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.kafka.message import Message
from broker.lightcurves.effort import MOST_STEPS, TooMuchError
from broker.lightcurves.entries import observations, parse
from broker.lightcurves.hashes import salts
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from model.observation import Context, LightCurve, Observation
from tests.support.columns import Alert, Arrival, columns_of
from tests.support.echo import Echo, answers_of, expected

KEY = b"test/object"


@dataclass
class Worker:
    """Remembers and classifies like the pipeline does."""

    store: InMemoryLightCurves
    digest: str = "a"
    answers: dict[tuple[int, int], object] = field(default_factory=dict)
    unreadable: int = 0

    def take(self, arrivals: list[Arrival], again: bool = False, save: bool = True) -> None:
        classifier = Echo(self.digest)
        memory = Memory(self.store, classifier.fingerprint, classifier.start_state)
        plan = memory.remember(*columns_of(arrivals, again))
        verdicts, bodies = classifier.classify(plan.runs)
        if save:
            memory.save(memory.states_of(plan, bodies), plan)
        self.unreadable += plan.unreadable
        for place, answer in answers_of(verdicts, plan, arrivals).items():
            assert self.answers.setdefault(place, answer) == answer, "a redelivery is answered as before"


def alert(number: int, mjd: float, band: int = 0, z: float = 0.5, history: tuple = ()) -> Alert:
    own = Observation(mjd, float(number), 1.0, band, True)
    return Alert(number, "object", "test", own, Context(host_photoz=z), history)


def arrivals_of(sequence: list[Alert], partition: int = 0) -> list[Arrival]:
    return [Arrival(Message("alerts", partition, i, 0), a) for i, a in enumerate(sequence)]


def log_of(store: InMemoryLightCurves, key: bytes = KEY) -> np.ndarray:
    entries, good = parse(store.logs[key], int(salts([key])[0]))
    return observations(entries[good])


past = st.builds(
    Observation,
    st.integers(1, 8).map(float),
    st.sampled_from([3.0, 3.5]),
    st.sampled_from([2.0, 1.5]),
    st.integers(0, 1),
    st.booleans(),
)
alerts = st.lists(
    st.builds(
        alert,
        st.integers(1, 12),
        st.integers(1, 8).map(float),
        st.integers(0, 1),
        st.sampled_from([nan, nan, nan, 0.7]),
        st.lists(past, max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=14,
)


@given(alerts, st.data())
@settings(max_examples=150, deadline=None)
def test_every_answer_is_the_light_curve_up_to_its_alert(sequence, data):
    """Laws 3 and 5: whatever the micro-batches, whatever states are lost, damaged or made by another model."""
    arrivals = arrivals_of(sequence)
    worker = Worker(InMemoryLightCurves())
    begun = 0
    while begun < len(arrivals):
        size = data.draw(st.integers(1, 5))
        spoil(worker.store, data)
        worker.digest = data.draw(st.sampled_from(["a", "b"]))
        worker.take(arrivals[begun : begun + size], again=data.draw(st.booleans()))
        begun += size
    assert worker.answers == expected(arrivals)


def spoil(store: InMemoryLightCurves, data) -> None:
    """Whatever may become of stored states: law 3 says that it changes nothing but time."""
    how = data.draw(st.sampled_from(["not", "lost", "cut", "longer", "random", "flipped", "another's"]))
    for key, state in list(store.saved.items()):
        if how == "lost":
            del store.saved[key]
        elif how == "cut":
            store.saved[key] = state[: data.draw(st.integers(0, len(state) - 1))]
        elif how == "longer":
            store.saved[key] = state + data.draw(st.binary(min_size=1, max_size=9))
        elif how == "random":
            store.saved[key] = data.draw(st.binary(min_size=len(state), max_size=len(state)))
        elif how == "flipped":
            at = data.draw(st.integers(0, 8 * len(state) - 1))
            store.saved[key] = bytes(b ^ (1 << at % 8 if i == at // 8 else 0) for i, b in enumerate(state))
        elif how == "another's":
            other = InMemoryLightCurves()
            Worker(other).take(
                [Arrival(Message("alerts", 9, 9, 0), Alert(9, "x", "test", Observation(1, 2, 3, 4, True)))]
            )
            (store.saved[key],) = other.saved.values()


@given(alerts, st.data())
@settings(max_examples=100, deadline=None)
def test_a_batch_done_again_gives_the_same_answers_and_leaves_no_second_copy(sequence, data):
    """Law 6: a crash after the light curves were written, before the commit."""
    arrivals = arrivals_of(sequence)
    worker, once = Worker(InMemoryLightCurves()), Worker(InMemoryLightCurves())
    begun = 0
    while begun < len(arrivals):
        size = data.draw(st.integers(1, 5))
        again = data.draw(st.integers(0, 2))
        for _ in range(again):  # another process, other batches, without its save
            some = arrivals[begun : begun + data.draw(st.integers(1, size))]
            Worker(worker.store).take(some, again=True, save=False)
        worker.take(arrivals[begun : begun + size], again=True)
        if again:
            worker.take(arrivals[begun : begun + size], again=True)
        once.take(arrivals[begun : begun + size])
        begun += size
    assert worker.answers == expected(arrivals)
    assert sorted(worker.store.logs[KEY]) == sorted(once.store.logs[KEY])


def test_two_hundred_refused_commits_leave_one_copy_of_each_entry():
    worker = Worker(InMemoryLightCurves())
    arrivals = arrivals_of([alert(i, float(i % 5 + 1), i % 2) for i in range(1, 10)])
    for _ in range(200):
        worker.take(arrivals, again=True, save=False)
    assert len(worker.store.logs[KEY]) == len(arrivals)


@given(alerts, alerts, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_any_split_over_two_workers_ends_in_one_curve(one, other, random):
    """Law 4: no key, two partitions, two workers, any interleaving; every answer is that of the order of arrival."""
    queues = [arrivals_of(q, p) for p, q in enumerate((one, other))]
    store = InMemoryLightCurves()
    workers = [Worker(store), Worker(store)]
    taken = []
    while any(queues):
        p = random.choice([p for p in (0, 1) if queues[p]])
        size = random.randint(1, 3)
        batch, queues[p] = queues[p][:size], queues[p][size:]
        workers[p].take(batch)
        taken += batch
    wanted = expected(taken)
    assert workers[0].answers | workers[1].answers == wanted
    told = [a for place, a in ((t.place, t.alert) for t in taken) if wanted[place] is not None]
    curve = LightCurve.of([o for a in told for o in (*a.history, a.observation)]).observations
    assert np.array_equal(LightCurve.of(log_of(store)).observations, curve)


@given(alerts, alerts, st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_a_state_whose_log_was_lost_is_not_believed(before, after, size):
    """Law 3: the log was evicted, the state was not, and the log has grown to the same length again."""
    store = InMemoryLightCurves()
    Worker(store).take(arrivals_of(before))
    store.logs.clear()
    arrivals = arrivals_of(after, 1)
    worker = Worker(store)
    for begun in range(0, len(arrivals), size):
        worker.take(arrivals[begun : begun + size])
    assert worker.answers == expected(arrivals)


class Dying(InMemoryLightCurves):
    """A store whose worker dies before it can forget a state."""

    def forget(self, keys):
        raise KeyboardInterrupt


@given(alerts)
@settings(max_examples=100, deadline=None)
def test_a_state_whose_log_was_lost_and_has_grown_as_long_again_is_not_believed_though_the_worker_died(before):
    """Law 3: the log alone was lost, a batch appended as many entries as it had, and nobody forgot the state."""
    store = Dying()
    Worker(store).take(arrivals_of(before))
    seen = len(store.logs[KEY])
    store.logs.clear()
    z = before[-1].context.host_photoz  # another context would not fit anyway
    after = arrivals_of([alert(100 + i, 20.0 + i, z=z) for i in range(seen)], 1)
    with suppress(KeyboardInterrupt):
        Worker(store).take(after)
    store.forget = lambda keys: InMemoryLightCurves.forget(store, keys)
    assert len(store.logs[KEY]) == seen
    worker = Worker(store)
    worker.take(after, again=True)  # as whoever comes next does
    last = Arrival(Message("alerts", 1, seen, 0), alert(999, 99.0, z=z))
    worker.take([last])
    assert worker.answers == expected([*after, last])


@given(alerts, st.data())
@settings(max_examples=200, deadline=None)
def test_entries_that_cannot_be_read_are_left_out_and_counted(sequence, data):
    """Of any bytes, or another object's: the rest of the light curve is answered as if they were not there."""
    arrivals = arrivals_of(sequence)
    store = InMemoryLightCurves()
    foreign = InMemoryLightCurves()
    Worker(foreign).take(
        [Arrival(Message("alerts", 0, 0, 0), Alert(1, "other", "test", Observation(1, 2, 3, 4, True)))]
    )
    strange = st.binary(max_size=50) | st.just(foreign.logs[b"test/other"][0])
    bad = [one for one in data.draw(st.lists(strange, min_size=1, max_size=4)) if one]
    store.logs[KEY] = list(bad)
    worker = Worker(store)
    for one in arrivals:
        worker.take([one])
    assert worker.answers == expected(arrivals)
    assert bool(worker.unreadable) == bool(bad)


def test_a_history_that_is_known_costs_its_new_rows_alone():
    store = InMemoryLightCurves()
    worker = Worker(store)
    rows = [Observation(float(i), 10.0 * i, 2.0, i % 6, i % 3 > 0) for i in range(1, 101)]
    for n in range(50, 101):
        forced = Observation(rows[n - 2].mjd_tai, 1.01 * rows[n - 2].flux_njy, 1.9, rows[n - 2].band, False)
        history = (*rows[: n - 1], forced) if rows[n - 2].detected else tuple(rows[: n - 1])
        arrival = Arrival(Message("alerts", 0, n, 0), Alert(n, "object", "test", rows[n - 1], Context(), history))
        classifier = Echo()
        memory = Memory(store, classifier.fingerprint, classifier.start_state)
        plan = memory.remember(*columns_of([arrival]))
        assert (plan.stepped, plan.recalled, len(plan.runs.rows)) == (1, 0, 50 if n == 50 else 1)
        worker.take([arrival], again=True)
    assert len(store.logs[KEY]) == 100


def test_jittered_histories_grow_a_log_by_what_wins_alone():
    """Each packet has the same 60 points with other fluxes and errors: only a smaller error changes the curve."""
    rng = np.random.default_rng(1)
    worker = Worker(InMemoryLightCurves())
    for n in range(60):
        history = tuple(Observation(float(t), rng.normal(), float(rng.uniform(1, 2)), 2, False) for t in range(1, 61))
        own = Observation(100.0 + n, 1.0, 1.0, 2, True)
        worker.take([Arrival(Message("alerts", 0, n, 0), Alert(n + 1, "object", "test", own, Context(), history))])
    assert len(worker.store.logs[KEY]) < 60 + 60 * 2 * np.log(60)


def took(worker: Worker, arrivals: list[Arrival]) -> int:
    """How many of the alerts, from the first on, were taken: as many as are not too much at once."""
    try:
        worker.take(arrivals, again=True)
    except TooMuchError as too_much:
        return took(worker, arrivals[: too_much.alerts])
    return len(arrivals)


def test_the_work_of_one_plan_is_bounded_and_prefixes_of_a_batch_get_through():
    """1,024 late alerts on a curve of 2,000 points are two million steps: no plan has more than a part of them."""
    worker = Worker(InMemoryLightCurves())
    worker.take(arrivals_of([alert(i, 1000.0 + i) for i in range(1, 2001)]))
    late = [Arrival(Message("alerts", 1, i, 0), alert(5000 + i, 1.0 + i / 2000)) for i in range(1024)]
    began, done, parts = process_time(), 0, []
    while done < 200:
        parts.append(took(worker, late[done:]))
        done += parts[-1]
    assert max(parts) <= MOST_STEPS / 2000
    assert process_time() - began < 60


def test_forty_alerts_with_ten_thousand_points_each_hold_nobody_up():
    history = tuple(Observation(1 + i / 100, 5.0, 1.0, i % 6, True) for i in range(9_999))
    big = [alert(i + 1, 200.0 + i, history=history) for i in range(40)]
    others = [
        Arrival(Message("alerts", 2, i, 0), Alert(1, str(i), "test", Observation(1, 2, 3, 4, True))) for i in range(100)
    ]
    worker = Worker(InMemoryLightCurves())
    began = process_time()
    worker.take([*arrivals_of(big), *others])
    assert process_time() - began < 20
    assert len(worker.store.logs[KEY]) == 9_999 + 40
    assert len(worker.answers) == 140
