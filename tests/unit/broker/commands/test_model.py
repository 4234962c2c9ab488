"""What an operator types about artefacts, where no server is asked."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from broker.commands.main import app
from broker.errors import StartupError
from broker.models.promoted import ALL, SHADOW, Named, Promoted, read_promoted
from model import artefact
from tests.support.artefacts import untrained


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MISWEEPER_CLASSIFIER__MODELS", str(tmp_path))
    for name in ("one", "two"):
        artefact.save(tmp_path / name, replace(untrained(), name=name))
    return tmp_path


def run(*arguments):
    done = CliRunner().invoke(app, ["model", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refusal(*arguments):
    with pytest.raises(StartupError) as refused:
        CliRunner().invoke(app, ["model", *arguments], catch_exceptions=False)
    return str(refused.value)


def test_an_artefact_is_promoted_for_all_a_survey_or_as_shadow_and_listed_so(folder, monkeypatch):
    one, two = (artefact.load(folder / name).digest for name in ("one", "two"))
    assert run("promote", "one").startswith("promotion 1: one")
    run("promote", "two", "--survey", "ztf")
    assert "MISWEEPER_OUTPUTS__SHADOW" in refusal("promote", "two", "--shadow")
    monkeypatch.setenv("MISWEEPER_OUTPUTS__SHADOW", "shadow")
    run("promote", "two", "--shadow")
    named = Named("two", two)
    assert read_promoted(folder) == Promoted(3, Named("one", one), {"ztf": named}, named)
    listed = {each["folder"]: each["promoted"] for each in json.loads(run("list", "--json"))}
    assert listed == {"one": [ALL], "two": ["ztf", SHADOW]}
    assert all(name in run("list") for name in ("one", "two", one[:12], two[:12]))
    run("promote", "--shadow", "--withdraw")
    assert read_promoted(folder).shadow is None


def test_an_artefact_is_shown_and_verified(folder):
    digest = artefact.load(folder / "one").digest
    assert json.loads(run("show", "one"))["digest"] == digest
    assert digest in run("verify", "one")


@pytest.mark.parametrize("name", ["", "nowhere", "../one", ".hidden", "a/b", "one\n"])
def test_a_name_of_nothing_is_refused_before_anything_is_written(folder, name):
    for command in ("show", "verify", "promote"):
        refusal(command, name)
    assert read_promoted(folder) == Promoted()


@pytest.mark.parametrize(
    "arguments",
    [("one", "--withdraw"), (), ("one", "--survey", "atlas"), ("one", "--survey", "ztf", "--shadow")],
)
def test_what_contradicts_itself_is_refused(folder, arguments):
    refusal("promote", *arguments)
    assert read_promoted(folder) == Promoted()


def test_a_damaged_artefact_is_never_promoted(folder):
    weights = folder / "one" / artefact.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "damaged" in refusal("promote", "one")
    assert "damaged" in refusal("verify", "one")
    assert read_promoted(folder) == Promoted()


def test_without_a_folder_or_a_topic_the_variable_is_named(monkeypatch):
    assert "MISWEEPER_CLASSIFIER__MODELS" in refusal("list")
    assert "MISWEEPER_OUTPUTS__SHADOW" in refusal("compare")
