"""Which artefacts are to classify: those that are promoted, each what it was then, and the configured one."""

import pytest

from broker.config import Classifier, Outputs, Settings
from broker.errors import StartupError
from broker.models.chosen import answering, chosen_by
from broker.models.promoted import ALL, SHADOW, Named, promote
from model import artefact
from tests.support.artefacts import untrained


def settings(folder, **outputs):
    return Settings(classifier=Classifier(models=folder), outputs=Outputs(**outputs))


def test_what_nothing_is_promoted_for_is_the_configured_artefact(tmp_path):
    made = artefact.save(tmp_path / "one", untrained())
    shipped = artefact.load(artefact.DEFAULT).digest
    assert chosen_by(settings(None)).digests() == chosen_by(settings(tmp_path)).digests() == {ALL: shipped}
    promote(tmp_path, "ztf", Named("one", made.digest))
    promote(tmp_path, SHADOW, Named("one", made.digest))
    chosen = chosen_by(settings(tmp_path, shadow="shadow"))
    assert chosen.digests() == {ALL: shipped, "ztf": made.digest, SHADOW: made.digest}
    assert chosen.number == 2


def test_another_artefact_in_the_place_of_the_promoted_one_is_refused(tmp_path):
    made = artefact.save(tmp_path / "one", untrained())
    promote(tmp_path, ALL, Named("one", made.digest))
    artefact.save(tmp_path / "one", untrained(temperature=1.1))
    with pytest.raises(StartupError, match="promoted was"):
        chosen_by(settings(tmp_path))


def test_a_shadow_without_a_topic_is_refused(tmp_path):
    made = artefact.save(tmp_path / "one", untrained())
    promote(tmp_path, SHADOW, Named("one", made.digest))
    with pytest.raises(StartupError, match="MISWEEPER_OUTPUTS__SHADOW"):
        chosen_by(settings(tmp_path))


def test_the_artefact_that_answered_is_found_by_its_digest_and_else_the_one_of_the_survey(tmp_path):
    one, two = (artefact.save(tmp_path / str(t), untrained(temperature=t)) for t in (1.0, 2.0))
    promote(tmp_path, "ztf", Named("1.0", one.digest))
    wanted = {("ztf", None): one.digest, ("ztf", two.digest): two.digest, ("ztf", "f" * 64): one.digest}
    assert {asked: answering(settings(tmp_path), *asked).digest for asked in wanted} == wanted
    assert answering(settings(tmp_path), "rubin", None).digest == artefact.load(artefact.DEFAULT).digest
    assert answering(settings(None), "ztf", one.digest).digest == artefact.load(artefact.DEFAULT).digest
