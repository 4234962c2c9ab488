import math

import pytest
import torch

from model.calibration import fit_temperature, natural_prior_log_ratio, probabilities
from model.taxonomy import CLASSES, METRIC_WEIGHTS

N = len(CLASSES)


def test_old_bug_1_softmax_is_taken_once() -> None:
    logits = torch.linspace(-3, 3, N)[None]
    expected = logits.exp() / logits.exp().sum()
    assert torch.allclose(probabilities(logits, 1.0), expected, atol=1e-7)


def test_a_confident_miss_keeps_a_finite_loss() -> None:
    p = probabilities(torch.tensor([[30.0] + [0.0] * (N - 1)]), 1.0)
    assert float(-p[0, 1].log()) == pytest.approx(30, abs=0.1)


def test_natural_priors_give_what_bayes_gives() -> None:
    balanced = torch.tensor(METRIC_WEIGHTS) / sum(METRIC_WEIGHTS)
    frequencies = torch.arange(1.0, N + 1) / sum(range(1, N + 1))
    natural = probabilities(balanced.log()[None], 1.0, natural_prior_log_ratio(frequencies))
    assert torch.allclose(natural[0], frequencies, atol=1e-6), (
        "an object that says nothing has the prior's probabilities"
    )


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_logits_is_found(true_temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, N, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(dim=1), 1, generator=generator)[:, 0]
    found = fit_temperature(honest * true_temperature, labels, torch.ones(len(labels)))
    assert found == pytest.approx(true_temperature, rel=0.03)


def test_weights_count() -> None:
    logits = torch.tensor([[2.0] + [0.0] * (N - 1)]).expand(2, N)
    labels = torch.tensor([0, 1])
    sure = fit_temperature(logits, labels, torch.tensor([1.0, 0.0]))
    unsure = fit_temperature(logits, labels, torch.tensor([1.0, 1.0]))
    assert sure < unsure
    assert math.isfinite(unsure)
