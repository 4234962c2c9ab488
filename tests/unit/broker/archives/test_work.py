"""A process of a cluster classifies with the artefact that it was told to, or says why not."""

import pytest

from broker.archives.work import Work, worker
from broker.errors import StartupError
from model.artefact import DEFAULT, load


def test_the_artefact_is_read_once_a_process():
    work = Work(digest=load(DEFAULT).digest, device="cpu", priors="natural")
    assert worker(work) is worker(work)
    assert worker(work).priors == "natural"


def test_another_artefact_under_the_same_name_is_refused():
    with pytest.raises(StartupError, match=r"has another artefact, .* and not 0123456789ab; install the same"):
        worker(Work(digest="0123456789abcdef", device="cpu"))


def test_an_artefact_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StartupError, match=f"a process of the cluster cannot classify: .*{tmp_path.name}"):
        worker(Work(artefact=str(tmp_path), device="cpu"))
