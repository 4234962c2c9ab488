"""After a rehearsal nothing is compiled any more."""

import pytest
from numba.core.dispatcher import Dispatcher

from broker import rehearsal
from broker.config import Outputs as Topics
from broker.lightcurves import hashes, seen, stepping
from broker.outputs import encoding
from broker.outputs.messages import Outputs
from broker.packets.reader import AlertReader
from model import artefact, running, state
from model.classifier import Classifier

MODULES = (hashes, seen, stepping, encoding, running, state)
CALLED = (
    "row_hashes",
    "checksums",
    "advance",
    "merged_tails",
    "write_classifications",
    "walk",
)  # the others within them


@pytest.fixture(scope="module")
def parts():
    classifier = Classifier(artefact.load(artefact.DEFAULT), device="cpu", threads=1)
    return AlertReader(10**6), classifier, Outputs(Topics(), "none", "d" * 64, "balanced", "0")


def compiled() -> dict[str, int]:
    found = {f"{m.__name__}.{name}": one for m in MODULES for name, one in vars(m).items()}
    return {name: len(one.signatures) for name, one in found.items() if isinstance(one, Dispatcher)}


def test_every_kernel_of_the_way_has_been_called_once_and_a_second_time_compiles_nothing(parts):
    rehearsal.rehearse(*parts)
    once = compiled()
    rehearsal.rehearse(*parts)
    assert compiled() == once
    assert {name.rpartition(".")[2] for name, count in once.items() if count} >= set(CALLED)
