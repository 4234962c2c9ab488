"""The run in which nothing goes wrong, from the same input topic, and what differs from it.

One process, one store in memory, each partition's messages in their order. Packets are read as the service reads them:
other tests hold its reader. Alerts with a key stand in one partition, so this is the order in which any worker sees an
object's alerts. Those without may come to several workers at once: their order is the one that the object's log has in
the end, and what each should say is computed from the log alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka.admin import AdminClient
from numpy.typing import ArrayLike, NDArray

from broker.config import Settings
from broker.connections import connect_redis
from broker.errors import Reason
from broker.kafka import spans
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.kafka.subscription import decode, source
from broker.lightcurves.effort import TooMuchError
from broker.lightcurves.entries import observations
from broker.lightcurves.hashes import salts
from broker.lightcurves.memory import Memory
from broker.lightcurves.recall import Log, curve_of, identity_of
from broker.lightcurves.states import Shelf
from broker.lightcurves.store import InMemoryLightCurves
from broker.lightcurves.told import Messages, Told, told_of
from broker.packets.formats import formats_of
from broker.packets.reader import AlertReader
from model.artefact import DEFAULT, load
from model.classifier import Classifier
from model.runs import Runs
from schemas.catalogue import load as load_schema
from tests.chaos.faults import WRONG_TYPE

AT_ONCE = 4096  # messages
OBJECTS = 500
RUNS = 500  # whole light curves
MANY, DENSE = 1000, "with 1,000 rows"  # of a packet
ROUNDING = 2e-5  # what another batching may change
SCHEMA = load_schema("classification")

Place = tuple[str, int, int]  # topic, partition and offset


@dataclass
class Reference:
    """What every offset's answer, every light curve and every state should be."""

    classifier: Classifier
    store: InMemoryLightCurves = field(default_factory=InMemoryLightCurves)
    answers: dict[Place, np.ndarray] = field(default_factory=dict)
    unkeyed: dict[bytes, list[tuple[Place, Told]]] = field(default_factory=dict)
    compared: int = 0  # states
    not_finite: int = 0  # classifications
    read: Counter[str] = field(default_factory=Counter)  # alerts by topic, and those of them that are DENSE
    aside: set[Place] = field(default_factory=set)  # alerts whose object's key was another's: as if never sent
    wronged: set[bytes] = field(default_factory=set)  # objects set aside though their key was theirs

    @classmethod
    def of(cls, settings: Settings, admin: AdminClient) -> "Reference":
        """Classify the whole input topic."""
        self = cls(Classifier(load(DEFAULT), device="cpu", priors="natural", threads=1))
        read = AlertReader(settings.limits.max_message_bytes, formats_of(settings))
        memory = Memory(self.store, self.classifier.fingerprint, self.classifier.start_state)
        self.aside = set(set_aside(settings, admin))
        suspects: list[Message] = []
        for messages in whole(settings, admin, settings.kafka.topics):
            suspects += [m for m in messages if (m.topic, m.partition, m.offset) in self.aside]
            rest = [m for m in messages if (m.topic, m.partition, m.offset) not in self.aside]
            self._take(Batch.of(rest, again=np.zeros(len(rest), bool)), read, memory)
        self.wronged = {name for name in read(Batch.of(suspects)).alerts.objects if WRONG_TYPE.encode() not in name}
        return self

    def _take(self, batch: Batch, read: AlertReader, memory: Memory) -> None:
        alerts = read(batch).alerts
        try:
            plan = memory.remember(alerts, Messages.of(batch, alerts))
        except TooMuchError as too_much:
            at = int(alerts.message[too_much.alerts])
            self._take(batch.part(0, at), read, memory)
            self._take(batch.part(at, len(batch)), read, memory)
            return
        self.read.update(batch.places[place][0] for place in batch.place[alerts.message])
        self.read[DENSE] += int((np.diff(alerts.ends, prepend=0) >= MANY).sum())
        verdicts, bodies = self.classifier.classify(plan.runs)
        memory.save(memory.states_of(plan, bodies), plan)
        keys, owner = alerts.grouped()
        told = told_of(alerts, Messages.of(batch, alerts), owner, set(range(len(keys))))
        for o, key in enumerate(keys):
            for one in told[o]:
                message = int(alerts.message[one.alert])
                place = *batch.places[batch.place[message]], int(batch.offsets[message])
                if batch.key(message) is None:
                    self.unkeyed.setdefault(key, []).append((place, one))
                elif (at := plan.verdicts[one.alert]) >= 0:
                    chances, score = verdicts.probabilities[at], verdicts.anomaly_scores[at]
                    self.answers[place] = answered(chances, plan.observations[one.alert], score)

    def differing_answers(self, settings: Settings, admin: AdminClient) -> Iterator[str]:
        """Classifications at read_committed that are not as they should be, or that should not be."""
        yield from (f"set aside: {name!r}" for name in self.wronged)
        expected_of_all = self.answers | self._unkeyed_answers(settings)
        seen = set()
        for messages in whole(settings, admin, [settings.outputs.classifications]):
            for message in messages:
                place = source(message.headers)
                record = decode(message.value, SCHEMA)
                chances = [c["probability"] for c in record["classifications"]]
                ours = answered(chances, record["observations"], record["anomalyScore"])
                self.not_finite += not np.isfinite(ours).all()
                expected = expected_of_all.get(place)
                if expected is None or not np.allclose(ours, expected, rtol=ROUNDING, atol=ROUNDING):
                    yield f"classification of {place}: {record['survey']}/{record['objectId']}: {ours} not {expected}"
                seen.add(place)
        yield from (f"classification of {place}" for place in expected_of_all.keys() - seen)

    def _unkeyed_answers(self, settings: Settings) -> dict[Place, np.ndarray]:
        """What the alerts without key should say, by the order in which they stand in their logs."""
        store = connect_redis(settings)
        places, curves, contexts = [], [], []
        for keys in several(list(self.unkeyed), OBJECTS):
            for key, stored, salt in zip(keys, store.read(keys, 1 << 20), salts(keys), strict=True):
                log = Log.of(stored, int(salt))
                for place, told in self.unkeyed[key]:
                    index = log.first.get(identity_of(told))
                    if index is not None and log.brought(index, told):
                        places.append(place)
                        curves.append(curve_of(observations(log.entries[: index + 1][log.good[: index + 1]])))
                        contexts.append(told.context)
        found = {}
        for some in several(range(len(places)), RUNS):
            chances, scores = self._whole([curves[i] for i in some], [contexts[i] for i in some])
            for i, of_one, score in zip(some, chances, scores, strict=True):
                found[places[i]] = answered(of_one, len(curves[i]), score)
        return found

    def differing_curves(self, settings: Settings) -> Iterator[str]:
        """Objects whose light curve in Redis is not as it should be, or whose state is not that of what it has seen."""
        store = connect_redis(settings, self.classifier.fingerprint.hex())
        assert store.identities.join()
        shelf = Shelf(self.classifier.fingerprint, store.identity, self.classifier.start_state)
        for keys in several(list(self.store.logs), OBJECTS):
            salt = salts(keys)
            ours, read = self.store.read(keys, 1 << 20), store.read(keys, 1 << 20)
            logs = [Log.of(stored, int(s)) for stored, s in zip(read, salt, strict=True)]
            for key, expected, log, s in zip(keys, ours, logs, salt, strict=True):
                good = Log.of(expected, int(s))
                if whole_curve(log).tobytes() != whole_curve(good).tobytes():
                    yield f"light curve of {key!r}"
            states = shelf.read(store.states(keys), salt)
            yield from (f"state of {keys[i]!r}" for i in self._wrong_states(logs, states))

    def _wrong_states(self, logs: Sequence[Log], states: object) -> Iterator[int]:
        """Those that would be believed, and do not go on as one pass over the same entries does."""
        some, curves, contexts = [], [], []
        for i in np.flatnonzero(states.there).tolist():
            log, header = logs[i], states.headers[i : i + 1]
            seen = int(header["entries"][0])
            if 0 < seen <= len(log) and log.entries["check"][seen - 1] == header["last_check"][0]:
                some.append(i)
                known = curve_of(observations(log.entries[:seen][log.good[:seen]]))
                if len(known) != header["observations"][0] or known["mjd_tai"][-1] != header["last_mjd"][0]:
                    yield i
                following = known[-1:].copy()
                following["mjd_tai"] += 1.0
                curves.append(np.concatenate([known, following]))
                contexts.append(header["context"])
        if not some:
            return
        self.compared += len(some)
        ends = np.arange(1, len(some) + 1)
        rows, all_contexts = np.concatenate([c[-1:] for c in curves]), np.concatenate(contexts)
        on, _ = self.classifier.classify(Runs(states.bodies[some], rows, ends, all_contexts, ends - 1))
        chances, scores = self._whole(curves, contexts)
        ours = np.column_stack([on.probabilities, on.anomaly_scores])
        good = np.isclose(ours, np.column_stack([chances, scores]), rtol=ROUNDING, atol=ROUNDING).all(axis=1)
        yield from (some[i] for i in np.flatnonzero(~good).tolist())

    def _whole(self, curves: Sequence[np.ndarray], contexts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """What one pass over each whole curve ends with: class probabilities [b, 14], anomaly scores [b]."""
        ends = np.cumsum([len(c) for c in curves])
        start = np.tile(self.classifier.start_state, (len(curves), 1))
        runs = Runs(start, np.concatenate(curves), ends, np.concatenate(contexts), ends - 1)
        verdicts, _ = self.classifier.classify(runs)
        return verdicts.probabilities, verdicts.anomaly_scores


def whole_curve(log: Log) -> np.ndarray:
    """The light curve of all good entries."""
    return curve_of(observations(log.entries[log.good]))


def answered(probabilities: ArrayLike, observed: int, anomaly_score: float) -> NDArray[np.float32]:
    """What is compared of a classification [16]."""
    return np.array([*probabilities, observed, anomaly_score], dtype=np.float32)


def several(things: Sequence, at_once: int) -> Iterator[Sequence]:
    """Stretches of a sequence."""
    return (things[i : i + at_once] for i in range(0, len(things), at_once))


def set_aside(settings: Settings, admin: AdminClient) -> Iterator[Place]:
    """Alerts whose dead letters say that the store refuses their object."""
    for messages in whole(settings, admin, [settings.outputs.dead_letters]):
        for message in messages:
            record = decode(message.value, load_schema("dead_letter"))
            if record["reason"] == Reason.SET_ASIDE:
                yield record["sourceTopic"], record["sourcePartition"], record["sourceOffset"]


def whole(settings: Settings, admin: AdminClient, topics: Iterable[str]) -> Iterator[list[Message]]:
    """All that is committed in some topics, each partition in its order."""
    places = spans.partitions(admin, topics)
    first, last = spans.oldest(admin, places), spans.newest(admin, places)
    found = [spans.Span(*place, first[place], last[place]) for place in places]
    return spans.read(settings.kafka.consumer(), found, AT_ONCE)
