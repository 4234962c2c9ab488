"""The folder of artefacts: what is listed, and what changes its signature."""

import shutil

import pytest

from broker.errors import StartupError
from broker.models.folder import MANIFEST, WEIGHTS, artefacts_in, lying, signature
from broker.models.promoted import ALL, Named, promote, read_promoted
from model import artefact
from tests.support.artefacts import untrained


def test_an_artefact_is_listed_with_the_digest_that_loading_gives(tmp_path):
    made = artefact.save(tmp_path / "one", untrained())
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    broken, one = artefacts_in(tmp_path)
    assert isinstance(broken, StartupError)
    assert (one.folder, one.name, one.digest) == ("one", made.name, made.digest)
    assert (MANIFEST, WEIGHTS) == (artefact.MANIFEST, artefact.WEIGHTS)


def test_a_manifest_that_is_none_is_told(tmp_path):
    artefact.save(tmp_path / "one", untrained())
    for text in ("", "[]", "{}", "[" * 100_000):
        (tmp_path / "one" / MANIFEST).write_text(text)
        with pytest.raises(StartupError, match="copy the artefact again"):
            lying(tmp_path / "one")


def test_the_signature_changes_with_each_promotion_and_with_the_files_of_what_is_promoted(tmp_path):
    made = artefact.save(tmp_path / "one", untrained())
    artefact.save(tmp_path / "other", untrained())
    seen = [signature(tmp_path, read_promoted(tmp_path))]
    for _ in range(2):
        promote(tmp_path, ALL, Named("one", made.digest))
        seen.append(signature(tmp_path, read_promoted(tmp_path)))
    shutil.copy(tmp_path / "one" / WEIGHTS, tmp_path / "copy")
    (tmp_path / "copy").replace(tmp_path / "one" / WEIGHTS)
    seen.append(signature(tmp_path, read_promoted(tmp_path)))
    assert len(set(seen)) == len(seen)
    artefact.save(tmp_path / "other", untrained(temperature=1.1))
    assert signature(tmp_path, read_promoted(tmp_path)) == seen[-1]
