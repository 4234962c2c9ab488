"""A recipe: everything that decides how a network is trained, typed and frozen; read from recipes/*.toml."""

import tomllib
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

RECIPES = files(__package__) / "recipes"
SHIPPED = "views"  # what the shipped artefact was trained with


class RecipeError(ValueError):
    """No such recipe, or it says what no recipe can say."""


class Part(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(Part):
    """Sizes of the network."""

    hidden: int = 128
    layers: int = 1
    head: int = 192
    embedding: int = 64
    dropout: float = 0.0  # between layers
    head_dropout: float = 0.25


class Optimiser(Part):
    """AdamW with a cosine schedule counted in epochs, and an average of the weights."""

    epochs: int = 60  # of the schedule
    patience: int = 60  # epochs without a better validation loss after which a run stops early
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    average: float = 0.998
    precision: Literal["float32", "bfloat16"] = "bfloat16"


class Sampling(Part):
    """Which objects an epoch sees, and after which observations it asks for the class."""

    class_power: float = -0.5  # objects of class c are drawn with probability ~ N_c ** class_power
    loss: Literal["weighted", "adjusted"] = "weighted"  # how draws become the metric: see batches.class_draws
    readouts: int = 10  # of which one is the full curve
    full_weight: float = 2.0  # the full curve's weight among the readouts
    longest_days: float = 150.0  # readouts by time lie between 1 day and so many after the first detection


class Augmentation(Part):
    """What is done to a curve before each epoch."""

    late_start: float = 0.1  # of curves that begin later, with their first detection at the latest
    thin_share: float = 0.7  # of curves that lose observations
    thin_most: float = 0.7  # of its observations that such a curve loses at most
    flux_noise: float = 1.0  # extra noise, at most so many errors; it hides detections
    photoz_noise: float = 0.5  # of curves whose photo-z is redrawn by its error
    context_noise: float = 0.1  # relative noise of mwebv and of the photo-z's error
    missing_photoz: float = 0.1
    missing_mwebv: float = 0.1
    missing_ddf: float = 0.1
    missing_all: float = 0.1
    detections: float = 0.0  # of curves that are cut to their detections, if they have any
    fewer_bands: float = 0.0  # of curves that are seen in some of their bands alone


class Redshift(Part):
    """Versions of each object at other distances, made once, of which an epoch draws."""

    share: float = 0.4  # of the draws of an object that has versions
    versions: int = 6  # of each object
    nearest: float = 0.8  # new redshifts, in units of the old one
    farthest: float = 2.2
    most_stretch: float = 1.5  # of time
    brighter_mag: float = (
        0.0  # by how many magnitudes at most objects of our Galaxy, which have no redshift, are nearer
    )


class Views(Part):
    """In which share of the draws an object is shown as each survey's packets show it; in the rest as PLAsTiCC does."""

    rubin: float = 0.0
    elasticc: float = 0.0
    ztf: float = 0.0
    matched: float = 0.5  # of Rubin's and ZTF's, those whose host a cross-match has found
    ztf_versions: int = 3  # of each object, made once


class Recipe(Part):
    """A whole recipe."""

    name: str
    seed: int = 2018
    network: Network = Network()
    optimiser: Optimiser = Optimiser()
    sampling: Sampling = Sampling()
    augmentation: Augmentation = Augmentation()
    redshift: Redshift = Redshift()
    views: Views = Views()


def load(name: str) -> Recipe:
    """A recipe by name. Raises RecipeError that names what there is, or what is wrong."""
    described = settings(name)
    try:
        return Recipe(name=name, **described)
    except ValueError as error:
        raise RecipeError(f"recipe {name}: {error}") from error


def settings(name: str) -> dict[str, Any]:
    """What the recipe's file says. Raises RecipeError."""
    path = RECIPES / f"{name}.toml"
    if not path.is_file():
        known = sorted(f.name.removesuffix(".toml") for f in RECIPES.iterdir() if f.name.endswith(".toml"))
        raise RecipeError(f"no recipe {name!r}; there are: {', '.join(known)}")
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {name}: {error}") from error
