"""Routes at work: which alerts each takes, and their messages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from broker.kafka.batch import Batch
from broker.kafka.message import Headers, Record
from broker.outputs.elasticc import NAME as ELASTICC
from broker.outputs.elasticc import ElasticcEncoder
from broker.outputs.frames import Frame
from broker.outputs.identities import Identities, Identity
from broker.outputs.passed_on import PassedOn
from broker.outputs.remembered import Remembered
from broker.packets.decoded import Decoded, Packets
from broker.packets.framings import WIRE
from broker.settings.predicates import PRIORS, Asked
from broker.settings.routes import Framing, Route
from model.runs import QUALITIES, Verdicts
from schemas.catalogue import Schema, confluent_id, load

OURS = "classification"

Known = dict[int, Identity]  # by message
Body = tuple[Frame, tuple[bytes, ...]]  # in what, and in which pieces


@dataclass(frozen=True, slots=True)
class Answered:
    """What is published of a batch: k of its alerts, and what was said of them."""

    batch: Batch
    decoded: Decoded
    which: NDArray[np.int64]  # [k], of the alerts
    verdicts: Verdicts  # [k]
    observations: NDArray[np.int64]  # [k]
    values: Sequence[bytes]  # [k], as classifications in the wire framing
    headers: Sequence[Headers]  # [k]
    priors: NDArray[np.int64]  # [k], which of PRIORS
    read_ms: int  # since 1970

    def asked(self) -> Asked:
        """As predicates see them."""
        alerts = self.decoded.alerts
        own, places = alerts.own[self.which], alerts.places_deg[self.which]
        chances, p99, scores = (v.astype(np.float32).astype(np.float64) for v in self.verdicts[:3])  # as published
        return Asked(
            probabilities=chances,
            anomalies=self.verdicts.anomalies,
            numbers={
                "probability": chances.max(axis=1, initial=0.0),
                "p99": p99,
                "anomaly_score": scores,
                "observations": self.observations.astype(np.float64),
                "mjd": own["mjd_tai"],
                "ra": places[:, 0],
                "dec": places[:, 1],
            },
            surveys=[alerts.objects[i].partition(b"/")[0] for i in self.which.tolist()],
            priors=[PRIORS[i] for i in self.priors.tolist()],
            qualities=[QUALITIES[i] for i in self.verdicts.qualities.tolist()],
        )


@dataclass(slots=True)
class Router:
    """The routes' messages.

    Args:
        routes: by name.
        passed_on: what is written behind packets.
        elasticc: encodes ELAsTiCC's records.
    """

    routes: Mapping[str, Route]
    passed_on: PassedOn
    elasticc: ElasticcEncoder
    _identities: Identities = field(default_factory=Identities)
    _frames: Remembered[Frame] = field(default_factory=lambda: Remembered(frame_of))

    def published(self, answered: Answered) -> Iterator[Record]:
        """One message for each alert that is published and each route that takes it."""
        if not self.routes or not len(answered.which):
            return
        contents = {OURS: self._classification, ELASTICC: self._elasticc, "packet": self._packet}
        asked = answered.asked()
        objects = answered.decoded.alerts.objects
        for route in self.routes.values():
            chosen = np.flatnonzero(route.predicate.matches(asked))
            bodies = contents[route.content](route.framing, answered, chosen)
            for k, (frame, pieces) in zip(chosen.tolist(), bodies, strict=True):
                key = frame.key(objects[answered.which[k]])
                yield Record(route.topic, key, frame.value(*pieces), answered.headers[k])

    def declined(self, batch: Batch, decoded: Decoded, headers: Sequence[Headers], read_ms: int) -> Iterator[Record]:
        """One message for each alert that is declined and each route that says so."""
        messages = decoded.declined.tolist()
        taking = [route for route in self.routes.values() if route.takes_declined]
        if not messages or not taking:
            return
        known = dict(zip(messages, self._identities.of(decoded.packets, messages), strict=True))
        for route in taking:
            bodies = self._elasticc_declined if route.content == ELASTICC else self._packet_declined
            found = bodies(route.framing, batch, decoded.packets, known, read_ms)
            for (frame, pieces), header in zip(found, headers, strict=True):
                yield Record(route.topic, frame.key(None), frame.value(*pieces), header)

    def _classification(self, framing: Framing, answered: Answered, chosen: NDArray[np.int64]) -> Iterator[Body]:
        frame = self._frames(load(OURS), framing)
        return ((frame, (answered.values[k][WIRE.size :],)) for k in chosen.tolist())

    def _elasticc(self, framing: Framing, answered: Answered, chosen: NDArray[np.int64]) -> Iterator[Body]:
        alerts, which = answered.decoded.alerts, answered.which[chosen]
        sources = self._identities.sources(answered.decoded.packets, alerts.message[which].tolist())
        told = zip(alerts.alert_ids[which].tolist(), sources, alerts.sent_ms[which].tolist(), strict=True)
        numbers = [(number, source or number, sent_ms) for number, source, sent_ms in told]
        frame = self._frames(load(ELASTICC), framing)
        verdicts, priors = answered.verdicts.take(chosen), answered.priors[chosen]
        bodies = self.elasticc.encode(numbers, verdicts, priors, answered.read_ms)
        return ((frame, (body,)) for body in bodies)

    def _packet(self, framing: Framing, answered: Answered, chosen: NDArray[np.int64]) -> Iterator[Body]:
        alerts, packets, which = answered.decoded.alerts, answered.decoded.packets, answered.which[chosen]
        messages = alerts.message[which].tolist()
        extensions = [self.passed_on.extension(packets.schemas[packets.which[i]]) for i in messages]
        verdicts, priors = answered.verdicts.take(chosen), answered.priors[chosen]
        behind = self.passed_on.behind(alerts, which, verdicts, priors, extensions)
        for i, extension, more in zip(messages, extensions, behind, strict=True):
            yield self._frames(extension.schema, framing), (packets.bodies[i], more)

    def _elasticc_declined(
        self, framing: Framing, batch: Batch, _: Packets, known: Known, read_ms: int
    ) -> Iterator[Body]:
        frame = self._frames(load(ELASTICC), framing)
        numbers = [(one.alert, one.source, int(batch.sent_ms[i])) for i, one in known.items()]
        return ((frame, (body,)) for body in self.elasticc.declined(numbers, read_ms))

    def _packet_declined(self, framing: Framing, _: Batch, packets: Packets, known: Known, __: int) -> Iterator[Body]:
        for i, one in known.items():
            extension = self.passed_on.extension(packets.schemas[packets.which[i]])
            name, place_deg = b"%d" % one.moving if one.moving else b"", (one.ra_deg, one.dec_deg)
            behind = self.passed_on.behind_declined(name, one.alert, place_deg, extension)
            yield self._frames(extension.schema, framing), (packets.bodies[i], behind)


def frame_of(schema: Schema, framing: Framing) -> Frame:
    """The framing of a schema's bodies."""
    return Frame(framing, schema, confluent_id(OURS) if framing == "wire" else 0)


def digests(routes: Mapping[str, Route]) -> bytes:
    """What tells the routes that were in force from others, for whoever recounts: a digest each."""
    return " ".join(route.digest for route in routes.values()).encode()
