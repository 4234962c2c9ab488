"""The same object at another redshift, as Avocado makes it (Boone 2019, arXiv:1907.04690).

A Gaussian process in time and wavelength (Matern 3/2) knows the light curve between its points. Moved to redshift z',
what was at wavelength w and time t is seen at w (1 + z') / (1 + z), stretched in time as much and dimmed by distance;
it is observed at the times, in the bands and with the noise of the original, and detected as a survey would. The
photo-z stands for the redshift, since nothing else is known where a classifier works. Of an object of our Galaxy a
version is the same star nearer: brighter by one factor.

The linear algebra is torch's, which keeps to the threads it was given.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.cosmology import luminosity_distance_gpc
from model.running import WAVELENGTHS_NM
from training.dataset import Objects
from training.detection import FEWEST, detection_chance
from training.examples import Example, plain_pool
from training.recipe import Redshift

Floats = NDArray[np.float64]

WAVELENGTH_SCALE_NM = 600.0  # Avocado's
TIME_SCALES_DAYS = (12.0, 35.0, 100.0)  # of which each object has the likeliest
LEAST_ERROR = 0.01  # of the flux: keeps the covariance of the brightest objects invertible
TRIES = 4  # to move an object so that it is still detected


class Process(NamedTuple):
    """A Gaussian process given a light curve [n]; fluxes in units of `amplitude`."""

    days: Tensor  # [n], since `origin`
    wavelengths_nm: Tensor  # [n]
    inverse: Tensor  # [n, n]: of the covariance of the points
    coefficients: Tensor  # [n]
    time_scale_days: float
    amplitude_njy: float
    origin_mjd: float  # of the largest S/N


def process(curve: NDArray[np.void]) -> Process:
    """The process of a light curve [n >= 1], its time scale the likeliest of TIME_SCALES_DAYS."""
    flux, error = curve["flux_njy"].astype(float), curve["flux_err_njy"].astype(float)
    peak = int(np.argmax(flux / error))
    amplitude = max(abs(float(flux[peak])), float(error[peak]))
    scaled = torch.from_numpy(flux / amplitude)
    noise = torch.from_numpy(np.hypot(error, LEAST_ERROR * flux) / amplitude)
    days = torch.from_numpy(curve["mjd_tai"] - curve["mjd_tai"][peak])
    wavelengths = torch.from_numpy(WAVELENGTHS_NM[curve["band"]])
    roots = {
        scale: torch.linalg.cholesky(kernel(days, wavelengths, days, wavelengths, scale) + torch.diag(noise**2))
        for scale in TIME_SCALES_DAYS
    }
    likeliest = max(roots, key=lambda scale: log_likelihood(roots[scale], scaled))
    inverse = torch.cholesky_inverse(roots[likeliest])
    origin = float(curve["mjd_tai"][peak])
    return Process(days, wavelengths, inverse, inverse @ scaled, likeliest, amplitude, origin)


def log_likelihood(root: Tensor, values: Tensor) -> float:
    """Of values [n] under a normal distribution of mean 0 whose covariance has this root, but for a constant."""
    white = torch.linalg.solve_triangular(root, values[:, None], upper=False)
    return float(-white.square().sum() / 2 - root.diagonal().log().sum())


def kernel(days: Tensor, wavelengths: Tensor, other_days: Tensor, other_wavelengths: Tensor, scale: float) -> Tensor:
    """Matern 3/2 of unit variance [n, m] between points [n] and [m]."""
    r2 = ((days[:, None] - other_days) / scale) ** 2
    r2 += ((wavelengths[:, None] - other_wavelengths) / WAVELENGTH_SCALE_NM) ** 2
    root = (3 * r2).sqrt()
    return (1 + root) * (-root).exp()


def predict(known: Process, days: Floats, wavelengths: Floats) -> tuple[Floats, Floats]:
    """Mean flux [m] and its error [m], in nJy, at times since the origin [m] and wavelengths [m]."""
    times, places = torch.from_numpy(days), torch.from_numpy(wavelengths)
    across = kernel(times, places, known.days, known.wavelengths_nm, known.time_scale_days)
    mean = across @ known.coefficients
    variance = 1 - ((across @ known.inverse) * across).sum(dim=1)
    return mean.numpy() * known.amplitude_njy, variance.clamp_min(0).sqrt().numpy() * known.amplitude_njy


def move(
    curve: NDArray[np.void], known: Process, redshifts: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.void]:
    """The light curve [n] of an object at the first redshift as it looks at the second, its largest S/N at its time."""
    z, moved_z = redshifts
    stretch = (1 + moved_z) / (1 + z)
    near, far = luminosity_distance_gpc(np.array(redshifts))
    share = stretch * (near / far) ** 2  # of the flux per frequency
    days = (curve["mjd_tai"] - known.origin_mjd) / stretch
    mean, error = predict(known, days, WAVELENGTHS_NM[curve["band"]] / stretch)
    seen = curve.copy()
    noise = curve["flux_err_njy"].astype(float)
    seen["flux_njy"] = share * mean + noise * rng.standard_normal(len(curve))
    seen["flux_err_njy"] = np.hypot(noise, share * error)
    seen["detected"] = rng.random(len(curve)) < detection_chance(seen["flux_njy"] / seen["flux_err_njy"])
    return seen


def whole_pool(objects: Objects, recipe: Redshift, seed: int) -> list[list[Example]]:
    """The examples of objects [N]: each as it is, then its versions."""
    return [own + moved for own, moved in zip(plain_pool(objects), versions(objects, recipe, seed), strict=True)]


def versions(objects: Objects, recipe: Redshift, seed: int) -> list[list[Example]]:
    """By object [N]: up to `recipe.versions` of it farther, or nearer; none of those whose distance nobody knows.

    They follow from the recipe, the seed, the object and its id alone, at the same number of threads.
    """
    result: list[list[Example]] = [[] for _ in range(len(objects))]
    photoz = objects.contexts["host_photoz"]
    for i in np.flatnonzero(photoz >= 0 if recipe.brighter_mag else photoz > 0) if recipe.versions else ():
        rng = np.random.default_rng([seed, int(objects.ids[i])])
        if photoz[i] == 0:
            factors = 10 ** (0.4 * rng.uniform(0, recipe.brighter_mag, recipe.versions))
            result[i] = [Example(brighter(objects.curves[i], factor), objects.contexts[i]) for factor in factors]
            continue
        known = process(objects.curves[i])
        drawn = (draw(objects.curves[i], objects.contexts[i], known, recipe, rng) for _ in range(recipe.versions))
        result[i] = [version for version in drawn if version is not None]
    return result


def elsewhere(objects: Objects, recipe: Redshift, seed: int) -> Objects:
    """Those [N'] of objects [N] that have versions, each as one of them."""
    one = versions(objects, recipe.model_copy(update={"versions": min(recipe.versions, 1)}), seed)
    moved = np.array([i for i, options in enumerate(one) if options], dtype=np.int64)
    contexts = np.array([one[i][0].context for i in moved], dtype=objects.contexts.dtype)
    return replace(objects.take(moved), curves=tuple(one[i][0].curve for i in moved), contexts=contexts)


def brighter(curve: NDArray[np.void], factor: float) -> NDArray[np.void]:
    """The light curve [n] brighter by a factor, and its errors with it: a star's noise cannot be taken away again."""
    found = curve.copy()
    found["flux_njy"] *= np.float32(factor)
    found["flux_err_njy"] *= np.float32(factor)
    return found


def draw(
    curve: NDArray[np.void], context: np.void, known: Process, recipe: Redshift, rng: np.random.Generator
) -> Example | None:
    """One version, or None where nobody would have detected it."""
    z = float(context["host_photoz"])
    nearest, farthest = z * recipe.nearest, min(z * recipe.farthest, (1 + z) * recipe.most_stretch - 1)
    for _ in range(TRIES):
        moved_z = float(np.exp(rng.uniform(np.log(nearest), np.log(farthest))))
        seen = move(curve, known, (z, moved_z), rng)
        if seen["detected"].sum() >= FEWEST:
            moved = context.copy()
            moved["host_photoz"] = moved_z
            moved["host_photoz_err"] = context["host_photoz_err"] * (1 + moved_z) / (1 + z)
            return Example(seen, moved)
    return None
