"""The plan of a micro-batch: what goes through the classifier, what answers each alert, what is remembered then."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.objects import Objects
from broker.lightcurves.recollection import Piece
from broker.lightcurves.stepping import Steps
from model.observation import OBSERVATION
from model.runs import Runs, Verdicts

DUPLICATE, ASIDE = -1, -2  # in place of a verdict


@dataclass(slots=True)
class Plan:
    """What the classifier has to do for n alerts, and what is to be remembered afterwards."""

    runs: Runs
    verdicts: NDArray[np.int64]  # [n], which of the runs' readouts answers each alert; DUPLICATE or ASIDE
    observations: NDArray[np.int64]  # [n], of its light curve, up to and with each alert
    aside: dict[int, str]  # alerts whose object the store refuses, and why
    last_run: NDArray[np.int64]  # [k], for each state to be saved: the run after which it is
    keys: list[bytes]  # [k]
    headers: NDArray[np.void]  # [k] of dtype HEADER
    tails: NDArray[np.uint32]
    tail_ends: NDArray[np.int64]  # [k]
    stepped: int = 0  # objects
    recalled: int = 0
    causes: Mapping[str, int] = field(default_factory=dict)  # why objects were recalled, how many
    new_rows: int = 0  # of the alerts
    known_rows: int = 0
    unreadable: int = 0  # entries of logs
    repeats: list[tuple[bytes, int, list[bytes]]] = field(default_factory=list)  # logs to be rewritten

    def set_aside_what_is_not_finite(self, verdicts: Verdicts) -> None:
        """Publish no verdict [R] that is no number."""
        finite = np.isfinite(verdicts.probabilities).all(axis=1) & np.isfinite(verdicts.anomaly_scores)
        if not finite.all():
            self.set_aside(~finite, "the classifier's answer is not finite")

    def set_aside(self, wrong: NDArray[np.bool_], why: str) -> None:
        """Publish none of the verdicts [R] that are wrong, and save none of the states of their runs."""
        alerts = np.flatnonzero((self.verdicts >= 0) & wrong[np.maximum(self.verdicts, 0)])
        self.aside |= dict.fromkeys(alerts.tolist(), why)
        self.verdicts[alerts] = ASIDE
        runs = np.unique(np.searchsorted(self.runs.ends, self.runs.readouts[wrong], side="right"))
        kept = ~np.isin(self.last_run, runs)
        sizes = np.diff(self.tail_ends, prepend=0)
        self.tails = self.tails[np.repeat(kept, sizes)]
        self.tail_ends = np.cumsum(sizes[kept])
        self.keys = [key for key, keep in zip(self.keys, kept.tolist(), strict=True) if keep]
        self.last_run, self.headers = self.last_run[kept], self.headers[kept]


def assemble(
    objects: Objects,
    start: NDArray[np.uint8],
    steps: Steps,
    headers: NDArray[np.void],
    pieces: Mapping[int, Piece],
) -> Plan:
    """One plan of what fits, by its steps and the headers [b] of the new states, and of what was recalled."""
    alerts, owner, states = objects.alerts, objects.owner, objects.states
    still = objects.fits & (steps.counts > 0)
    stepped = np.flatnonzero(still)
    kept = np.repeat(still, steps.counts)
    renumbered = np.cumsum(kept) - 1
    fitting = still[owner]
    verdicts = np.full(len(alerts), DUPLICATE, np.int64)
    counted = np.zeros(len(alerts), np.int64)
    readouts = [renumbered[steps.readouts[fitting]]]
    verdicts[fitting] = np.arange(int(fitting.sum()))
    counted[fitting] = states.headers["observations"][owner[fitting]] + steps.seen[fitting]
    rows = [alerts.rows[steps.rows[kept]]]
    counts = [steps.counts[stepped]]
    bodies, contexts = [states.bodies[stepped]], [headers["context"][stepped]]
    tail_starts = np.concatenate([np.zeros(1, np.int64), steps.tail_ends[:-1]])
    tail_counts = (steps.tail_ends - tail_starts)[stepped]
    tails = [steps.tails[np.repeat(still, steps.tail_ends - tail_starts)]]
    last_run, saved_keys = list(range(len(stepped))), [objects.keys[o] for o in stepped.tolist()]
    saved_headers, tail_sizes = [headers[stepped]], [tail_counts]
    n_runs, n_rows, n_readouts = len(stepped), int(kept.sum()), int(fitting.sum())
    order = []
    for o, piece in pieces.items():
        places = []
        for run in piece.recalled.runs:
            places.append((n_runs, n_rows))
            rows.append(np.concatenate(run.rows))
            counts.append(np.array([run.length]))
            bodies.append((piece.state if run.resumed else start)[None])
            contexts.append(run.context)
            n_runs, n_rows = n_runs + 1, n_rows + run.length
        for answer in piece.recalled.answers:
            counted[answer.alert] = answer.observations
            if answer.run >= 0:
                verdicts[answer.alert] = n_readouts
                order.append(places[answer.run][1] + answer.readout)
                n_readouts += 1
        if places and o not in objects.repeats:
            last_run.append(n_runs - 1)
            saved_keys.append(piece.key)
            saved_headers.append(piece.header)
            tails.append(piece.tail)
            tail_sizes.append(np.array([len(piece.tail)]))
    readouts.append(np.array(order, np.int64))
    at, inverse = np.unique(np.concatenate(readouts), return_inverse=True)
    answered = verdicts >= 0
    verdicts[answered] = inverse[verdicts[answered]]
    aside = {int(i): objects.refused[int(owner[i])] for i in np.flatnonzero(np.isin(owner, list(objects.refused)))}
    verdicts[list(aside)] = ASIDE
    return Plan(
        runs=Runs(
            states=np.concatenate(bodies),
            rows=np.concatenate(rows).astype(OBSERVATION),
            ends=np.cumsum(np.concatenate(counts)),
            contexts=np.concatenate(contexts),
            readouts=at,
        ),
        verdicts=verdicts,
        observations=counted,
        aside=aside,
        last_run=np.array(last_run, np.int64),
        keys=saved_keys,
        headers=np.concatenate(saved_headers),
        tails=np.concatenate(tails).astype(np.uint32),
        tail_ends=np.cumsum(np.concatenate(tail_sizes)),
        stepped=len(stepped),
        recalled=len(pieces),
        causes=objects.causes_of(pieces),
        new_rows=objects.new_rows,
        known_rows=max(0, len(alerts.rows) - objects.new_rows),
        unreadable=objects.unreadable,
        repeats=list(objects.repeats.values()),
    )
