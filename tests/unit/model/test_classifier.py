"""Laws 2 and 5 of the whole classifier, on the artefact that ships; states of any bytes; nothing is compiled late."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.profiler import ProfilerActivity, profile

from model import running, state
from model.anomaly import TABLE, cell
from model.artefact import DEFAULT, load
from model.classifier import AT_ONCE, FEW, MOST_OBSERVATIONS, Classifier, DeviceError, groups, with_last_detections
from model.features import encode
from model.flag import RELEASE
from model.runs import Verdicts
from tests.support.artefacts import untrained
from tests.support.curves import context_rows, curve, runs_of

ATOL = 1e-5


@pytest.fixture(scope="module")
def artefact():
    return load(DEFAULT)


@pytest.fixture(scope="module", params=["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def classifier(request):
    return Classifier(load(DEFAULT), device=request.param, threads=1)


def close(one: Verdicts, other: Verdicts) -> None:
    assert np.allclose(one.probabilities, other.probabilities, rtol=0, atol=ATOL)
    assert np.allclose(one.p99, other.p99, rtol=0, atol=ATOL)
    assert np.allclose(one.anomaly_scores, other.anomaly_scores, rtol=1e-4)
    assert np.array_equal(one.thresholds, other.thresholds)


@given(st.lists(st.lists(st.integers(1, 2 * FEW + 2), min_size=1, max_size=6), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_laws_2_and_5_any_split_into_calls_and_any_companions_give_what_the_whole_gives(classifier, splits):
    curves = [curve(sum(steps), seed) for seed, steps in enumerate(splits)]
    contexts = context_rows(len(curves))
    begun = [0] * len(curves)
    states = np.tile(classifier.start_state, (len(curves), 1))
    found: list[list[Verdicts]] = [[] for _ in curves]
    for call in range(max(map(len, splits))):
        there = np.array([i for i, steps in enumerate(splits) if len(steps) > call][:: 1 if call % 2 else -1])
        parts = [curves[i][begun[i] : begun[i] + splits[i][call]] for i in there]
        runs = runs_of(classifier.start_state, parts, contexts[there], states[there])
        verdicts, states[there] = classifier.classify(runs)
        for i, end, part in zip(there, runs.ends, parts, strict=True):
            found[i].append(verdicts.take(np.arange(end - len(part), end)))
            begun[i] += len(part)
    for i, parts in enumerate(found):
        alone, last = classifier.classify(runs_of(classifier.start_state, [curves[i]], contexts[i : i + 1]))
        close(Verdicts(*(np.concatenate(columns) for columns in zip(*parts, strict=True))), alone)
        carry = slice(0, state.BEGIN)
        assert states[i, carry].tobytes() == last[0, carry].tobytes(), "features are the same bit for bit"


@given(st.sets(st.integers(0, 119)))
@example({0, 1, 2, 40})  # leaves a flag in doubt
@settings(max_examples=30, deadline=None)
def test_a_verdict_may_be_wanted_anywhere_or_nowhere(artefact, classifier, readouts):
    curves = [curve(n, seed=n) for n in (1, 1, 2, 9, 8, 40, 41, 18)]
    runs = runs_of(classifier.start_state, curves, context_rows(len(curves)))
    chosen = np.array(sorted(readouts), dtype=np.int64)
    every, states = classifier.classify(runs)
    some, same = classifier.classify(runs._replace(readouts=chosen))
    assert some.probabilities.shape == (len(chosen), 14)
    close(some, every.take(chosen))
    if classifier.device.type == "cpu":
        assert np.array_equal(states, same)
    sizes = artefact.network.config.layers, artefact.network.config.hidden
    for one, other in zip(state.unpack(states, *sizes), state.unpack(same, *sizes), strict=True):
        assert np.allclose(one, other, rtol=1e-5, atol=ATOL, equal_nan=True), "a GPU rounds as it reads out"


def test_no_runs_are_no_verdicts(classifier):
    runs = runs_of(classifier.start_state, [curve(1)], context_rows(1))
    nothing = type(runs)(runs.states[:0], runs.rows[:0], runs.ends[:0], runs.contexts[:0], runs.readouts[:0])
    verdicts, states = classifier.classify(nothing)
    assert {len(column) for column in verdicts} == {0}
    assert states.shape == (0, classifier.state_bytes)


def test_probabilities_sum_to_one(classifier):
    verdicts, _ = classifier.classify(runs_of(classifier.start_state, [curve(50)], context_rows(1)))
    assert verdicts.probabilities.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-6)
    assert (verdicts.probabilities >= 0).all()
    assert (verdicts.p99 >= 0).all()
    assert (verdicts.p99 <= 0.262).all()
    assert [c.dtype for c in verdicts[:6]] == [*[np.float32] * 4, np.bool_, np.uint8]


def by_hand(scores, limits, detected):
    """The flags of one curve as `model.flag` has them in words."""
    flags, up = [], False
    for score, limit, seen in zip(scores, limits, detected, strict=True):
        flags.append(bool(score > limit or (up and score > RELEASE * limit)))
        up = flags[-1] if seen else up
    return flags


def test_scores_are_wanted_where_it_is_asked_and_at_each_runs_last_detection(classifier):
    curves = [curve(4), curve(3), curve(1), curve(2)]
    for own, seen in zip(curves, ([1, 1, 0, 0], [0, 0, 0], [1], [0, 1]), strict=True):
        own["detected"] = seen
    runs = runs_of(classifier.start_state, curves, context_rows(4))._replace(readouts=np.array([3, 6, 9]))
    assert np.flatnonzero(with_last_detections(runs)).tolist() == [1, 3, 6, 7, 9]
    part = runs.take(np.array([1, 3]), np.arange(10) % 2 == 0)
    assert part.rows.tobytes() == np.concatenate([curves[1], curves[3]]).tobytes()
    assert (part.ends.tolist(), part.readouts.tolist()) == ([3, 5], [0, 2, 3])


def restless(artefact):
    """A classifier whose thresholds differ so much from age to age that flags are raised and lowered all the time."""
    table = torch.linspace(0, 12, 70)[torch.randperm(70, generator=torch.Generator().manual_seed(0))].reshape(TABLE)
    return Classifier(replace(artefact, anomaly=replace(artefact.anomaly, thresholds=table)), device="cpu"), table


def test_flags_follow_the_table_and_are_remembered_on_every_path_and_at_every_age(artefact):
    curves, contexts = [curve(n, seed=n) for n in (1, 3, 8, 9, 60, 300)], context_rows(6)
    classifier, table = restless(artefact)
    whole, _ = classifier.classify(runs_of(classifier.start_state, curves, contexts))
    ends = np.cumsum([len(c) for c in curves])
    seen = {bool(flag) for flag in whole.anomalies}
    for own, context, end in zip(curves, contexts, ends, strict=True):
        encoded = encode(own[None], np.array([len(own)]), context[None])
        places = cell(torch.from_numpy(encoded.statistics[0]))
        scores, limits = whole.anomaly_scores[end - len(own) : end], table.flatten()[places].numpy()
        assert whole.thresholds[end - len(own) : end].tolist() == limits.tolist()
        assert whole.anomalies[end - len(own) : end].tolist() == by_hand(scores, limits, own["detected"])
    states = np.tile(classifier.start_state, (1, 1))
    for place in range(60):  # one observation a call
        runs = runs_of(classifier.start_state, [curves[4][place : place + 1]], contexts[4:5], states)
        verdicts, states = classifier.classify(runs)
        assert verdicts.anomalies[0] == whole.anomalies[ends[3] + place]
    assert seen == {True, False}


@given(st.sets(st.integers(0, 599)), st.integers(1, 600))
@settings(max_examples=20, deadline=None)
def test_laws_2_and_5_a_flag_is_the_same_whatever_else_is_asked_and_wherever_the_curve_is_cut(artefact, readouts, cut):
    classifier, _ = restless(artefact)
    own, context = curve(600, seed=5), context_rows(1)
    whole, ended = classifier.classify(runs_of(classifier.start_state, [own], context))
    assert set(np.diff(whole.anomalies.astype(int)).tolist()) == {-1, 0, 1}
    parts, states = [], np.tile(classifier.start_state, (1, 1))
    for part, first in ((own[:cut], 0), (own[cut:], cut)):
        if not len(part):
            continue
        chosen = np.array(sorted(r - first for r in readouts if first <= r < first + len(part)), np.int64)
        runs = runs_of(classifier.start_state, [part], context, states)._replace(readouts=chosen)
        some, states = classifier.classify(runs)
        parts.append(some.anomalies)
    assert np.concatenate(parts).tolist() == whole.anomalies[sorted(readouts)].tolist()
    assert states[0, -1] == ended[0, -1], "what is remembered depends on no readout"


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, FEW, FEW + 1]))
@example(19495, 1)  # whose counts together are beyond float32
@settings(max_examples=60, deadline=None)
def test_states_of_any_bytes_raise_nothing_and_spoil_no_companion(classifier, seed, length):
    rng = np.random.default_rng(seed)
    curves = [curve(length, seed=i) for i in range(8)]
    contexts = context_rows(8)
    _, states = classifier.classify(runs_of(classifier.start_state, curves, contexts))
    later = [c[:] for c in curves]
    for c in later:
        c["mjd_tai"] += 2000
    expected, _ = classifier.classify(runs_of(classifier.start_state, later, contexts, states))
    damaged = states.copy()
    damaged[0] = rng.integers(0, 256, states.shape[1])
    damaged[1], damaged[2] = 255, 0
    damaged[3, : state.BEGIN + 8].view("<f4")[:] = np.nan
    damaged[4, rng.integers(0, states.shape[1])] ^= 1 << int(rng.integers(0, 8))
    found, _ = classifier.classify(runs_of(classifier.start_state, later, contexts, damaged))
    unharmed = np.arange(5 * length, 8 * length)
    close(found.take(unharmed), expected.take(unharmed))


def test_a_state_takes_at_most_2000_bytes(classifier):
    assert classifier.start_state.shape == (classifier.state_bytes,)
    assert classifier.state_bytes <= 2000, "48 bytes of the store's own come before it; 2,048 are allowed"


@pytest.mark.parametrize("hidden", [8, 10])
def test_law_2_networks_of_other_sizes(hidden):
    other = Classifier(untrained(hidden), device="cpu")
    curves = [curve(n, seed=n) for n in (30, 31, 3)]
    runs = runs_of(other.start_state, curves, context_rows(3))
    whole, _ = other.classify(runs)
    states = np.tile(other.start_state, (1, 1))
    for i in range(30):
        one = runs_of(other.start_state, [curves[0][i : i + 1]], context_rows(1), states)
        verdicts, states = other.classify(one)
        close(verdicts, whole.take(np.array([i])))


def test_nothing_is_compiled_after_the_warm_up(artefact):
    fresh = Classifier(artefact, device="cpu")
    fresh.warm_up()
    compiled = [f for module in (running, state) for f in vars(module).values() if hasattr(f, "signatures")]
    before = [len(f.signatures) for f in compiled]
    for lengths in ([1, 1], [3, 1, 2], [1, 40], [100]):
        runs = runs_of(fresh.start_state, [curve(n) for n in lengths], context_rows(len(lengths)))
        for array in runs:
            array.flags.writeable = False  # as what was read from a store is
        fresh.classify(runs)
    assert [len(f.signatures) for f in compiled] == before
    assert any(before)


def test_natural_priors_favour_what_is_common(artefact, classifier):
    natural = Classifier(artefact, device="cpu", priors="natural")
    runs = runs_of(classifier.start_state, [curve(1, seed=2)], context_rows(4)[2:3])
    common = int(artefact.class_frequencies.argmax())
    (balanced, _), (frequent, _) = classifier.classify(runs), natural.classify(runs)
    assert frequent.probabilities[0, common] > balanced.probabilities[0, common]
    assert (classifier.priors, natural.priors) == ("balanced", "natural")


def test_states_of_other_weights_have_another_fingerprint(classifier):
    other = Classifier(untrained(), device="cpu")
    assert len(classifier.fingerprint) == len(other.fingerprint) == 8
    assert classifier.fingerprint != other.fingerprint


def test_cuda_is_a_gpu_or_an_error_never_a_silent_cpu(artefact):
    if torch.cuda.is_available():
        assert Classifier(artefact, device="cuda").device.type == "cuda"
    else:
        with pytest.raises(DeviceError, match="auto or cpu"):
            Classifier(artefact, device="cuda")


def test_groups_keep_like_lengths_together_and_memory_bounded():
    lengths = np.array([1, 100, 8, 9, 11, 110, 300, 2])
    assert [group.tolist() for group in groups(lengths, 3)] == [[0, 7, 2], [3, 4], [1, 5], [6]]
    assert [group.tolist() for group in groups(lengths, 2)] == [[0, 7], [2], [3, 4], [1, 5], [6]]
    many = np.full(1000, 300)
    assert all(len(group) * 300 <= MOST_OBSERVATIONS for group in groups(many, AT_ONCE))


@pytest.mark.parametrize("length", [1, 2])
def test_more_runs_than_a_cpu_takes_at_once_are_each_what_they_are_alone(classifier, length):
    curves, contexts = [curve(2 * length, seed) for seed in range(2 * AT_ONCE + 1)], context_rows(2 * AT_ONCE + 1)
    states = np.tile(classifier.start_state, (len(curves), 1))
    for begun in (0, length):
        parts = [whole[begun : begun + length] for whole in curves]
        together, after = classifier.classify(runs_of(classifier.start_state, parts, contexts, states))
        for i in (0, AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE):
            one = runs_of(classifier.start_state, parts[i : i + 1], contexts[i : i + 1], states[i : i + 1])
            close(together.take(np.arange(length * i, length * (i + 1))), classifier.classify(one)[0])
        states = after
    for i in (0, AT_ONCE, 2 * AT_ONCE):  # and the states are those of the whole curve
        whole, _ = classifier.classify(runs_of(classifier.start_state, curves[i : i + 1], contexts[i : i + 1]))
        close(together.take(np.arange(length * i, length * (i + 1))), whole.take(np.arange(length, 2 * length)))


def test_a_full_batch_takes_no_block_of_megabytes_from_pytorch_which_would_be_lost_to_a_heap_for_long(artefact):
    classifier = Classifier(artefact, device="cpu", threads=1)
    curves = [curve(1, seed) for seed in range(1_024)]
    runs = runs_of(classifier.start_state, curves, context_rows(len(curves)))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as taken:
        classifier.classify(runs)
    assert 0 < max(event.self_cpu_memory_usage for event in taken.events()) < 512 * 1024
