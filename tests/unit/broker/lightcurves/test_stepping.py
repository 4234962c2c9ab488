"""The kernels of the steady path against sets in Python, on random tables, two batches one after the other."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from broker.kafka.message import Message
from broker.lightcurves.hashes import salts
from broker.lightcurves.states import HEADER, States
from broker.lightcurves.stepping import FEW, columns, steps_of, tail_of
from model.observation import OBSERVATION, LightCurve, Observation
from tests.support.columns import Alert, Arrival, alerts_of

START = (-np.inf, 0)


@dataclass
class Known:
    """What is known of an object, as its state has it."""

    last: tuple[float, int] = START
    seen: set[Observation] = field(default_factory=set)  # rows taken, and rows known to lose
    there: bool = False


@dataclass
class Done:
    """What one batch does to an object."""

    fits: bool = True
    new: list[Observation] = field(default_factory=list)
    lost: set[Observation] = field(default_factory=set)
    seen: list[int] = field(default_factory=list)  # by alert
    logged: list[Observation] = field(default_factory=list)


def wins(one: Observation, other: Observation) -> bool:
    return (one.detected, -one.flux_err_njy, one.flux_njy) > (other.detected, -other.flux_err_njy, other.flux_njy)


def place_of(row: Observation) -> tuple[float, int]:
    return row.mjd_tai, row.band


def reference(known: Known, alerts: list[Alert], knows: bool) -> Done:
    """What `steps_of` says, said with sets."""
    done, last = Done(), known.last
    remembered = known.seen if knows and known.there else set()
    detected = {place_of(row) for row in remembered if row.detected}
    for alert in alerts:
        fresh = []
        for row in (*alert.history, alert.observation):
            taken = [old for old in done.new if place_of(old) == place_of(row)]
            if place_of(row) > last:
                fresh.append(row)
            elif row is alert.observation:
                return Done(fits=False)
            elif row in remembered or (not row.detected and place_of(row) in detected):
                continue
            elif taken and not wins(row, taken[0]):
                done.lost.add(row)
            else:
                return Done(fits=False)
        kept = [Observation(*row.item()) for row in LightCurve.of(fresh).observations]
        if alert.observation not in kept:
            return Done(fits=False)
        done.lost |= set(fresh) - set(kept)
        done.new += kept
        done.seen.append(len(done.new))
        done.logged += [row for row in kept if row != alert.observation] + [alert.observation]
        last = place_of(kept[-1])
    return done


def rows_of(rows) -> np.ndarray:
    return np.array(list(rows), OBSERVATION)


def states_of(known: list[Known], salt: np.ndarray) -> States:
    headers = np.zeros(len(known), HEADER)
    headers["last_mjd"] = [k.last[0] if k.there else 0 for k in known]
    headers["last_band"] = [k.last[1] if k.there else 0 for k in known]
    tails = [
        tail_of(rows_of(k.seen), s) if k.there else np.empty(0, np.uint32) for k, s in zip(known, salt, strict=True)
    ]
    there = np.array([k.there for k in known])
    ends = np.cumsum([len(t) for t in tails])
    return States(headers, np.zeros((len(known), 8), np.uint8), np.concatenate(tails), ends, there)


def table(rng, objects: int, alerts: int, longest: int, begin: int) -> list[Alert]:
    """Alerts whose rows often share places, repeat each other, come late, or lose."""

    def row(low, high):
        return Observation(
            float(rng.integers(low, high)), float(rng.integers(3)), float(rng.integers(1, 3)),
            int(rng.integers(2)), bool(rng.integers(2)),
        )  # fmt: skip

    made, told = [], {}
    for i in range(alerts):
        name = str(rng.integers(objects))
        mjd = begin + 2 * i
        before = told.setdefault(name, [])
        old = [before[k] for k in rng.permutation(len(before))[: rng.integers(longest + 1)]]
        late = [row(1, mjd + 1)] if rng.random() < 0.1 else []
        new = [row(mjd - 1, mjd + 1) for _ in range(rng.integers(3))] if longest else []
        own = row(mjd, mjd + 2)
        history = tuple(old + (late + new if longest else []))
        made.append(Alert(i + 1, name, "test", own, history=history))
        before += [*new, own]
    return made


def compare(alerts: list[Alert], known: dict[str, Known], knows: bool) -> dict[str, Known]:
    """Check one batch; what is known of the objects that fit afterwards."""
    columns_ = alerts_of([Arrival(Message("alerts", 0, i, 0), a) for i, a in enumerate(alerts)])
    keys, owner = columns_.grouped()
    names = [key.decode().split("/")[1] for key in keys]
    salt = salts(keys)
    before = [known.get(name, Known()) for name in names]
    rows = columns(columns_, np.repeat(salt[owner], np.diff(columns_.ends, prepend=0)))
    flags = np.full(len(keys), knows)
    steps = steps_of(columns_, owner, rows, states_of(before, salt), np.ones(len(keys), bool), flags)
    after = {}
    begun = tails = 0
    for o, name in enumerate(names):
        mine = [a for a in alerts if a.object_id == name]
        done = reference(before[o], mine, knows)
        assert steps.fits[o] == done.fits
        assert steps.counts[o] == len(done.new)
        stretch = slice(begun, begun + len(done.new))
        assert columns_.rows[steps.rows[stretch]].tolist() == rows_of(done.new).tolist()
        assert columns_.rows[steps.logged[stretch]].tolist() == rows_of(done.logged).tolist()
        asked = np.flatnonzero(owner == o)
        if done.fits:
            assert steps.seen[asked].tolist() == done.seen
            assert steps.readouts[asked].tolist() == [begun + n - 1 for n in done.seen]
            last = place_of(done.new[-1])
            assert (steps.last_mjd[o], steps.last_band[o]) == last
            seen = before[o].seen | set(done.new) | done.lost if knows else set()
            after[name] = Known(last, seen, there=True)
            found = steps.tails[tails : steps.tail_ends[o]].tolist()
            assert found == (tail_of(rows_of(seen), salt[o]).tolist() if knows else [])
        else:
            assert (steps.readouts[asked] == -1).all()
        tails = int(steps.tail_ends[o])
        begun = stretch.stop
    assert begun == len(steps.rows) == len(steps.logged)
    return after


@pytest.mark.parametrize("knows", [True, False])
@pytest.mark.parametrize("longest", [0, 2, 6])
def test_steps_are_what_sets_say(knows, longest):
    rng = np.random.default_rng([longest, knows])
    fitted = refused = 0
    for _ in range(150):
        sequence = table(rng, objects=3, alerts=int(rng.integers(2, 14)), longest=longest, begin=3)
        half = len(sequence) // 2
        known = compare(sequence[:half], {}, knows) if half else {}
        after = compare(sequence[half:], known, knows)
        fitted += len(after)
        refused += len({a.object_id for a in sequence[half:]}) - len(after)
    assert fitted > 20, "the tables say something"
    assert refused > 20 or not longest


def test_a_long_history_is_sorted_like_a_short_one():
    rng = np.random.default_rng(5)
    for size in (FEW - 1, FEW, FEW + 1, 10 * FEW):
        history = tuple(
            Observation(
                float(rng.integers(1, size)), float(rng.integers(3)), float(rng.integers(1, 3)),
                int(rng.integers(6)), bool(rng.integers(2)),
            )
            for _ in range(size)
        )  # fmt: skip
        own = Observation(1000.0, 1.0, 1.0, 2, True)
        known = compare([Alert(1, "one", "test", own, history=history)], {}, True)
        more = Observation(1001.0, 1.0, 1.0, 2, True)
        compare([Alert(2, "one", "test", more, history=(*history, own))], known, True)


def test_an_object_that_must_be_read_is_left_alone():
    alerts = alerts_of(
        [
            Arrival(Message("alerts", 0, i, 0), Alert(i + 1, "one", "test", Observation(i + 1.0, 1.0, 1.0, 2, True)))
            for i in range(3)
        ]
    )
    keys, owner = alerts.grouped()
    salt = salts(keys)
    rows = columns(alerts, np.repeat(salt, 3))
    steps = steps_of(alerts, owner, rows, states_of([Known()], salt), np.zeros(1, bool), np.zeros(1, bool))
    assert (steps.fits.tolist(), steps.counts.tolist(), len(steps.rows)) == ([False], [0], 0)
    assert steps.readouts.tolist() == [-1, -1, -1]
