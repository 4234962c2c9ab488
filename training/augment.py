"""What a survey could as well have seen: later, fewer, noisier, with another photo-z or none (law 9)."""

import numpy as np
from numpy.typing import NDArray

from training.detection import detection_chance
from training.recipe import Augmentation

SMALLEST_PHOTOZ = 0.005  # 0 would mean our Galaxy


def augment(
    curve: NDArray[np.void], context: np.void, recipe: Augmentation, rng: np.random.Generator
) -> tuple[NDArray[np.void], np.void]:
    """A light curve [T'], at least one observation, and a context; the originals are untouched."""
    return augment_curve(curve, recipe, rng), augment_context(context, recipe, rng)


def augment_curve(curve: NDArray[np.void], recipe: Augmentation, rng: np.random.Generator) -> NDArray[np.void]:
    """A light curve [T'] as it might have been observed, at least one observation left."""
    if rng.random() < recipe.late_start:
        detections = np.flatnonzero(curve["detected"])
        curve = curve[rng.integers(0, detections[0] + 1 if len(detections) else len(curve)) :]
    if rng.random() < recipe.thin_share:
        keep = rng.random(len(curve)) >= rng.uniform(0, recipe.thin_most)
        keep[rng.integers(len(curve))] = True
        curve = curve[keep]
    if recipe.fewer_bands and rng.random() < recipe.fewer_bands:
        curve = in_some_bands(curve, rng)
    noisy = curve.copy()
    extra = rng.uniform(0, recipe.flux_noise)
    noisy["flux_njy"] += extra * rng.standard_normal(len(noisy), dtype=np.float32) * noisy["flux_err_njy"]
    noisy["flux_err_njy"] *= np.sqrt(1 + extra**2)
    noisy["detected"] = still_detected(curve, noisy, rng)
    if recipe.detections and rng.random() < recipe.detections and noisy["detected"].any():
        noisy = noisy[noisy["detected"]]
    return noisy


def in_some_bands(curve: NDArray[np.void], rng: np.random.Generator) -> NDArray[np.void]:
    """What [T'] is left of a curve in some of its bands; the whole curve where no detection would be left."""
    bands = np.unique(curve["band"])
    kept = rng.permutation(bands)[: int(rng.integers(1, len(bands) + 1))]
    left: NDArray[np.void] = curve[np.isin(curve["band"], kept)]
    return left if left["detected"].any() or not curve["detected"].any() else curve


def still_detected(curve: NDArray[np.void], noisy: NDArray[np.void], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which detections [T] are left by more noise; all of them rather than none."""
    before, after = (detection_chance(c["flux_njy"] / c["flux_err_njy"]) for c in (curve, noisy))
    left: NDArray[np.bool_] = curve["detected"] & (rng.random(len(curve)) * before < after)
    return left if left.any() else curve["detected"]


def augment_context(context: np.void, recipe: Augmentation, rng: np.random.Generator) -> np.void:
    """A context as another survey might know it.

    Photo-z, its error and mwebv of a few decimals name an object as a fingerprint does; noise keeps the network from
    learning objects by heart.
    """
    known = context.copy()
    if known["host_photoz"] > 0:
        if rng.random() < recipe.photoz_noise:
            redrawn = known["host_photoz"] + known["host_photoz_err"] * rng.standard_normal()
            known["host_photoz"] = max(redrawn, SMALLEST_PHOTOZ)
        known["host_photoz_err"] *= np.exp(recipe.context_noise * rng.standard_normal())
    known["mwebv"] *= np.exp(recipe.context_noise * rng.standard_normal())
    nothing = rng.random() < recipe.missing_all
    if nothing or rng.random() < recipe.missing_photoz:
        known["host_photoz"] = known["host_photoz_err"] = np.nan
    if nothing or rng.random() < recipe.missing_mwebv:
        known["mwebv"] = np.nan
    if nothing or rng.random() < recipe.missing_ddf:
        known["ddf"] = -1
    return known
