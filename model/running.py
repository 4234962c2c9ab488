"""Running values of a light curve: how one observation changes them, and what they say then.

The carry of a curve is one row of numbers: running sums, extremes, latest values and times. Values that are kept as
float32 in a stored state are rounded to it here, at once, so that a curve taken up from a state goes on bit for bit as
if it had never been put away (law 2). Everything depends on the observations up to the present one alone (law 9).

Fluxes are in FLUXCAL, luminosities FLUXCAL x (d_L / Gpc)^2, times days.
"""

import math

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_BANDS = 6
WAVELENGTHS_NM = np.array([367.1, 482.7, 622.3, 754.6, 869.1, 971.2])  # effective, LSST ugrizy

# Every running value by name: its width, what it is before any observation, and how a stored state keeps it.
CARRY = (
    dict.fromkeys(("sum", "sum2", "weight", "weighted", "weighted2"), (N_BANDS, 0.0, "<f8"))
    | {"band_mjd": (N_BANDS, math.nan, "<f8")}
    | dict.fromkeys(("first", "last", "first_detection", "last_detection", "peak"), (1, math.nan, "<f8"))
    | {"count": (N_BANDS, 0.0, "<f4"), "detections": (1, 0.0, "<f4")}
    | {
        name: (width, -math.inf, "<f4")
        for name, width in (("max", 6), ("max_snr", 6), ("max_flux", 1), ("peak_snr", 1))
    }
    | {name: (width, math.inf, "<f4") for name, width in (("min", 6), ("min_snr", 6), ("min_flux", 1))}
    | {"band_last": (N_BANDS, math.nan, "<f4"), "last_flux": (1, math.nan, "<f4")}
)
CARRY_SIZE = sum(width for width, _, _ in CARRY.values())
AT = dict(zip(CARRY, np.cumsum([0, *(width for width, _, _ in CARRY.values())]).tolist(), strict=False))
WIDE = sum(width for width, _, kept in CARRY.values() if kept == "<f8")  # the first so many are kept as float64

SUM, SUM2, WEIGHT, WEIGHTED, WEIGHTED2 = (AT[n] for n in ("sum", "sum2", "weight", "weighted", "weighted2"))
BAND_MJD, FIRST, LAST = (AT[n] for n in ("band_mjd", "first", "last"))
FIRST_DETECTION, LAST_DETECTION, PEAK = (AT[n] for n in ("first_detection", "last_detection", "peak"))
COUNT, DETECTIONS = AT["count"], AT["detections"]
MAX, MAX_SNR, MAX_FLUX, PEAK_SNR = (AT[n] for n in ("max", "max_snr", "max_flux", "peak_snr"))
MIN, MIN_SNR, MIN_FLUX = (AT[n] for n in ("min", "min_snr", "min_flux"))
BAND_LAST, LAST_FLUX = AT["band_last"], AT["last_flux"]

# What is known beside the light curve, one row a curve; see `features.hosts`.
PHOTOZ, PHOTOZ_ERR, MISSING, GALACTIC, MWEBV, DDF, STRETCH, DISTANCE2 = range(8)
HOST_SIZE = 8


def start_carry(size: int) -> Floats:
    """The carry [B, CARRY_SIZE] before any observation."""
    return np.tile(np.concatenate([np.full(width, value) for width, value, _ in CARRY.values()]), (size, 1))


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def span(later: float, earlier: float) -> float:
    """Days between two times, 0 where the earlier has not happened."""
    days = later - earlier
    return days if days > 0 else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def seen(extreme: float) -> float:
    """A running extreme, 0 where there is none yet."""
    return extreme if math.isfinite(extreme) else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def known(value: float) -> float:
    """A number, 0 where it is not known."""
    return 0.0 if math.isnan(value) else value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def walk(
    mjd: Floats, fluxes: NDArray[np.float32], errors: NDArray[np.float32], bands: NDArray[np.uint8],
    detected: NDArray[np.bool_], starts: NDArray[np.int64], ends: NDArray[np.int64], hosts: Floats,
    carry: Floats, wanted: NDArray[np.bool_], inputs: NDArray[np.float32], statistics: NDArray[np.float32],
) -> None:  # fmt: skip
    """Take B curves through their observations, some of M in all.

    Args:
        mjd: [M]; with fluxes, errors [FLUXCAL], bands and detected.
        starts: [B], where each curve's observations begin.
        ends: [B], and where they end.
        hosts: [B, HOST_SIZE].
        carry: [B, CARRY_SIZE], written to.
        wanted: [M], after which observations the statistics are wanted.
        inputs: [M, F], written to.
        statistics: [M, S], written to.
    """
    for i in range(len(starts)):
        for j in range(starts[i], ends[i]):
            observe(mjd[j], fluxes[j], errors[j], bands[j], detected[j], hosts[i], carry[i], inputs[j])
            if wanted[j]:
                sum_up(mjd[j], hosts[i], carry[i], statistics[j])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def observe(
    mjd: float, flux: np.float32, error: np.float32, band: int, detected: bool, host: Floats,
    carry: Floats, inputs: NDArray[np.float32],
) -> None:  # fmt: skip
    """Change a carry by one observation, and write the columns `features.INPUTS` of it."""
    size, snr = np.float32(math.asinh(flux / np.float32(10))), np.float32(flux / error)
    weight = np.float32(1.0 / (np.float64(error) * np.float64(error)))
    stretch = host[STRETCH]
    dt, dt_band = span(mjd, carry[LAST]), span(mjd, carry[BAND_MJD + band])
    change, change_any = known(size - carry[BAND_LAST + band]), known(size - carry[LAST_FLUX])

    carry[COUNT + band] += 1
    carry[SUM + band] += size
    carry[SUM2 + band] += np.float32(size * size)
    carry[WEIGHT + band] += weight
    carry[WEIGHTED + band] += np.float32(weight * flux)
    carry[WEIGHTED2 + band] += np.float32(weight * np.float32(flux * flux))
    carry[MAX + band], carry[MIN + band] = max(carry[MAX + band], size), min(carry[MIN + band], size)
    carry[MAX_SNR + band], carry[MIN_SNR + band] = max(carry[MAX_SNR + band], snr), min(carry[MIN_SNR + band], snr)
    carry[MAX_FLUX], carry[MIN_FLUX] = max(carry[MAX_FLUX], flux), min(carry[MIN_FLUX], flux)
    if math.isnan(carry[FIRST]):
        carry[FIRST] = mjd
    if detected:
        if carry[DETECTIONS] == 0:
            carry[FIRST_DETECTION] = mjd
        carry[LAST_DETECTION] = mjd
        carry[DETECTIONS] += 1
    if snr > carry[PEAK_SNR]:
        carry[PEAK], carry[PEAK_SNR] = mjd, snr
    carry[BAND_MJD + band], carry[BAND_LAST + band] = mjd, size
    carry[LAST], carry[LAST_FLUX] = mjd, size

    since_detection, since_peak = span(mjd, carry[FIRST_DETECTION]), span(mjd, carry[PEAK])
    largest = max(carry[MAX_FLUX], -carry[MIN_FLUX])
    inputs[0] = size
    inputs[1] = math.log10(error)
    inputs[2] = math.asinh(snr / np.float32(2))
    inputs[3] = 1.0 if detected else 0.0
    inputs[4] = flux / max(largest, 1e-9)
    inputs[5] = math.log1p(dt)
    inputs[6] = math.log1p(dt / stretch)
    inputs[7] = math.log1p(since_detection)
    inputs[8] = math.log1p(since_detection / stretch)
    inputs[9] = math.log1p(since_peak)
    inputs[10] = math.asinh(flux * host[DISTANCE2] / 10)
    inputs[11] = math.log1p(dt_band)
    inputs[12] = change
    inputs[13] = change / (1 + dt_band)
    inputs[14] = change_any
    inputs[15] = math.log(WAVELENGTHS_NM[band] / 600) - math.log(stretch)
    inputs[16] = host[PHOTOZ]
    inputs[17] = host[GALACTIC]
    inputs[18] = host[MISSING]
    for other in range(N_BANDS):
        inputs[19 + other] = 1.0 if other == band else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def sum_up(mjd: float, host: Floats, carry: Floats, statistics: NDArray[np.float32]) -> None:
    """Write the columns `features.STATISTICS` of a carry at a time."""
    total = 0.0
    for band in range(N_BANDS):
        count = carry[COUNT + band]
        total += count
        if count == 0:
            for k in range(11):
                statistics[N_BANDS * k + band] = 0.0
            continue
        mean = carry[SUM + band] / count
        weighted = carry[WEIGHTED + band]
        average = weighted / max(carry[WEIGHT + band], 1e-300)
        chi2 = max(carry[WEIGHTED2 + band] - weighted * average, 0.0) / count
        statistics[band] = carry[MAX + band]
        statistics[N_BANDS + band] = carry[MIN + band]
        statistics[2 * N_BANDS + band] = mean
        statistics[3 * N_BANDS + band] = math.sqrt(max(carry[SUM2 + band] / count - mean * mean, 0.0))
        statistics[4 * N_BANDS + band] = math.asinh(carry[MAX_SNR + band] / 2)
        statistics[5 * N_BANDS + band] = math.asinh(carry[MIN_SNR + band] / 2)
        statistics[6 * N_BANDS + band] = math.log1p(count)
        statistics[7 * N_BANDS + band] = math.asinh(average / 10)
        statistics[8 * N_BANDS + band] = math.log1p(chi2)
        statistics[9 * N_BANDS + band] = carry[BAND_LAST + band]
        statistics[10 * N_BANDS + band] = math.log1p(span(mjd, carry[BAND_MJD + band]))
    stretch, at = host[STRETCH], 11 * N_BANDS
    since_detection, since_peak = span(mjd, carry[FIRST_DETECTION]), span(mjd, carry[PEAK])
    on = span(carry[LAST_DETECTION], carry[FIRST_DETECTION])
    high, deep = seen(carry[MAX_FLUX]), seen(carry[MIN_FLUX])
    statistics[at] = math.log1p(total)
    statistics[at + 1] = math.log1p(carry[DETECTIONS])
    statistics[at + 2] = carry[DETECTIONS] / max(total, 1.0)
    statistics[at + 3] = math.log1p(span(mjd, carry[FIRST]))
    statistics[at + 4] = math.log1p(since_detection)
    statistics[at + 5] = math.log1p(since_detection / stretch)
    statistics[at + 6] = math.log1p(on)
    statistics[at + 7] = math.log1p(on / stretch)
    statistics[at + 8] = math.log1p(since_peak)
    statistics[at + 9] = math.log1p(since_peak / stretch)
    statistics[at + 10] = math.asinh(seen(carry[PEAK_SNR]) / 2)
    statistics[at + 11] = math.asinh(high / 10)
    statistics[at + 12] = math.asinh(deep / 10)
    statistics[at + 13] = math.asinh(high * host[DISTANCE2] / 10)
    statistics[at + 14] = math.asinh(deep * host[DISTANCE2] / 10)
    statistics[at + 15] = math.log1p(span(carry[PEAK], carry[FIRST_DETECTION]))
    statistics[at + 16] = host[PHOTOZ]
    statistics[at + 17] = math.log(stretch)
    statistics[at + 18] = host[PHOTOZ_ERR]
    statistics[at + 19] = known(host[MWEBV])
    statistics[at + 20] = max(host[DDF], 0.0)
    statistics[at + 21] = host[GALACTIC]
    statistics[at + 22] = host[MISSING]
    statistics[at + 23] = 1.0 if math.isnan(host[MWEBV]) else 0.0
    statistics[at + 24] = 1.0 if host[DDF] < 0 else 0.0
