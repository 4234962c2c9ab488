"""An object of PLAsTiCC as ZTF would see one of its kind: nearer or brighter, in g and r, at ZTF's cadence and depth.

The laws are those of 651 detections of 26 objects in real ZTF alerts (public histories of alerts, 2018 to 2024):

- A detection of flux F has an error of sqrt(SKY^2 + PER_NJY F + (FLOOR F)^2): medians 4.7, 5.8, 9.1, 14.5, 27.5 x 10^3
  nJy at magnitudes 21, 20, 19, 18, 17 in g. Five such errors are a magnitude of 20.2; limits of real packets have a
  median of 20.4 (schema 3.3 and 4.01).
- Gaps between detections in one band: a quarter below 0.93 d, half below 1.99 d, nine in ten below 5.98 d.
- A packet reaches back 28 to 30 days from its detection. It holds limits (prv_candidates) of non-detections, or, since
  schema 4, forced photometry.
"""

import numpy as np
from numpy.typing import NDArray

from model.cosmology import luminosity_distance_gpc
from model.observation import BANDS, OBSERVATION
from model.running import WAVELENGTHS_NM
from training.detection import FEWEST
from training.examples import Example
from training.redshift import brighter, predict, process

SKY_NJY, PER_NJY, FLOOR = 3300.0, 790.0, 0.03
NIGHTS = 0.3  # scatter of ln SKY from visit to visit: moon, clouds, airmass
GAPS_DAYS = ((0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0), (0.01, 0.02, 0.93, 1.99, 3.09, 5.98, 20.0))
HALF_SNR, SPREAD = 5.0, 0.5  # of detections
BEFORE_DAYS = 30.0
PEAKS_MAG = (16.5, 20.0)  # of objects moved near: where most of the alerts of those 26 are
STARS_MAG = (14.5, 20.0)  # of objects made bright
LONGEST_DAYS = 400.0
NEAREST = 0.005  # redshift
I_BAND = 0.1  # of objects that are seen in i too; in three sets of real ZTF light curves 3 to 8 % of the rows
KINDS = ("detections", "limits", "forced")
KIND_SHARES = (0.6, 0.2, 0.2)
REDSHIFT_ERRORS = (0.02, 0.001)  # x (1 + z): as a catalogue of photo-z or of spectra would have so near a host
SURE = 0.2  # of the flux: where the Gaussian process knows less, there was no visit


def as_ztf(curve: NDArray[np.void], context: np.void, rng: np.random.Generator) -> Example | None:
    """The light curve and the context of the object moved near, or made bright; None where it is not detected twice."""
    bands = [BANDS.index(b) for b in ("gri" if rng.random() < I_BAND else "gr")]
    known = context.copy()
    known["ddf"] = 0  # of Rubin's deep fields next to none of ZTF's objects lies in one
    if context["host_photoz"] > 0:
        seen, z = near(curve, float(context["host_photoz"]), bands, rng)
        known["host_photoz"], known["host_photoz_err"] = z, rng.choice(REDSHIFT_ERRORS) * (1 + z)
    else:
        seen = bright(curve, bands, rng)
    seen = observed(seen, rng)
    if seen["detected"].sum() < FEWEST:
        return None
    return Example(carried(seen, str(rng.choice(KINDS, p=KIND_SHARES))), known)


def near(
    curve: NDArray[np.void], z: float, bands: list[int], rng: np.random.Generator
) -> tuple[NDArray[np.void], float]:
    """The object without noise at ZTF's visits, as bright as ZTF's objects, and its redshift there.

    It is as far as its brightness says, but no nearer than NEAREST and no farther than it was.
    """
    known = process(curve)
    detected = curve[curve["detected"]] if curve["detected"].any() else curve
    days = detected["mjd_tai"] - known.origin_mjd
    shifts = np.geomspace(NEAREST, max(z, 2 * NEAREST), 40)
    stretch = (1 + shifts) / (1 + z)
    distances = luminosity_distance_gpc(np.append(shifts, z))
    shares = stretch * (distances[-1] / distances[:-1]) ** 2
    mean, _ = predict(known, days, np.full(len(days), WAVELENGTHS_NM[BANDS.index("r")]))
    peak = max(float(mean.max()), 1e-3)
    wanted = 10 ** (0.4 * (31.4 - rng.uniform(*PEAKS_MAG)))
    at = int(np.argmin(np.abs(np.log(shares * peak / wanted))))
    begin, end = days[0] * stretch[at] - BEFORE_DAYS, days[-1] * stretch[at] + 1
    if end - begin > LONGEST_DAYS:
        begin = rng.uniform(begin, end - LONGEST_DAYS)
        end = begin + LONGEST_DAYS
    times, band = visits(begin, end, bands, rng)
    found = np.zeros(len(times), dtype=OBSERVATION)
    flux, error = predict(known, times / stretch[at], WAVELENGTHS_NM[band] / stretch[at])
    found["mjd_tai"], found["band"] = known.origin_mjd + times, band
    found["flux_njy"], found["flux_err_njy"] = shares[at] * flux, shares[at] * error
    known_well = found["flux_err_njy"] <= np.maximum(noise(found["flux_njy"]), SURE * np.abs(found["flux_njy"]))
    return found[known_well], float(shifts[at])


def visits(
    begin: float, end: float, bands: list[int], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Times [n] between two, ascending, and their bands [n]."""
    times, where = [], []
    for band in bands:
        most = int((end - begin) / 2) + 10
        own = begin + np.cumsum(np.interp(rng.random(most), *GAPS_DAYS))
        own = own[own < end]
        times.append(own)
        where.append(np.full(len(own), band))
    order = np.argsort(np.concatenate(times), kind="stable")
    return np.concatenate(times)[order], np.concatenate(where)[order]


def bright(curve: NDArray[np.void], bands: list[int], rng: np.random.Generator) -> NDArray[np.void]:
    """The rows in ZTF's bands, brighter by one factor; their errors are what noise they have already.

    A star's light varies within hours, which no process of PLAsTiCC's few points can follow: so its times stay.
    """
    found: NDArray[np.void] = curve[np.isin(curve["band"], bands)].copy()
    if len(found) == 0:
        return found
    peak = np.abs(found["flux_njy"][np.argmax(np.abs(found["flux_njy"]) / found["flux_err_njy"])])
    return brighter(found, max(10 ** (0.4 * (31.4 - rng.uniform(*STARS_MAG))) / max(float(peak), 1e-3), 1.0))


def noise(flux: NDArray[np.floating], sky: NDArray[np.floating] | float = SKY_NJY) -> NDArray[np.float64]:
    """The error [n] of fluxes [n], in nJy."""
    size = np.abs(flux).astype(float)
    error: NDArray[np.float64] = np.sqrt(np.square(sky) + PER_NJY * size + (FLOOR * size) ** 2)
    return error


def observed(curve: NDArray[np.void], rng: np.random.Generator) -> NDArray[np.void]:
    """The same rows with ZTF's noise, and what of them ZTF calls a detection."""
    seen = curve.copy()
    error = noise(curve["flux_njy"], SKY_NJY * np.exp(NIGHTS * rng.standard_normal(len(curve))))
    seen["flux_njy"] += error * rng.standard_normal(len(curve))
    seen["flux_err_njy"] = np.hypot(error, curve["flux_err_njy"])
    snr = np.abs(seen["flux_njy"] / seen["flux_err_njy"])
    seen["detected"] = snr > HALF_SNR + SPREAD * rng.standard_normal(len(curve))
    return seen


def carried(curve: NDArray[np.void], kind: str) -> NDArray[np.void]:
    """What packets of a kind hold of a curve: detections alone, or what is not one as limits or as forced fluxes."""
    detections = curve["mjd_tai"][curve["detected"]]
    if kind == "detections":
        detected: NDArray[np.void] = curve[curve["detected"]]
        return detected
    within = (curve["mjd_tai"] >= detections[0] - BEFORE_DAYS) & (curve["mjd_tai"] <= detections[-1])
    found: NDArray[np.void] = curve[within].copy()
    if kind == "limits":
        found["flux_njy"][~found["detected"]] = 0  # as the adapter reads them: no flux, a fifth of the limit as error
    return found
