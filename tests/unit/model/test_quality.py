"""What an answer rests on, and that it falls back towards the priors where that is little or nothing seen before."""

import numpy as np
import pytest
import torch

from model.calibration import LOG_WEIGHTS, natural_prior_log_ratio, probabilities
from model.features import STATISTICS, encode
from model.observation import FLUXCAL_NJY
from model.quality import AT, QUALITIES, TRUST, Bounds, cut_off, quality, trust
from model.taxonomy import CLASSES, METRIC_WEIGHTS
from tests.support.curves import context_rows, curve

WIDE = Bounds(torch.full((3, 4), -1e9), torch.full((3, 4), 1e9))


def bounds_of(least, most):
    """The same bounds for every group."""
    return Bounds(torch.tensor(least).repeat(3, 1), torch.tensor(most).repeat(3, 1))


def after(own, context=2):
    """The statistics after each observation of a curve."""
    return torch.from_numpy(
        encode(own[None], np.array([len(own)]), context_rows(4)[context : context + 1]).statistics[0]
    )


def named(statistics, bounds=WIDE):
    return [QUALITIES[i] for i in quality(statistics, bounds).tolist()]


def test_one_detection_or_one_band_is_little():
    own = curve(6)
    own["band"], own["detected"] = [1, 1, 2, 2, 3, 3], [True, True, False, True, True, True]
    assert named(after(own)) == ["little", "little", "enough", "enough", "enough", "enough"]
    own["detected"] = [False, False, False, True, True, True]
    assert named(after(own)) == ["little"] * 4 + ["enough"] * 2


def test_a_flux_that_training_has_not_seen_is_outside_and_so_is_every_answer_after_it():
    own = curve(9)
    own["band"], own["detected"] = np.arange(9) % 6, True
    own["flux_njy"] = 50 * FLUXCAL_NJY
    bounds = bounds_of([-9.0, -9, -20, -20], [float(np.arcsinh(100.0)), 9, 20, 20])
    assert named(after(own), bounds)[-1] == "enough"
    own["flux_njy"][4] = 2_000 * FLUXCAL_NJY
    assert named(after(own), bounds) == ["little", "enough", "enough", "enough"] + ["outside"] * 5


def test_a_luminosity_is_outside_where_the_redshift_is_known_alone():
    own = curve(4)
    own["band"], own["detected"], own["flux_njy"] = np.arange(4), True, 10 * FLUXCAL_NJY
    bounds = bounds_of([-9.0, -9, -1, -1], [9.0, 9, 0.5, 0.5])
    assert named(after(own, context=2), bounds)[-1] == "enough"
    assert named(after(own, context=3), bounds)[-1] == "outside"


def test_what_is_known_to_lie_in_another_galaxy_is_compared_with_such_objects_alone():
    own = curve(4)
    own["band"], own["detected"], own["flux_njy"] = np.arange(4), True, 100 * FLUXCAL_NJY
    most = torch.full((3, 4), 90.0)
    most[1, 0] = 2.0
    bounds = Bounds(torch.full((3, 4), -90.0), most)
    assert [named(after(own, context), bounds)[-1] for context in (0, 1, 2)] == ["outside", "enough", "enough"]


def test_without_bounds_of_training_outside_is_where_the_network_cuts_off():
    mean, scale = torch.arange(len(STATISTICS)).float(), torch.ones(len(STATISTICS))
    bounds = cut_off(mean, scale)
    statistics = mean.repeat(3, 1)
    statistics[1, AT[0]] += 9.9
    statistics[2, AT[0]] += 10.1
    assert named(statistics, bounds)[0] == named(statistics, bounds)[1] != named(statistics, bounds)[2] == "outside"


def test_statistics_of_any_value_have_a_quality():
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), -1.0, 1e30]).repeat(len(STATISTICS), 1).T
    assert set(named(odd)) <= set(QUALITIES)


@pytest.mark.parametrize("natural", [False, True])
def test_an_answer_falls_back_towards_the_priors(natural):
    frequencies = torch.tensor([1.0 + (c.plasticc_id % 7) for c in CLASSES])
    frequencies /= frequencies.sum()
    ratio = natural_prior_log_ratio(frequencies) if natural else None
    priors = frequencies if natural else torch.tensor(METRIC_WEIGHTS) / sum(METRIC_WEIGHTS)
    logits = 4 * torch.randn(50, len(CLASSES), generator=torch.Generator().manual_seed(0))

    def given(share):
        return probabilities(logits, 1.3, ratio, torch.full((50,), share))

    assert torch.allclose(given(1.0), probabilities(logits, 1.3, ratio), atol=1e-6)
    assert torch.allclose(given(0.0), priors.expand(50, -1), atol=1e-6)
    away = [(given(share) - priors).abs().sum() for share in (0.0, 0.5, 0.8, 1.0)]
    assert away == sorted(away)
    assert torch.allclose(LOG_WEIGHTS.exp(), torch.tensor(METRIC_WEIGHTS))


def test_each_quality_has_its_share():
    assert trust(torch.arange(3, dtype=torch.uint8)).tolist() == pytest.approx([TRUST[name] for name in QUALITIES])
    assert TRUST["enough"] == 1 > TRUST["little"] > TRUST["outside"] > 0
