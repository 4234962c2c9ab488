"""One model made of several: each survey's alerts are remembered, classified and answered by its own artefact.

Light curves of different surveys are different objects, so the parts have nothing in common but the batch. Each run
carries in its state's last byte whose it is: artefacts of different sizes have states of different lengths, so they
are padded to the longest. What is to be saved is told by its object, whose name begins with the survey.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from broker.errors import PoisonMessage
from broker.interfaces import Model, Shadows, Writes
from broker.kafka.batch import Batch
from broker.kafka.message import Message, Record
from broker.lightcurves.effort import TooMuchError
from broker.lightcurves.plan import Plan
from broker.lightcurves.told import Messages
from broker.packets.decoded import Decoded
from model.alerts import Alerts
from model.drift import InputShares
from model.features import INPUTS
from model.runs import Runs, Verdicts

NONE = np.zeros(0, np.int64)
Pairs = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Parts:
    """Models in the order of their numbers, and whose an object is.

    Args:
        models: the first is everybody's who has none of their own.
        numbers: by survey.
    """

    models: Sequence[Model]
    numbers: Mapping[bytes, int]

    def of(self, objects: Sequence[bytes]) -> NDArray[np.int64]:
        """[n], which model each object is of."""
        numbers = self.numbers
        return np.fromiter((numbers.get(name[: name.index(b"/")], 0) for name in objects), np.int64, len(objects))

    def known(self, survey: str) -> InputShares | None:
        """See interfaces.Model."""
        return self.models[self.numbers.get(survey.encode(), 0)].known(survey)

    def split(self, owner: NDArray[np.int64]) -> Iterator[tuple[int, Model, NDArray[np.int64]]]:
        """Each model that has any of n things, with which of them."""
        for number, model in enumerate(self.models):
            which = np.flatnonzero(owner == number)
            if len(which):
                yield number, model, which


def by_survey(everybody: Model, surveys: Mapping[str, Model], shadow: Shadows | None) -> Model:
    """One model of several."""
    models = [everybody, *surveys.values()]
    parts = Parts(models, {name.encode(): number for number, name in enumerate(surveys, 1)})
    return Model(Classifiers(parts), Memories(parts), Writers(parts), shadow, parts.known)


@dataclass(frozen=True, slots=True)
class Classifiers:
    """See interfaces.Classifier."""

    parts: Parts

    @property
    def start_state(self) -> NDArray[np.uint8]:
        """Everybody's."""
        return self.parts.models[0].classifier.start_state

    def classify(self, runs: Runs) -> tuple[Verdicts, NDArray[np.uint8]]:
        """Verdicts [R] and padded states [B, w]."""
        nobody, _ = self.parts.models[0].classifier.classify(some_runs(runs, NONE, width(self.parts.models[0]))[0])
        empty = {name: getattr(nobody, name) for name in Verdicts._fields}
        said = {name: np.zeros((len(runs.readouts), *one.shape[1:]), one.dtype) for name, one in empty.items()}
        bodies = runs.states.copy()
        for number, model, which in self.parts.split(owner_of(runs)):
            own, _, readouts = some_runs(runs, which, width(model))
            verdicts, ended = model.classifier.classify(own)
            for name, whole in said.items():
                whole[readouts] = getattr(verdicts, name)
            bodies[which, : ended.shape[1]], bodies[which, -1] = ended, number
        return Verdicts(**said), bodies

    def inputs_of(self, runs: Runs) -> NDArray[np.float32]:
        """The networks' inputs [M, F]."""
        found = np.zeros((len(runs.rows), len(INPUTS)), np.float32)
        for _, model, which in self.parts.split(owner_of(runs)):
            own, rows, _ = some_runs(runs, which, width(model))
            found[rows] = model.classifier.inputs_of(own)
        return found


@dataclass(frozen=True, slots=True)
class Memories:
    """See interfaces.Remembers."""

    parts: Parts

    def remember(self, alerts: Alerts, messages: Messages) -> Plan:
        """One plan of all parts' plans, their runs one part after the other."""
        widest = max(map(width, self.parts.models))
        plans = []
        for number, model, which in self.parts.split(self.parts.of(alerts.objects)):
            try:
                plan = model.memory.remember(alerts.whole(which), messages.some(which))
            except TooMuchError as too_much:  # of all alerts as many as come before the first that is
                raise TooMuchError(int(which[too_much.alerts])) from too_much
            padded = np.zeros((len(plan.runs.states), widest + 1), np.uint8)
            padded[:, : plan.runs.states.shape[1]], padded[:, -1] = plan.runs.states, number
            plan.runs = plan.runs._replace(states=padded)
            plans.append((which, plan))
        if not plans:
            nobody = self.parts.models[0].memory.remember(alerts, messages)
            nobody.runs = nobody.runs._replace(states=np.zeros((0, widest + 1), np.uint8))
            return nobody
        return joined(plans, len(alerts))

    def states_of(self, plan: Plan, bodies: NDArray[np.uint8]) -> list[tuple[bytes, bytes]]:
        """What is to be saved after the commit."""
        saved: list[tuple[bytes, bytes]] = []
        for _, model, which in self.parts.split(self.parts.of(plan.keys)):
            saved += model.memory.states_of(saved_part(plan, which), bodies[:, : width(model)])
        return saved

    def took_off(self, states: Pairs) -> None:
        """A batch is on its way: each part sees its own states."""
        for model in self.parts.models:
            model.memory.took_off([])
        for _, model, which in self.parts.split(self.parts.of([key for key, _ in states])):
            model.memory.took_off([states[i] for i in which.tolist()])

    def save(self, saved: Pairs, plan: Plan) -> None:
        """After the commit."""
        kept, logs = self.parts.of([key for key, _ in saved]), self.parts.of([key for key, *_ in plan.repeats])
        for number, model in enumerate(self.parts.models):
            own = [saved[i] for i in np.flatnonzero(kept == number).tolist()]
            repeats = [plan.repeats[i] for i in np.flatnonzero(logs == number).tolist()]
            if own or repeats:
                model.memory.save(own, with_repeats(plan, repeats))

    def landed(self) -> None:
        """The batch on its way is committed, or given up."""
        for model in self.parts.models:
            model.memory.landed()

    def ping(self) -> None:
        """Return if the store answers."""
        self.parts.models[0].memory.ping()


@dataclass(frozen=True, slots=True)
class Writers:
    """See interfaces.Writes. What no artefact has a part in is written by everybody's."""

    parts: Parts

    def published(
        self,
        batch: Batch,
        decoded: Decoded,
        answered: NDArray[np.int64],
        verdicts: Verdicts,
        observations: NDArray[np.int64],
        read_ms: int,
        publish_ms: int,
    ) -> list[Record]:
        """Everything that is published of k alerts, one part after the other."""
        owner = self.parts.of([decoded.alerts.objects[i] for i in answered.tolist()])
        return [
            record
            for _, model, which in self.parts.split(owner)
            for record in model.outputs.published(
                batch, decoded, answered[which], verdicts.take(which), observations[which], read_ms, publish_ms
            )
        ]

    def declined(self, batch: Batch, decoded: Decoded, read_ms: int) -> list[Record]:
        """See outputs.messages."""
        return self._everybody.declined(batch, decoded, read_ms)

    def dead_letter(self, message: Message, poison: PoisonMessage, read_ms: int) -> Record:
        """See outputs.messages."""
        return self._everybody.dead_letter(message, poison, read_ms)

    def duplicate(self, message: Message, read_ms: int) -> Record:
        """See outputs.messages."""
        return self._everybody.duplicate(message, read_ms)

    def shrink(self) -> bool:
        """See outputs.messages."""
        return self._everybody.shrink()

    def grow(self) -> None:
        """See outputs.messages."""
        self._everybody.grow()

    @property
    def _everybody(self) -> Writes:
        return self.parts.models[0].outputs


def width(model: Model) -> int:
    """Bytes of a state of a model's."""
    return len(model.classifier.start_state)


def owner_of(runs: Runs) -> NDArray[np.int64]:
    """[B], the number of each run's model."""
    return runs.states[:, -1].astype(np.int64)


def some_runs(
    runs: Runs, which: NDArray[np.int64], state_bytes: int
) -> tuple[Runs, NDArray[np.bool_], NDArray[np.int64]]:
    """Some of the runs [k], by ascending index, with states as their model knows them; their rows, their readouts."""
    sizes = np.diff(runs.ends, prepend=0)
    chosen = np.zeros(len(runs.ends), np.bool_)
    chosen[which] = True
    kept = np.repeat(chosen, sizes)
    readouts = np.flatnonzero(kept[runs.readouts])
    renumbered = np.cumsum(kept) - 1
    own = Runs(
        states=np.ascontiguousarray(runs.states[which, :state_bytes]),
        rows=runs.rows[kept],
        ends=np.cumsum(sizes[which]),
        contexts=runs.contexts[which],
        readouts=renumbered[runs.readouts[readouts]],
    )
    return own, kept, readouts


def joined(plans: Sequence[tuple[NDArray[np.int64], Plan]], alerts: int) -> Plan:
    """One plan of several, each of some of the alerts: their runs, states and counts one after the other."""
    each = [plan for _, plan in plans]
    rows = before([len(plan.runs.rows) for plan in each])
    runs = before([len(plan.runs.ends) for plan in each])
    readouts = before([len(plan.runs.readouts) for plan in each])
    tails = before([len(plan.tails) for plan in each])
    verdicts, observations = np.zeros((2, alerts), np.int64)
    aside: dict[int, str] = {}
    for (which, plan), first in zip(plans, readouts, strict=True):
        verdicts[which] = np.where(plan.verdicts >= 0, plan.verdicts + first, plan.verdicts)
        observations[which] = plan.observations
        aside |= {int(which[i]): why for i, why in plan.aside.items()}
    whole = Plan(
        runs=Runs(
            states=np.concatenate([plan.runs.states for plan in each]),
            rows=np.concatenate([plan.runs.rows for plan in each]),
            ends=np.concatenate([plan.runs.ends + first for plan, first in zip(each, rows, strict=True)]),
            contexts=np.concatenate([plan.runs.contexts for plan in each]),
            readouts=np.concatenate([plan.runs.readouts + first for plan, first in zip(each, rows, strict=True)]),
        ),
        verdicts=verdicts,
        observations=observations,
        aside=aside,
        last_run=np.concatenate([plan.last_run + first for plan, first in zip(each, runs, strict=True)]),
        keys=[key for plan in each for key in plan.keys],
        headers=np.concatenate([plan.headers for plan in each]),
        tails=np.concatenate([plan.tails for plan in each]),
        tail_ends=np.concatenate([plan.tail_ends + first for plan, first in zip(each, tails, strict=True)]),
        repeats=[one for plan in each for one in plan.repeats],
    )
    whole.causes = sum((Counter(plan.causes) for plan in each), Counter())
    for count in fields(Plan):
        if isinstance(getattr(whole, count.name), int):
            setattr(whole, count.name, sum(getattr(plan, count.name) for plan in each))
    return whole


def before(sizes: Sequence[int]) -> list[int]:
    """How many come before each part."""
    return [sum(sizes[:i]) for i in range(len(sizes))]


def saved_part(plan: Plan, which: NDArray[np.int64]) -> Plan:
    """A plan with some of its states to be saved [k] alone."""
    sizes = np.diff(plan.tail_ends, prepend=0)
    chosen = np.zeros(len(sizes), np.bool_)
    chosen[which] = True
    return replace(
        plan,
        last_run=plan.last_run[which],
        keys=[plan.keys[i] for i in which.tolist()],
        headers=plan.headers[which],
        tails=plan.tails[np.repeat(chosen, sizes)],
        tail_ends=np.cumsum(sizes[which]),
    )


def with_repeats(plan: Plan, repeats: list[tuple[bytes, int, list[bytes]]]) -> Plan:
    """A plan with some of the logs to be rewritten alone."""
    return replace(plan, repeats=repeats)
