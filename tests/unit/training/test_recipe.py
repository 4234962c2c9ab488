import pytest
from pydantic import ValidationError

from model.artefact import DEFAULT
from model.artefact import load as load_artefact
from training import recipe
from training.recipe import SHIPPED, Recipe, RecipeError, load


def test_the_shipped_recipe_spells_out_every_setting() -> None:
    shipped = load(SHIPPED)
    assert shipped.name == SHIPPED == load_artefact(DEFAULT).record["recipe"]["name"]
    for part in ("network", "optimiser", "sampling", "augmentation", "redshift", "views"):
        own = getattr(shipped, part)
        assert own.model_fields_set == set(type(own).model_fields), f"[{part}] leaves a setting to the code"


def test_the_first_recipe_is_what_the_code_takes_where_nothing_is_said() -> None:
    assert load("plasticc") == Recipe(name="plasticc")


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(ValidationError):
        load(SHIPPED).seed = 3


def test_an_unknown_recipe_names_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"there are: .*plasticc"):
        load("plastic")


@pytest.mark.parametrize(
    ("text", "why"),
    [("[network]\nhiden = 3", "hiden"), ("seed = 'x'", "seed"), ("seed = ", "Invalid value"), ("new = 1", "new")],
)
def test_a_recipe_that_cannot_be_says_what_is_wrong(tmp_path, monkeypatch, text: str, why: str) -> None:
    (tmp_path / "odd.toml").write_text(text)
    monkeypatch.setattr(recipe, "RECIPES", tmp_path)
    with pytest.raises(RecipeError, match=why):
        load("odd")


def test_a_recipe_survives_its_json() -> None:
    shipped = load(SHIPPED)
    assert Recipe.model_validate_json(shipped.model_dump_json()) == shipped
