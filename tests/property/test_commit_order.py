"""Laws 3 to 8 under any fault at any step: a model checker for the order of commit.

Up to four workers with the real pipeline, memory and outputs, over doubles of Kafka and Redis (tests/support), are
interleaved step by step while alerts come in: on two partitions, without a key, new, late, doubled at another offset,
with history, or no alert at all. A batch is planned while the one before it is committed. At every step a worker may be
killed, refused by Kafka or Redis (before the effect, after it, half way), expelled from its group and go on as a
zombie, replaced while it still lives, its transaction aborted for taking too long; states are evicted, damaged or made
by another artefact, keys hold what is not ours, entries are damaged, logs are evicted, and the whole store is lost.

What is promised, and checked after each step:

1. At read_committed each offset below the committed one has one fate, and no other offset has any (laws 6 and 7).
2. The log of an object is one order of arrival, in which each partition's alerts stand in the order of their offsets.
   An alert's place is where it was appended first, by whomever, even by a worker that died of it or was a zombie.
3. Each published classification is that of the set of the log's entries up to the alert's own (law 5), all of its own
   history among them. So for an object whose alerts are all on one partition (they have a key) it is what every run
   without faults publishes. For an object on two partitions the first appends decide the order between them, once for
   all. What a loss, damage or a rebuild has overtaken is that of the log as it was then, see `overtaken`.
4. Of alerts that say the same, the one that arrived first is published, every other is a duplicate. Where the store
   was lost, of two on two partitions both may be published: one was being committed, the other came after the rebuild.
5. A state that fits the log is that of the light curve it claims to have seen, and the rows it takes for known are
   known (law 3).
6. No offset is counted twice by anybody's metrics, though the answer to its commit was lost.

And when all has been read: the light curve is the set of all alerts (law 4), and each alert was published once.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import hypothesis.strategies as st
import numpy as np
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from broker.lightcurves.entries import observations, parse
from broker.lightcurves.hashes import salts
from broker.lightcurves.recall import curve_of
from broker.lightcurves.states import Shelf
from broker.lightcurves.stepping import tail_of
from model.observation import OBSERVATION
from tests.support.columns import Alert
from tests.support.confusable import PARTITIONS, messages, read
from tests.support.echo import STATE_BYTES, Echo, grown
from tests.support.kafka_double import KafkaDouble, fates
from tests.support.ordered_logs import Place, answers_of, is_known, overtaken, published_once
from tests.support.stepped_store import SharedStore
from tests.support.stepping import DIE, GO, MOST_WORKERS, STEPS, SteppedWorker, counted, faults, patience, which

NAMES = ("one", "two", "three")
DIGESTS = ("a", "b")
MOST_ALERTS = 60
MOST_TURNS = 1000  # to read the rest
KEYS = (b"plasticc/x", b"plasticc/y")


class CommitOrder(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.kafka = KafkaDouble(PARTITIONS)
        self.store = SharedStore()
        self.workers: list[SteppedWorker] = []
        self.gone: list[SteppedWorker] = []  # died, and neither the group nor the transactions know it yet
        self.past: list[dict[Place, tuple]] = []  # what was to be answered by logs that were lost or damaged since
        self.overtaken: list[dict[Place, tuple]] = []  # the same, by logs that something was put before since
        self.store.before_prepend = lambda new: self.overtaken.append(overtaken(self.wanted(), new, self.alert_at))
        self.damaged: dict[bytes, bytes] = {}  # entries as they are now: as they were
        self.refused: set[bytes] = set()  # objects whose key was another's at some time
        self.counted_before = counted()
        self.quiet = structlog.testing.capture_logs()
        self.quiet.__enter__()

    # What happens

    @initialize(first=messages)
    def begin(self, first):
        self.produce(first)
        self.start(0, 0)
        self.start(1, 0)

    @rule(new=messages)
    def produce(self, new):
        for partition, value in new:
            if sum(map(len, self.kafka.inputs)) < MOST_ALERTS:
                self.kafka.produce(partition, value)

    @precondition(lambda self: self.kafka.inputs[0] and sum(map(len, self.kafka.inputs)) < MOST_ALERTS)
    @rule(partition=st.integers(0, PARTITIONS - 1), index=st.integers(0, MOST_ALERTS))
    def produce_again(self, partition, index):
        """The same bytes at another offset."""
        self.kafka.produce(partition, self.kafka.inputs[0][index % len(self.kafka.inputs[0])].value)

    @precondition(lambda self: len(self.workers) < MOST_WORKERS)
    @rule(name=st.integers(0, len(NAMES) - 1), digest=st.integers(0, len(DIGESTS) - 1))
    def start(self, name, digest):
        """A worker joins; where one of the same name lives, that is a zombie from now on."""
        self.workers.append(SteppedWorker(self.kafka, self.store, NAMES[name], DIGESTS[digest]))

    @precondition(lambda self: self.workers)
    @rule(which=which, new=messages, steps=st.integers(1, 60), take=st.integers(1, 4), patience=patience)
    def go_on(self, which, new, steps, take, patience):
        self.produce(new)
        self.pick(which).take, self.pick(which).patience = take, patience
        self.take_turns([self.pick(which)], 1, steps)

    @rule(faults=faults, new=messages, noticed=st.sampled_from([True, True, False]))
    def go_wrong(self, faults, new, noticed):
        """Go on to a step and be refused or killed there; sooner or later the group and the transactions time out."""
        self.produce(new)
        for one, step, order in faults:
            if self.workers:
                worker = self.pick(one)
                self.resume_until(worker, step)
                if worker.alive and worker.step == step:
                    self.resume(worker, order)
        if noticed:
            self.notice_the_dead()

    @rule(turns=st.integers(1, 10), steps=st.integers(1, 5))
    def all_go_on(self, turns, steps):
        """A few steps each, in turn."""
        self.take_turns(self.workers, turns, steps)

    @precondition(lambda self: len(self.workers) > 1)
    @rule(
        which=which, new=messages, step=st.sampled_from(list(STEPS)), turns=st.integers(1, 12), steps=st.integers(1, 14)
    )
    def fall_asleep_at(self, which, new, step, turns, steps):
        """Go on to a step and be expelled there, while the others work; then go on as a zombie."""
        zombie = self.pick(which)
        self.produce(new)
        self.resume_until(zombie, step)
        self.kafka.expel(zombie.source.member)
        self.take_turns([worker for worker in self.workers if worker is not zombie], turns, 4)
        self.take_turns([zombie], 1, steps)

    @precondition(lambda self: self.workers)
    @rule(which=which)
    def leave(self, which):
        self.pick(which).stopping = True

    @precondition(lambda self: self.workers + self.gone)
    @rule(which=st.integers(0, 7))
    def expel(self, which):
        """A member was not heard of in time: it is dead, or a zombie."""
        known = self.workers + self.gone
        self.kafka.expel(known[which % len(known)].source.member)

    @rule(name=st.sampled_from(NAMES))
    def time_out(self, name):
        """A transaction took too long."""
        self.kafka.time_out(name)

    @rule(key=st.sampled_from(KEYS))
    def evict(self, key):
        """A state is lost."""
        self.store.saved.pop(key, None)

    @precondition(lambda self: self.store.saved)
    @rule(index=st.integers(0, 9), change=st.integers(0, 2**12), length=st.sampled_from([None, None, 7, -1, 400]))
    def damage_a_state(self, index, change, length):
        """A bit of it is another, or its length."""
        key = sorted(self.store.saved)[index % len(self.store.saved)]
        state = bytearray(self.store.saved[key])
        state[change // 8 % len(state)] ^= 1 << change % 8
        self.store.saved[key] = bytes(state[:length] if length != 400 else state + bytes(400))

    @precondition(lambda self: any(self.store.logs.values()) and not self.past)
    @rule(index=st.integers(0, 200), change=st.integers(0, 400))
    def damage_an_entry(self, index, change):
        """One byte of an entry is another. Who has seen it as it was may go on with that."""
        self.remember_what_was()
        log = self.store.logs[sorted(self.store.logs)[index % len(self.store.logs)]]
        entry = bytearray(log[index % len(log)])
        entry[change % len(entry)] ^= 1 + change % 255
        self.damaged[bytes(entry)] = log[index % len(log)]
        log[index % len(log)] = bytes(entry)

    @precondition(lambda self: not self.damaged)  # rebuilding gives an entry back, at another place
    @rule()
    def lose_the_store(self):
        self.remember_what_was()
        self.store.lose()

    @precondition(lambda self: not self.damaged)
    @rule(key=st.sampled_from(KEYS))
    def evict_an_object(self, key):
        """Its log goes too, which no batch shows."""
        self.remember_what_was()
        self.store.evict(key)

    @rule(key=st.sampled_from(KEYS), ours=st.booleans())
    def hold_what_is_not_ours(self, key, ours):
        """A key is of another kind from now on, or no more."""
        self.store.strange.discard(key) if ours else self.store.strange.add(key)
        self.refused |= self.store.strange

    def remember_what_was(self):
        self.past += [self.wanted(), self.wanted(self.damaged)]

    def take_turns(self, workers: list[SteppedWorker], turns: int, steps: int) -> None:
        for _ in range(turns):
            for worker in list(workers):
                if worker.alive:
                    self.resume(worker, GO, steps)

    def notice_the_dead(self) -> None:
        for worker in self.gone:
            self.kafka.expel(worker.source.member)
            if worker.name not in [living.name for living in self.workers]:
                self.kafka.time_out(worker.name)
        self.gone.clear()

    def pick(self, which: int) -> SteppedWorker:
        return self.workers[which % len(self.workers)]

    def resume(self, worker: SteppedWorker, order: str = GO, steps: int = 1, until: str = "") -> None:
        worker.resume(order, steps, until)
        if not worker.alive:
            self.workers.remove(worker)
            self.gone.append(worker)

    def resume_until(self, worker: SteppedWorker, step: str) -> None:
        """To that step, if it comes within two batches: of the first, a rebalance may leave nothing."""
        if worker.step != step:
            self.resume(worker, GO, 2 * len(STEPS), step)

    # What holds

    @invariant()
    def counted_once(self):
        assert counted() - self.counted_before <= sum(self.kafka.committed)

    @invariant()
    def every_offset_below_the_committed_has_one_fate(self):
        answered = [place for place, _ in self.published()]
        assert len(answered) == len(set(answered)), "two fates"
        assert set(answered) == {(p, offset) for p, end in enumerate(self.kafka.committed) for offset in range(end)}

    @invariant()
    def every_answer_is_that_of_the_log_up_to_its_alert(self):
        answers = [*self.past, self.wanted(), self.wanted(self.damaged)]
        for place, said in self.published():
            alert = self.alert_at(place)
            if alert is None:
                assert said["fate"] == "dead_letter"
                assert said["reason"] != "set_aside"
            elif said["fate"] == "dead_letter":
                assert said["reason"] == "set_aside"
                assert alert.key in self.refused
            elif said["fate"] == "duplicate":
                assert any(place not in wanted for wanted in answers), "a duplicate that owns its entry"
            else:
                got = [c["probability"] for c in said["classifications"]]
                told = said["observations"], *got, said["p99"], said["anomalyScore"], float(said["anomaly"])
                assert told in [wanted.get(place) for wanted in (*answers, *self.overtaken)]

    @invariant()
    def a_state_that_fits_is_that_of_its_curve(self):
        for key, state in self.store.saved.items():
            for digest in DIGESTS:
                shelf = Shelf(Echo(digest).fingerprint, self.store.identity, Echo.start_state)
                states = shelf.read([state], salts([key]))
                if not states.there[0]:
                    continue
                entries, good = parse(self.store.logs.get(key, []), int(salts([key])[0]))
                (header,), count = states.headers, int(states.headers["entries"][0])
                checks = entries["check"][:count]
                if count > len(entries) or checks[-1] != header["last_check"] or not good[:count].all():
                    continue
                rows = observations(entries[:count])
                curve, seen = curve_of(rows), Echo.start_state.tobytes()
                for row in curve:
                    seen = grown(seen, row.tobytes(), header["context"].tobytes())
                assert (STATE_BYTES, states.bodies[0].tobytes()) == (len(seen), seen)
                assert header["observations"] == len(curve)
                assert (header["last_mjd"], header["last_band"]) == (curve["mjd_tai"][-1], curve["band"][-1])
                known = [one for one in self.rows_of(key) if is_known(one, curve)]
                assert np.isin(states.tails, tail_of(np.array(known, OBSERVATION), salts([key])[0])).all()

    def published(self) -> Iterator[tuple[Place, dict]]:
        return fates(self.kafka.visible)

    def wanted(self, mended: Mapping[bytes, bytes] = MappingProxyType({})) -> dict[Place, tuple]:
        """What the logs say is to be answered; as long as nothing was lost, they hold all that an alert told."""
        logs = {key: [mended.get(one, one) for one in log] for key, log in self.store.logs.items()}
        return answers_of(logs, self.alert_at, whole=not self.past, refused=self.refused)

    def rows_of(self, key: bytes) -> np.ndarray:
        """The observations that any alert has told of an object."""
        told = [a for a in map(self.alert_at, self.places()) if a is not None and a.key == key]
        return np.array([o for a in told for o in (*a.history, a.observation)], OBSERVATION)

    def places(self) -> list[Place]:
        return [(m.partition, m.offset) for found in self.kafka.inputs for m in found]

    def alert_at(self, place: Place) -> Alert | None:
        return read(self.kafka.inputs[place[0]][place[1]].value)  # None where it is none

    # In the end

    def teardown(self):
        try:
            self.store.strange.clear()
            self.drain()
            self.every_offset_below_the_committed_has_one_fate()
            self.every_answer_is_that_of_the_log_up_to_its_alert()
            self.a_state_that_fits_is_that_of_its_curve()
            self.all_is_read_and_every_curve_is_the_set_of_its_alerts()
        finally:
            for worker in self.workers:
                worker.resume(DIE)
            self.quiet.__exit__(None, None, None)

    def drain(self):
        """The dead are noticed, somebody is there to work, and all go on in turn until everything is read."""
        for _ in range(MOST_TURNS):
            if self.kafka.committed == [len(messages) for messages in self.kafka.inputs]:
                return
            self.notice_the_dead()
            if all(worker.stopping for worker in self.workers):
                self.start(0, 0)
            self.take_turns(self.workers, 1, 5)

    def all_is_read_and_every_curve_is_the_set_of_its_alerts(self):
        assert self.kafka.committed == [len(messages) for messages in self.kafka.inputs], "it goes on for ever"
        good = [(place, a) for place in self.places() if (a := self.alert_at(place)) is not None]
        done = [place for place, said in self.published() if said["fate"] == "published"]
        if not self.refused and not self.damaged:
            published_once(done, good, whole=not self.past)
        if self.past or self.refused:
            return
        wanted = self.wanted()
        assert set(self.store.logs) == {a.key for _, a in good}
        for key, log in self.store.logs.items():
            entries, readable = parse(log, int(salts([key])[0]))
            assert readable.all()
            owners = [o for place, a in good if place in wanted and a.key == key for o in (*a.history, a.observation)]
            curve = curve_of(observations(entries))
            assert all(is_known(row, curve) for row in curve_of(np.array(owners, OBSERVATION)))
            assert all(is_known(row, curve_of(self.rows_of(key))) for row in curve)


TestCommitOrder = CommitOrder.TestCase
TestCommitOrder.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
