import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from training.checkpoint import Progress, resume, save


def trained(steps: int) -> tuple[nn.Linear, torch.optim.Adam]:
    """A network after so many steps, and its optimiser."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(network.parameters())
    for _ in range(steps):
        step(network, optimiser)
    return network, optimiser


def step(network: nn.Linear, optimiser: torch.optim.Adam) -> None:
    optimiser.zero_grad()
    network(torch.ones(1, 3)).square().sum().backward()
    optimiser.step()


def progress(epoch: int) -> Progress:
    return Progress(epoch=epoch, history=[{"epoch": n + 1, "loss": 1.0} for n in range(epoch)], recipe={"name": "x"})


def test_a_run_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    network, optimiser = trained(3)
    save(tmp_path, {"own": network}, optimiser, progress(1))
    step(network, optimiser)
    again, moments = trained(0)
    assert resume(tmp_path, {"own": again}, moments) == progress(1)
    step(again, moments)
    assert again.weight.equal(network.weight)


def test_a_folder_without_a_checkpoint_begins(tmp_path: Path) -> None:
    network, optimiser = trained(0)
    assert resume(tmp_path, {"own": network}, optimiser) == Progress()


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, optimiser = trained(1)
    save(tmp_path, {"own": network}, optimiser, progress(1))
    before = network.weight.detach().clone()
    step(network, optimiser)
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, {"own": network}, optimiser, progress(2))
    again, moments = trained(0)
    assert resume(tmp_path, {"own": again}, moments).epoch == 1
    assert again.weight.equal(before)


def test_the_log_has_a_row_an_epoch(tmp_path: Path) -> None:
    network, optimiser = trained(1)
    save(tmp_path, {"own": network}, optimiser, progress(2))
    with (tmp_path / "log.csv").open() as log:
        assert [row["epoch"] for row in csv.DictReader(log)] == ["1", "2"]
