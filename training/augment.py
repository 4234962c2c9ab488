"""What a survey could as well have seen: later, fewer, noisier, farther, with another photo-z or none (law 9).

`farther` is the redshift augmentation of Avocado (Boone 2019, arXiv:1907.04690) without its Gaussian process: an object
is moved away by up to 1.5 mag, its light curve dimmed and stretched by (1 + z), and noise added so that errors stay
what the sky made them. The shift of the bands is left out, so the stretch is held below 1.2.
"""

import numpy as np
from numpy.typing import NDArray

from model.cosmology import luminosity_distance_gpc
from training.recipe import Augmentation

SMALLEST_PHOTOZ = 0.005  # 0 would mean our Galaxy
MOST_STRETCH = 1.2
DIMMEST = 0.25  # share of the flux that is left
DETECTION_SNR = 3.5  # a detection that falls below it is none any more
FEWEST_DETECTIONS = 2  # as PLAsTiCC has it; an object that would have fewer stays where it is
_Z = np.linspace(0, 6, 6001)
_DISTANCE = luminosity_distance_gpc(_Z)


def augment(
    curve: NDArray[np.void], context: np.void, recipe: Augmentation, rng: np.random.Generator
) -> tuple[NDArray[np.void], np.void]:
    """A light curve [T'], at least one observation, and a context; the originals are untouched."""
    if rng.random() < recipe.farther_share:
        curve, context = farther(curve, context, rng)
    return augment_curve(curve, recipe, rng), augment_context(context, recipe, rng)


def farther(curve: NDArray[np.void], context: np.void, rng: np.random.Generator) -> tuple[NDArray[np.void], np.void]:
    """The same object farther away; in our Galaxy, or where nobody knows a redshift, only dimmer."""
    share, stretch = np.exp(rng.uniform(np.log(DIMMEST), 0)), 1.0
    moved = context.copy()
    if context["host_photoz"] > 0:
        z = float(context["host_photoz"])
        near = np.interp(z, _Z, _DISTANCE)
        away = min(float(np.interp(near / np.sqrt(share), _DISTANCE, _Z)), (1 + z) * MOST_STRETCH - 1)
        away = max(away, z)
        stretch = (1 + away) / (1 + z)
        share = (near / np.interp(away, _Z, _DISTANCE)) ** 2
        moved["host_photoz"] = away
        moved["host_photoz_err"] = context["host_photoz_err"] * stretch
    seen = curve.copy()
    error = curve["flux_err_njy"]
    noise = rng.standard_normal(len(curve), dtype=np.float32) * error * np.float32(np.sqrt(max(1 - share**2, 0.0)))
    seen["flux_njy"] = curve["flux_njy"] * np.float32(share) + noise
    seen["mjd_tai"] = curve["mjd_tai"][0] + (curve["mjd_tai"] - curve["mjd_tai"][0]) * stretch
    seen["detected"] &= np.abs(seen["flux_njy"]) > DETECTION_SNR * error
    if seen["detected"].sum() < FEWEST_DETECTIONS:
        return curve, context
    return seen, moved


def augment_curve(curve: NDArray[np.void], recipe: Augmentation, rng: np.random.Generator) -> NDArray[np.void]:
    """A light curve [T'] as it might have been observed, at least one observation left."""
    if rng.random() < recipe.late_start:
        detections = np.flatnonzero(curve["detected"])
        curve = curve[rng.integers(0, detections[0] + 1 if len(detections) else len(curve)) :]
    if rng.random() < recipe.thin_share:
        keep = rng.random(len(curve)) >= rng.uniform(0, recipe.thin_most)
        keep[rng.integers(len(curve))] = True
        curve = curve[keep]
    noisy = curve.copy()
    extra = rng.uniform(0, recipe.flux_noise)
    noisy["flux_njy"] += extra * rng.standard_normal(len(noisy), dtype=np.float32) * noisy["flux_err_njy"]
    noisy["flux_err_njy"] *= np.sqrt(1 + extra**2)
    return noisy


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
