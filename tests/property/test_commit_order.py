"""Laws 3 to 8 under any fault at any step: a model checker for the order of commit.

Up to four workers with the real pipeline, memory and outputs, over doubles of Kafka and Redis (tests/support), are
interleaved step by step while alerts come in: on two partitions, without a key, new, late, doubled at another offset,
with history, or no alert at all. At every step a worker may be killed, refused by Kafka or Redis (before the effect,
after it, half way), expelled from its group and go on as a zombie, replaced while it still lives, its transaction
aborted for taking too long; states are evicted, artefacts change. Logs are not lost: that is another promise.

What is promised, and checked after each step:

1. At read_committed each offset below the committed one has one fate, and no other offset has any (laws 6 and 7).
2. The log of an object is one order of arrival, in which each partition's alerts stand in the order of their offsets.
   An alert's place is where it was appended first, by whomever, even by a worker that died of it or was a zombie.
3. Each published classification is that of an undisturbed run over this order up to its alert (law 5). So for an object
   whose alerts are all on one partition (they have a key) it is what every run without faults publishes. For an object
   on two partitions the first appends decide the order between them, once for all: all its classifications agree on
   it, whoever published them, but another run may decide otherwise.
4. Of alerts that say the same, the one that arrived first is published, every other is a duplicate, and leaves nothing
   behind, but where two workers wrote them at once: then its history stays, for everyone who comes later.
5. A state that fits the log is that of the light curve it claims to have seen (law 3).

And when all has been read: the light curve is the set of all alerts (law 4), and each alert was published once.
"""

from collections.abc import Iterator
from functools import cache

import hypothesis.strategies as st
import numpy as np
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from broker.config import Outputs as Topics
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.kafka.subscription import decode, source
from broker.lightcurves.entries import HISTORY, observations, parse, source_of
from broker.lightcurves.hashes import salts
from broker.lightcurves.recall import curve_of
from broker.lightcurves.states import Shelf
from broker.lightcurves.store import InMemoryLightCurves
from model.observation import LightCurve, Observation
from model.taxonomy import CLASS_IDS
from schemas.catalogue import load
from tests.support.alerts import record, wire
from tests.support.columns import Alert, Arrival, alert_at
from tests.support.echo import START, Echo, Verdict, grown, verdict_on
from tests.support.kafka_double import KafkaDouble
from tests.support.stepping import DIE, FAIL, GO, READ, STEPS, Worker

PARTITIONS = 2
NAMES = ("one", "two", "three")
DIGESTS = ("a" * 64, "b" * 64)
ECHOES = tuple(map(Echo, DIGESTS))
MOST_WORKERS = 4
MOST_ALERTS = 60
MOST_TURNS = 1000  # to read the rest
TOPICS = Topics()

days = st.integers(1, 6).map(float)
earlier = st.builds(lambda mjd: record(mjd=mjd, flux=3.0, fluxErr=2.0, band="g", detected=False), days)
alerts = st.builds(
    lambda number, mjd, name, band, z, history: wire(
        record(
            alertId=number,
            objectId=name,
            mjd=mjd,
            band=band,
            flux=float(number),
            hostgalPhotoz=z,
            history=[{key: one[key] for key in ("mjd", "band", "flux", "fluxErr", "detected")} for one in history],
        )
    ),
    st.integers(1, 9),
    days,
    st.sampled_from(["x", "x", "y"]),
    st.sampled_from("ug"),
    st.sampled_from([0.5, 0.5, 0.5, 0.75]),
    st.lists(earlier, max_size=2),
)
messages = st.lists(st.tuples(st.integers(0, PARTITIONS - 1), alerts | st.just(b"\x02poison")), min_size=1, max_size=5)
which = st.integers(0, MOST_WORKERS - 1)
faults = st.lists(
    st.tuples(which, st.sampled_from(list(STEPS)), st.sampled_from([FAIL, FAIL, DIE])), min_size=1, max_size=6
)


class CommitOrder(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.kafka = KafkaDouble(PARTITIONS)
        self.store = InMemoryLightCurves()
        self.workers: list[Worker] = []
        self.gone: list[Worker] = []  # died, and neither the group nor the transactions know it yet
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
        self.workers.append(Worker(self.kafka, self.store, NAMES[name], DIGESTS[digest]))

    @precondition(lambda self: self.workers)
    @rule(which=which, new=messages, steps=st.integers(1, 60), take=st.integers(1, 4), late=st.booleans())
    def go_on(self, which, new, steps, take, late):
        worker = self.pick(which)
        self.produce(new)
        worker.take, worker.late = take, late
        self.take_turns([worker], 1, steps)

    @rule(faults=faults, new=messages, noticed=st.sampled_from([True, True, False]))
    def go_wrong(self, faults, new, noticed):
        """Go on to a step and be refused or killed there; sooner or later the group and the transactions time out."""
        self.produce(new)
        for which, step, order in faults:
            if self.workers:
                worker = self.pick(which)
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

    @rule(key=st.sampled_from(["x", "y"]))
    def evict(self, key):
        """A state is lost."""
        self.store.saved.pop(b"plasticc/" + key.encode(), None)

    def take_turns(self, workers: list[Worker], turns: int, steps: int) -> None:
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

    def pick(self, which: int) -> Worker:
        return self.workers[which % len(self.workers)]

    def resume(self, worker: Worker, order: str = GO, steps: int = 1, until: str = "") -> None:
        worker.resume(order, steps, until)
        if not worker.alive:
            self.workers.remove(worker)
            self.gone.append(worker)

    def resume_until(self, worker: Worker, step: str) -> None:
        """To that step, if it comes within two batches: of the first, a rebalance may leave nothing."""
        if worker.step != step:
            self.resume(worker, GO, 2 * len(STEPS), step)

    # What holds

    @invariant()
    def every_offset_below_the_committed_has_one_fate(self):
        answered = [place for place, _ in self.published()]
        assert len(answered) == len(set(answered)), "two fates"
        committed = self.kafka.committed
        assert set(answered) == {(p, offset) for p in range(PARTITIONS) for offset in range(committed[p])}

    @invariant()
    def every_answer_is_that_of_an_undisturbed_run(self):
        wanted = answers_of(self.arrived())
        for (partition, offset), said in self.published():
            alert = read(self.kafka.inputs[partition][offset].value)
            verdict = wanted.get((partition, offset))
            assert (said["fate"] == "dead_letter") == (alert is None)
            assert (said["fate"] == "duplicate") == (alert is not None and verdict is None)
            if verdict is not None:
                got = [c["probability"] for c in said["classifications"]]
                assert [c["classId"] for c in said["classifications"]] == list(CLASS_IDS)
                assert (*got, said["p99"], said["anomalyScore"]) == verdict[:-1]

    @invariant()
    def a_state_that_fits_is_that_of_its_curve(self):
        for key, raw in self.store.saved.items():
            salt = salts([key])
            found = [Shelf(e.fingerprint, self.store.identity, e.start_state).read([raw], salt) for e in ECHOES]
            (state,) = (one for one in found if one.there[0])
            (header,) = state.headers
            log, good = parse(self.store.logs[key], int(salt[0]))
            assert good.all()
            seen = int(header["entries"])
            if seen <= len(log) and log["check"][seen - 1] == header["last_check"]:
                curve, body = curve_of(observations(log[:seen])), START
                for row in curve:
                    body = grown(body, row.tobytes(), header["context"].tobytes())
                assert state.bodies[0].tobytes() == body
                assert header["observations"] == len(curve)

    def published(self) -> Iterator[tuple[tuple[int, int], dict]]:
        """The fates that a subscriber sees."""
        for out in self.kafka.visible:
            if out.topic != TOPICS.anomalies:
                name = "dead_letter" if out.topic == TOPICS.dead_letters else "classification"
                yield source(out.headers)[1:], {"fate": "published"} | decode(out.value, load(name))

    def arrived(self) -> list[Arrival]:
        """Every object's alerts in the order in which they were appended first."""
        arrivals: list[Arrival] = []
        marks = {source_of(self.kafka.topic, partition): partition for partition in range(PARTITIONS)}
        for key, log in self.store.logs.items():
            rows, _ = parse(log, int(salts([key])[0]))
            own = rows[(rows["flags"] & HISTORY) == 0]
            places = dict.fromkeys(zip(own["source"].tolist(), own["offset"].tolist(), strict=True))
            for mark in marks:
                offsets = [offset for place, offset in places if place == mark]
                assert offsets == sorted(offsets), "a partition's alerts stand in another order"
            found = [self.kafka.inputs[marks[place]][offset] for place, offset in places]
            arrivals += [Arrival(message, read(message.value)) for message in found]
        return arrivals

    # In the end

    def teardown(self):
        try:
            self.drain()
            self.every_offset_below_the_committed_has_one_fate()
            self.every_answer_is_that_of_an_undisturbed_run()
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
        good = [alert for ms in self.kafka.inputs for m in ms if (alert := read(m.value)) is not None]
        assert {key for key, log in self.store.logs.items() if log} == {alert.key for alert in good}
        arrived = [arrival.alert for arrival in self.arrived()]
        for key, log in self.store.logs.items():
            everything = [o for a in arrived if a.key == key for o in (*a.history, a.observation)]
            rows, _ = parse(log, int(salts([key])[0]))
            assert np.array_equal(curve_of(observations(rows)), LightCurve.of(everything).observations)
        once = set(map(identity_of, good))
        assert set(map(identity_of, arrived)) == once
        assert sum(said["fate"] == "published" for _, said in self.published()) == len(once)


@cache
def read(value: bytes) -> Alert | None:
    """The alert of a message; None where it is none."""
    alerts, _ = READ(Batch.of([Message("alerts", 0, 0, 0, value=value)]))
    return alert_at(alerts, 0) if len(alerts) else None


def identity_of(alert: Alert) -> tuple[bytes, int, float, int]:
    """What makes two alerts the same."""
    return alert.key, alert.alert_id, alert.observation.mjd_tai, alert.observation.band


def answers_of(arrivals: list[Arrival]) -> dict[tuple[int, int], Verdict | None]:
    """The verdict on the set of what stands in the log up to and with each alert; None for a duplicate."""
    seen: dict[bytes, list[Observation]] = {}
    first: set[tuple[bytes, int, float, int]] = set()
    answers: dict[tuple[int, int], Verdict | None] = {}
    for arrival in arrivals:
        alert = arrival.alert
        seen.setdefault(alert.key, []).extend((*alert.history, alert.observation))
        answers[arrival.place] = None
        if identity_of(alert) not in first:
            curve = LightCurve.of(seen[alert.key]).observations
            answers[arrival.place] = verdict_on(curve, alert.context)
        first.add(identity_of(alert))
    return answers


TestCommitOrder = CommitOrder.TestCase
TestCommitOrder.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
