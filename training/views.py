"""What each survey's packets carry of an object, as functions from its full light curve and what is known of it.

Each view takes a light curve [T] of dtype OBSERVATION, a context and a generator, and gives both as the alerts of a
survey would have brought them by the object's last detection, which sends the last alert: what a survey measures later
nobody is told. None where no alert would have been sent. Where each law comes from stands with it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.dataset import Objects
from training.examples import Example
from training.recipe import Views
from training.ztf import as_ztf

View = Callable[[NDArray[np.void], np.void, np.random.Generator], Example | None]

FORCED_BEFORE_DAYS = 30.0


def plasticc(curve: NDArray[np.void], context: np.void, rng: np.random.Generator) -> Example | None:
    """All rows, from years before the first detection to years after the last, and the host's photo-z and dust."""
    _ = rng
    return Example(curve, context)


def detections(curve: NDArray[np.void], context: np.void, rng: np.random.Generator) -> Example | None:
    """Detections alone, and the host's photo-z and dust: no survey's, but what remains where nothing is forced."""
    _ = rng
    return Example(curve[curve["detected"]], context) if curve["detected"].any() else None


def rubin(curve: NDArray[np.void], context: np.void, rng: np.random.Generator) -> Example | None:
    """Detections, and forced photometry from the second detection on; of the host nothing.

    In real packets (v10, three objects) the first forced row has the time of the second detection, and no row is
    earlier than the first: a first alert is one row. PLAsTiCC's bands, cadence, noise and detections are Rubin's
    already: its errors in g, r, i are 190 to 320 nJy where those packets have 210, 250, 300.
    """
    return rubin_matched(curve, unmatched(context), rng)


def rubin_matched(curve: NDArray[np.void], context: np.void, rng: np.random.Generator) -> Example | None:
    """As `rubin`, with the photo-z and the dust of a cross-match."""
    _ = rng
    seen = curve["mjd_tai"][curve["detected"]]
    if len(seen) == 0:
        return None
    second = seen[1] if len(seen) > 1 else np.inf
    forced = (curve["mjd_tai"] >= second) & (curve["mjd_tai"] <= seen[-1])
    return Example(curve[curve["detected"] | forced], context)


def elasticc(curve: NDArray[np.void], context: np.void, rng: np.random.Generator) -> Example | None:
    """Detections, and forced photometry from 30 days before the first; the host's photo-z and dust.

    So in ELAsTiCC's alerts: of 2,240 last alerts the earliest row is 29.99 days before the first detection, the last
    row is always a detection; half of the observations of S/N 5.3 are detections, as in PLAsTiCC (5.5).
    """
    _ = rng
    seen = curve["mjd_tai"][curve["detected"]]
    if len(seen) == 0:
        return None
    within = (curve["mjd_tai"] >= seen[0] - FORCED_BEFORE_DAYS) & (curve["mjd_tai"] <= seen[-1])
    return Example(curve[within], context)


def ztf(curve: NDArray[np.void], context: np.void, rng: np.random.Generator) -> Example | None:
    """As ZTF would see a near or bright object of the same kind, of which nothing but the light curve is known."""
    seen = as_ztf(curve, context, rng)
    return None if seen is None else Example(seen.curve, unmatched(seen.context))


def ztf_matched(curve: NDArray[np.void], context: np.void, rng: np.random.Generator) -> Example | None:
    """As `ztf`, with the redshift and the dust of a cross-match."""
    return as_ztf(curve, context, rng)


VIEW_SEED = 0  # of the views that test parts are shown by
MATCHED = "-matched"  # how the name ends of a view with a cross-match
VIEWS: dict[str, View] = {
    "plasticc": plasticc,
    "detections": detections,
    "rubin": rubin,
    "rubin-matched": rubin_matched,
    "elasticc": elasticc,
    "ztf": ztf,
    "ztf-matched": ztf_matched,
}


def unmatched(context: np.void) -> np.void:
    """A context without its host; whether it lies in a deep field is known of every place."""
    known = context.copy()
    known["host_photoz"] = known["host_photoz_err"] = known["mwebv"] = np.nan
    return known


def ztf_versions(objects: Objects, recipe: Views, seed: int) -> list[list[Example]] | None:
    """By object [N] some examples of it as ZTF would see it, with all that is known; None where no views are drawn."""
    if len(validation_views(recipe)) == 1:
        return None
    found: list[list[Example]] = []
    for i, curve, context in zip(objects.ids, objects.curves, objects.contexts, strict=True):
        rng = np.random.default_rng([seed, int(i), 1])
        drawn = (as_ztf(curve, context, rng) for _ in range(recipe.ztf_versions if recipe.ztf else 0))
        found.append([example for example in drawn if example is not None])
    return found


def validation_views(recipe: Views) -> list[str]:
    """The views by which an epoch is chosen and a temperature fitted: PLAsTiCC's, and those that training draws."""
    drawn = {"rubin": recipe.rubin, "elasticc": recipe.elasticc, "ztf": recipe.ztf, "ztf-matched": recipe.ztf}
    return ["plasticc", *(name for name, share in drawn.items() if share)]


def viewed(objects: Objects, name: str, seed: int) -> Objects:
    """The objects [N'] of N that a view shows, as it shows them; they follow from the seed and each object's id."""
    shown = [
        VIEWS[name](curve, context, np.random.default_rng([seed, int(i)]))
        for i, curve, context in zip(objects.ids, objects.curves, objects.contexts, strict=True)
    ]
    seen = np.array([i for i, example in enumerate(shown) if example is not None], dtype=np.int64)
    examples = [example for example in shown if example is not None]
    contexts = np.array([example.context for example in examples], dtype=objects.contexts.dtype)
    return replace(objects.take(seen), curves=tuple(example.curve for example in examples), contexts=contexts)
