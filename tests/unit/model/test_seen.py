"""What is usual of a class, and what of an object is not."""

import numpy as np
import torch

from model.features import STATISTICS, encode
from model.quality import AT
from model.seen import NAMED, WORDS, furthest, see, told
from model.taxonomy import GALACTIC_MASK
from tests.support.curves import context_rows, curve

S = len(STATISTICS)


def column(name):
    return STATISTICS.index(name)


def made(n=600, seed=0):
    """Statistics [n, S] of objects that are observed in g and r and have a redshift, and their classes."""
    torch.manual_seed(seed)
    found, labels = torch.randn(n, S), torch.arange(n) % 14
    for band in "ugrizy":
        found[:, column(f"log_count_{band}")] = 1.0 if band in "gr" else 0.0
    for name in WORDS:
        found[:, column(name)] = 0.0
    return found + labels[:, None], labels


def test_the_statistics_that_are_furthest_are_named_with_their_sign():
    statistics, labels = made()
    statistics[:, [column(f"log_count_{b}") for b in "uizy"]] = 0.0
    statistics[:, [column(name) for name in WORDS]] = 0.0
    seen = see(statistics, labels)
    asked = seen.means[[3]].clone()
    asked[0, [column(f"log_count_{b}") for b in "gr"]] += 0.0
    for name, away in (("max_g", 9.0), ("log_rise", -7.0), ("std_r", 5.0)):
        asked[0, column(name)] += away * seen.deviations[3, column(name)]
    which, how_far = furthest(asked, torch.tensor([3]), seen)
    assert [STATISTICS[i] for i in which[0]] == ["max_g", "log_rise", "std_r"]
    assert torch.allclose(how_far, torch.tensor([[9.0, -7.0, 5.0]]), atol=1e-3)
    assert which.shape == (1, NAMED)


def test_what_says_nothing_of_an_object_is_not_named():
    statistics, labels = made()
    seen = see(statistics, labels)
    asked = torch.full((1, S), 1e6)
    asked[0, [column(f"log_count_{b}") for b in "ugrizy"]] = 0.0
    asked[0, [column("photoz_missing"), column("mwebv_missing")]] = 1.0
    there = {STATISTICS[i] for i in torch.nonzero(told(asked)[0])[:, 0].tolist()}
    assert there == {
        "log_count", "log_detections", "detected_fraction", "log_since_first", "log_since_detection",
        "log_detection_span", "log_since_peak", "max_snr", "asinh_max_flux", "asinh_min_flux", "log_rise",
    }  # fmt: skip
    assert {STATISTICS[i] for i in furthest(asked, torch.tensor([0]), seen)[0][0].tolist()} <= there


def test_a_galactic_object_has_no_luminosity_and_no_time_of_rest():
    own = curve(30)
    for context, there in ((0, True), (1, False), (2, False)):
        encoded = encode(own[None], np.array([30]), context_rows(4)[context : context + 1])
        found = told(torch.from_numpy(encoded.statistics[0]))
        assert bool(found[-1, column("asinh_max_luminosity")]) is there
        assert bool(found[-1, column("log_since_peak_rest")]) is there


def test_a_class_that_does_not_occur_and_a_statistic_that_never_changes_are_finite():
    statistics, labels = made()
    statistics[:, column("max_g")] = 5.0
    kept = labels != 9
    seen = see(statistics[kept], labels[kept])
    assert seen.means.isfinite().all()
    assert (seen.deviations > 0).all()
    assert torch.allclose(seen.means[9], see(statistics[kept], torch.zeros(int(kept.sum()), dtype=torch.long)).means[0])
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), -1.0, 1e30]).repeat(S, 1).T
    assert furthest(odd, torch.zeros(5, dtype=torch.long), seen)[1].isfinite().all()


def test_bounds_are_those_of_training_with_a_little_room():
    statistics, labels = made()
    seen = see(statistics, labels)
    ours = torch.tensor(GALACTIC_MASK)[labels]
    for group, own in enumerate((ours | ~ours, ~ours, ours)):
        least, most = (f(statistics[own][:, AT], dim=0) for f in (torch.amin, torch.amax))
        assert (seen.least[group] < least).all()
        assert (seen.most[group] > most).all()
        assert (seen.most[group] - seen.least[group] < 1.3 * (most - least)).all()
