"""The run in which nothing goes wrong, from the same input topic, and what differs from it.

One process, one store in memory, each partition's messages in their order. Alerts are keyed by object, so this is the
order in which any worker sees an object's alerts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import redis
from confluent_kafka.admin import AdminClient
from numpy.typing import ArrayLike, NDArray

from broker.config import Settings
from broker.errors import PoisonMessage
from broker.kafka import spans
from broker.kafka.message import Message
from broker.kafka.subscription import decode, source
from broker.lightcurves.memory import PACKED_CONTEXT, PACKED_HEADER, Header, Memory, curve_of
from broker.lightcurves.redis_store import RedisLightCurves
from broker.lightcurves.store import Arrival, InMemoryLightCurves, entries
from broker.packets.reader import AlertReader
from model.artefact import DEFAULT, load
from model.classifier import Classifier, Run
from model.features import CARRY_SIZE
from model.observation import Context
from schemas.catalogue import load as load_schema

AT_ONCE = 4096  # messages
OBJECTS = 500
PROBABILITY, STATE = 2e-5, 1e-3  # what another batching may change by rounding
SCHEMA = load_schema("classification")


@dataclass
class Reference:
    """What every offset's answer, every light curve and every state should be."""

    classifier: Classifier
    store: InMemoryLightCurves = field(default_factory=InMemoryLightCurves)
    answers: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)  # by partition and offset
    compared: int = 0  # states

    @classmethod
    def of(cls, settings: Settings, admin: AdminClient) -> "Reference":
        """Classify the whole input topic."""
        classifier = Classifier(load(DEFAULT), device="cpu", threads=1)
        self = cls(classifier)
        read = AlertReader(settings.limits.max_message_bytes)
        memory = Memory(self.store, classifier.digest)
        for messages in whole(settings, admin, settings.kafka.topics):
            shares = memory.remember(list(arrivals(messages, read)))
            every = iter(classifier.classify([run for share in shares for run in share.runs]))
            outcomes = [list(islice(every, len(share.runs))) for share in shares]
            memory.save(shares, outcomes)
            for share, of_share in zip(shares, outcomes, strict=True):
                for arrival, answer in zip(share.arrivals, share.answers, strict=True):
                    if answer is not None:
                        verdict = of_share[answer.run].verdicts[answer.verdict]
                        place = arrival.message.partition, arrival.message.offset
                        self.answers[place] = answered(
                            verdict.probabilities, answer.observations, verdict.anomaly_score
                        )
        return self

    def differing_answers(self, settings: Settings, admin: AdminClient) -> Iterator[str]:
        """Classifications at read_committed that are not as they should be, or that should not be."""
        seen = set()
        for messages in whole(settings, admin, [settings.outputs.classifications]):
            for message in messages:
                place = source(message.headers)[1:]
                record = decode(message.value, SCHEMA)
                chances = [c["probability"] for c in record["classifications"]]
                ours = answered(chances, record["observations"], record["anomalyScore"])
                expected = self.answers.get(place)
                if expected is None or not np.allclose(ours, expected, rtol=PROBABILITY, atol=PROBABILITY):
                    yield f"classification of {place}"
                seen.add(place)
        yield from (f"classification of {place}" for place in self.answers.keys() - seen)

    def differing_curves(self, settings: Settings) -> Iterator[str]:
        """Objects whose light curve in Redis is not as it should be, or whose state is not that of what it has seen."""
        client = redis.Redis.from_url(settings.redis.url.get_secret_value())
        store = RedisLightCurves(client, prefix=settings.redis.prefix)
        names = list(self.store.logs)
        for start in range(0, len(names), OBJECTS):
            some = names[start : start + OBJECTS]
            logs = {name: entries(log) for name, log in store.read(some).items()}
            for name, log in logs.items():
                if curve_of(log).tobytes() != curve_of(entries(self.store.logs[name])).tobytes():
                    yield f"light curve of {name}"
            states = dict(zip(some, client.mget([store._state(name) for name in some]), strict=True))
            yield from (f"state of {name}" for name in self._wrong_states(logs, states))

    def _wrong_states(self, logs: dict[str, np.ndarray], states: dict[str, bytes | None]) -> Iterator[str]:
        """Those that would be believed and are not what one pass over the same entries gives."""
        believed = {}
        for name, state in states.items():
            if state is None:
                yield name
                continue
            header = Header(*PACKED_HEADER.unpack_from(state))
            seen = logs[name][: header.entries]
            if len(seen) == header.entries and seen[-1].tobytes() == header.last_entry:
                photoz, photoz_err, mwebv, ddf = PACKED_CONTEXT.unpack(header.context)
                context = Context(photoz, photoz_err, mwebv, None if ddf < 0 else bool(ddf))
                believed[name] = Run(None, curve_of(seen), context, (0,))
        outcomes = self.classifier.classify(list(believed.values()))
        self.compared += len(believed)
        for name, outcome in zip(believed, outcomes, strict=True):
            ours, expected = numbers(states[name][PACKED_HEADER.size :]), numbers(outcome.state)
            if not np.allclose(ours, expected, rtol=STATE, atol=STATE, equal_nan=True):
                yield name


def answered(probabilities: ArrayLike, observations: int, anomaly_score: float) -> NDArray[np.float32]:
    """What is compared of a classification [16]."""
    return np.array([*probabilities, observations, anomaly_score], dtype=np.float32)


def numbers(body: bytes) -> np.ndarray:
    """A stored state's numbers: features' carry, then network."""
    cut = 8 * CARRY_SIZE
    return np.concatenate([np.frombuffer(body[:cut], "<f8"), np.frombuffer(body[cut:], "<f4")])


def arrivals(messages: Iterable[Message], read: AlertReader) -> Iterator[Arrival]:
    """Those messages that are alerts."""
    for message in messages:
        try:
            yield Arrival(message, read(message))
        except PoisonMessage:
            continue


def whole(settings: Settings, admin: AdminClient, topics: Iterable[str]) -> Iterator[list[Message]]:
    """All that is committed in some topics, each partition in its order."""
    places = spans.partitions(admin, topics)
    first, last = spans.oldest(admin, places), spans.newest(admin, places)
    found = [spans.Span(*place, first[place], last[place]) for place in places]
    return spans.read(settings.kafka.consumer(), found, AT_ONCE)
