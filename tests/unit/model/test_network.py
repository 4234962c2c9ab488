"""Law 2 of the network, and its mask."""

import pytest
import torch

from model.features import STATISTICS, encode, pad
from model.network import LightCurveLSTM, NetworkConfig
from model.taxonomy import CLASSES
from tests.support.curves import context_rows, curve


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return LightCurveLSTM(NetworkConfig(hidden=24, head=16, embedding=8)).eval()


@pytest.fixture(scope="module")
def batch():
    observations, lengths = pad([curve(n, seed=n) for n in (1, 5, 30, 77)])
    encoded = encode(observations, lengths, context_rows(4))
    return torch.from_numpy(encoded.inputs), torch.from_numpy(encoded.statistics), torch.from_numpy(lengths)


@torch.no_grad()
def test_law_2_steps_equal_forward(network, batch):
    inputs, statistics, lengths = batch
    whole = network(inputs, statistics, lengths)
    state = network.start(4)
    logits = torch.zeros(4, len(CLASSES))
    for t in range(inputs.shape[1]):
        there = lengths > t
        step = network.step(inputs[there, t], statistics[there, t], state[there])
        state[there], logits[there] = step.state, step.logits
    assert torch.allclose(logits, whole.logits[:, 0], atol=1e-5)
    assert torch.allclose(state, whole.state, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("split", [1, 10, 29])
def test_law_2_two_halves_equal_the_whole(network, batch, split):
    inputs, statistics, lengths = (t[2:3] for t in batch)
    n = int(lengths)
    first = network(inputs[:, :split], statistics[:, :split], torch.tensor([split]))
    second = network(inputs[:, split:n], statistics[:, split:n], torch.tensor([n - split]), first.state)
    assert torch.allclose(second.logits, network(inputs, statistics, lengths).logits, atol=1e-5)


@torch.no_grad()
def test_readouts_are_what_prefixes_give(network, batch):
    inputs, statistics, _ = batch
    at = torch.tensor([[0, 0], [4, 2], [10, 29], [50, 76]])
    read = network(inputs, statistics, None, readout=at).logits
    for row, column in ((1, 1), (2, 0), (3, 1)):
        n = int(at[row, column]) + 1
        prefix = network(inputs[row : row + 1, :n], statistics[row : row + 1, :n], torch.tensor([n]))
        assert torch.allclose(prefix.logits[0, 0], read[row, column], atol=1e-5)


@torch.no_grad()
def test_the_host_rules_classes_out(network, batch):
    inputs, statistics, lengths = batch  # contexts: z 0.4, galactic, unknown, z 2.5
    probabilities = network(inputs, statistics, lengths).logits[:, 0].softmax(dim=1)
    galactic = torch.tensor([c.galactic for c in CLASSES])
    assert probabilities[0, galactic].max() < 1e-9
    assert probabilities[1, ~galactic].max() < 1e-9
    assert probabilities[2].min() > 1e-9
    assert probabilities[3, galactic].max() < 1e-9


@torch.no_grad()
def test_a_photoz_that_is_not_sure_rules_nothing_out(network, batch):
    inputs, statistics, lengths = batch
    said = []
    for photoz, error in ((0.4, 0.19), (0.4, 0.21), (0.0, 0.0), (0.0, 0.1), (0.4, 0.0)):
        told = statistics.clone()
        told[..., STATISTICS.index("galactic")] = float(photoz == 0)
        told[..., STATISTICS.index("photoz_missing")] = 0.0
        told[..., STATISTICS.index("photoz")], told[..., STATISTICS.index("photoz_err")] = photoz, error
        said.append(float(network(inputs, told, lengths).logits[:, 0].softmax(dim=1).min()))
    assert [least > 1e-9 for least in said] == [False, True, False, True, False]


def test_the_shipped_size_is_below_a_million():
    assert sum(p.numel() for p in LightCurveLSTM(NetworkConfig()).parameters()) < 1_000_000


@torch.no_grad()
def test_old_bug_1_the_network_gives_logits_and_no_probabilities(network, batch):
    before = network.classes[-1].weight.clone()
    try:
        network.classes[-1].weight.mul_(1000)
        assert network(*batch).logits.max() > 20, "a softmax inside would hold them below 1"
    finally:
        network.classes[-1].weight.copy_(before)
