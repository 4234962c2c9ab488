"""Observations to numbers: the only code that does it (law 1), for training, for batches and for the stream.

`encode` takes light curves [B, T] and the carry that an earlier call left. One call over T observations and T calls over
one observation each give the same numbers, bit for bit (law 2): everything is a running sum, maximum or latest
value, taken up from the carry. Row t depends on the observations up to t alone, so what is not yet
observed cannot leak (law 9). Only differences of times are used.

Fluxes are in FLUXCAL here (zero point 27.5 mag AB), luminosities are FLUXCAL x (d_L / Gpc)^2, times are days.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.cosmology import luminosity_distance_gpc
from model.observation import BANDS, FLUXCAL_NJY, OBSERVATION, Context

Floats = NDArray[np.float64]

CONTEXT = np.dtype([("host_photoz", "<f4"), ("host_photoz_err", "<f4"), ("mwebv", "<f4"), ("ddf", "i1")])
WAVELENGTHS_NM = np.array([367.1, 482.7, 622.3, 754.6, 869.1, 971.2])  # effective, LSST ugrizy
N_BANDS = len(BANDS)

INPUTS = (
    "asinh_flux", "log_error", "asinh_snr", "detected", "flux_by_largest",
    "log_dt", "log_dt_rest", "log_since_detection", "log_since_detection_rest", "log_since_peak",
    "asinh_luminosity", "log_dt_band", "change_band", "slope_band", "change_any", "log_wavelength_rest",
    "photoz", "galactic", "photoz_missing",
    *(f"band_{b}" for b in BANDS),
)  # fmt: skip

_PER_BAND = (
    "max", "min", "mean", "std", "max_snr", "min_snr", "log_count", "weighted_mean", "log_chi2", "last", "log_age"
)  # fmt: skip
STATISTICS = (
    *(f"{name}_{b}" for name in _PER_BAND for b in BANDS),
    "log_count", "log_detections", "detected_fraction", "log_since_first", "log_since_detection",
    "log_since_detection_rest", "log_detection_span", "log_detection_span_rest", "log_since_peak", "log_since_peak_rest",
    "max_snr", "asinh_max_flux", "asinh_min_flux", "asinh_max_luminosity", "asinh_min_luminosity", "log_rise",
    "photoz", "log_photoz", "photoz_err", "mwebv", "ddf", "galactic", "photoz_missing", "mwebv_missing", "ddf_missing",
)  # fmt: skip

# The carry: name -> width. Running maxima start at -inf, minima at +inf, times at nan, sums at 0.
_SUMS = {
    "count": N_BANDS,
    "sum": N_BANDS,
    "sum2": N_BANDS,
    "weight": N_BANDS,
    "weighted": N_BANDS,
    "weighted2": N_BANDS,
    "detections": 1,
}
_MAXIMA = {"max": N_BANDS, "max_snr": N_BANDS, "max_flux": 1, "peak_snr": 1}
_MINIMA = {"min": N_BANDS, "min_snr": N_BANDS, "min_flux": 1}
_TIMES = {
    "band_mjd": N_BANDS,
    "band_last": N_BANDS,
    "first": 1,
    "last": 1,
    "last_flux": 1,
    "first_detection": 1,
    "last_detection": 1,
    "peak": 1,
}
_WIDTHS = _SUMS | _MAXIMA | {f"{k}": v for k, v in _MINIMA.items()} | _TIMES
_STARTS = (
    dict.fromkeys(_SUMS, 0.0)
    | dict.fromkeys(_MAXIMA, -np.inf)
    | dict.fromkeys(_MINIMA, np.inf)
    | dict.fromkeys(_TIMES, np.nan)
)
CARRY_SIZE = sum(_WIDTHS.values())


class Encoded(NamedTuple):
    """What `encode` gives."""

    inputs: NDArray[np.float32]  # [B, T, len(INPUTS)]
    statistics: NDArray[np.float32]  # [B, T, len(STATISTICS)]
    carry: Floats  # [B, CARRY_SIZE]


def contexts(known: Sequence[Context]) -> NDArray[np.void]:
    """Contexts as an array [B] of dtype CONTEXT; NaN, or -1 for ddf, where nothing is known."""
    rows = [(c.host_photoz, c.host_photoz_err, c.mwebv, -1 if c.ddf is None else c.ddf) for c in known]
    return np.array(rows, dtype=CONTEXT)


def pad(curves: Sequence[NDArray[np.void]]) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Curves [n_i] as one array [B, T], zeros behind each, and their lengths [B]."""
    lengths = np.array([len(c) for c in curves], dtype=np.int64)
    padded = np.zeros((len(curves), max(int(lengths.max(initial=0)), 1)), dtype=OBSERVATION)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    return padded, lengths


def encode(
    observations: NDArray[np.void], lengths: NDArray[np.int64], context: NDArray[np.void], carry: Floats | None = None
) -> Encoded:
    """Inputs and running statistics of light curves, each row from the observations up to and with its own.

    Args:
        observations: [B, T] of dtype OBSERVATION, in time order, anything behind `lengths`.
        lengths: [B], how many of the T are observations.
        context: [B] of dtype CONTEXT.
        carry: [B, CARRY_SIZE] from the call that ended where this one begins; None at the start.
    """
    size, steps = observations.shape
    valid = np.arange(steps) < lengths[:, None]  # [B, T]
    start = unpack(carry if carry is not None else start_carry(size))
    mjd = np.where(valid, observations["mjd_tai"], 0.0)
    flux = np.where(valid, observations["flux_njy"] / FLUXCAL_NJY, 0.0)
    error = np.where(valid, observations["flux_err_njy"] / FLUXCAL_NJY, 1.0)
    band = np.where(valid, observations["band"], 0)
    detected = valid & observations["detected"]
    in_band = (band[..., None] == np.arange(N_BANDS)) & valid[..., None]  # [B, T, 6]
    snr = flux / error
    size_of = np.arcsinh(flux / 10)
    weight = error**-2.0

    # Running values [B, T + 1, ...]: index t is before observation t, index t + 1 after it.
    sums = {
        name: running(np.add, start[name], np.where(in_band, value[..., None], 0.0))
        for name, value in {
            "count": np.ones_like(flux), "sum": size_of, "sum2": size_of**2,
            "weight": weight, "weighted": weight * flux, "weighted2": weight * flux**2,
        }.items()
    }  # fmt: skip
    sums["detections"] = running(np.add, start["detections"], detected[..., None].astype(float))
    top = {
        name: running(np.maximum, start[name], np.where(mask, value[..., None], -np.inf))
        for name, value, mask in (
            ("max", size_of, in_band), ("max_snr", snr, in_band), ("max_flux", flux, valid[..., None]),
            ("peak_snr", snr, valid[..., None]),
        )
    }  # fmt: skip
    low = {
        name: running(np.minimum, start[name], np.where(mask, value[..., None], np.inf))
        for name, value, mask in (
            ("min", size_of, in_band),
            ("min_snr", snr, in_band),
            ("min_flux", flux, valid[..., None]),
        )
    }
    first_ever = np.isnan(start["first"]) & (np.arange(steps) == 0)
    opening = detected & (sums["detections"][:, :-1, 0] == 0)
    peaking = valid & (snr > top["peak_snr"][:, :-1, 0])
    times = {
        name: latest(start[name], np.broadcast_to(value[..., None], mask.shape), mask)
        for name, value, mask in (
            ("band_mjd", mjd, in_band), ("band_last", size_of, in_band),
            ("first", mjd, (first_ever & valid)[..., None]), ("last", mjd, valid[..., None]), ("last_flux", size_of, valid[..., None]),
            ("first_detection", mjd, opening[..., None]), ("last_detection", mjd, detected[..., None]),
            ("peak", mjd, peaking[..., None]),
        )
    }  # fmt: skip
    after = sums | top | low | times
    now = {name: value[:, 1:] for name, value in after.items()}
    before = {name: value[:, :-1] for name, value in after.items()}

    photoz = np.nan_to_num(context["host_photoz"].astype(float))[:, None]  # [B, 1]
    stretch = 1 + np.maximum(photoz, 0)
    distance2 = luminosity_distance_gpc(photoz) ** 2
    galactic = (context["host_photoz"] == 0)[:, None] + np.zeros((1, steps))
    missing = np.isnan(context["host_photoz"])[:, None] + np.zeros((1, steps))

    def own(values: Floats) -> Floats:
        """The column [B, T] of each observation's own band."""
        return np.take_along_axis(values, band[..., None], axis=2)[..., 0]

    def since(name: str) -> Floats:
        return span(mjd, now[name][..., 0])

    largest = np.maximum(now["max_flux"][..., 0], -now["min_flux"][..., 0])
    dt, dt_band = span(mjd, before["last"][..., 0]), span(mjd, own(before["band_mjd"]))
    change = np.nan_to_num(size_of - own(before["band_last"]))
    columns = [
        size_of, np.log10(error), np.arcsinh(snr / 2), detected, flux / np.maximum(largest, 1e-9),
        np.log1p(dt), np.log1p(dt / stretch), np.log1p(since("first_detection")), np.log1p(since("first_detection") / stretch),
        np.log1p(since("peak")), np.arcsinh(flux * distance2 / 10), np.log1p(dt_band), change, change / (1 + dt_band),
        np.nan_to_num(size_of - before["last_flux"][..., 0]), np.log(WAVELENGTHS_NM[band] / 600) - np.log(stretch),
        photoz + 0 * flux, galactic, missing,
    ]  # fmt: skip
    inputs = np.concatenate([np.stack(columns, axis=2), in_band], axis=2)

    count = now["count"]
    some = np.maximum(count, 1)
    mean = now["sum"] / some
    average = now["weighted"] / np.maximum(now["weight"], 1e-300)
    chi2 = np.maximum(now["weighted2"] - now["weighted"] * average, 0) / some
    per_band = [
        seen(now["max"]), seen(now["min"]), mean, np.sqrt(np.maximum(now["sum2"] / some - mean**2, 0)),
        np.arcsinh(seen(now["max_snr"]) / 2), np.arcsinh(seen(now["min_snr"]) / 2), np.log1p(count),
        np.arcsinh(average / 10), np.log1p(chi2), np.nan_to_num(now["band_last"]), np.log1p(span(mjd[..., None], now["band_mjd"])),
    ]  # fmt: skip
    total, detections = count.sum(axis=2), now["detections"][..., 0]
    on = span(now["last_detection"][..., 0], now["first_detection"][..., 0])
    high, deep = seen(now["max_flux"][..., 0]), seen(now["min_flux"][..., 0])
    dust = context["mwebv"].astype(float)[:, None] + 0 * flux
    ddf = context["ddf"].astype(float)[:, None] + 0 * flux
    z_error = np.nan_to_num(context["host_photoz_err"].astype(float))[:, None] + 0 * flux
    overall = [
        np.log1p(total), np.log1p(detections), detections / np.maximum(total, 1), np.log1p(since("first")),
        np.log1p(since("first_detection")), np.log1p(since("first_detection") / stretch), np.log1p(on), np.log1p(on / stretch),
        np.log1p(since("peak")), np.log1p(since("peak") / stretch), np.arcsinh(seen(now["peak_snr"][..., 0]) / 2),
        np.arcsinh(high / 10), np.arcsinh(deep / 10), np.arcsinh(high * distance2 / 10), np.arcsinh(deep * distance2 / 10),
        np.log1p(span(now["peak"][..., 0], now["first_detection"][..., 0])),
        photoz + 0 * flux, np.log(stretch) + 0 * flux, z_error, np.nan_to_num(dust), np.maximum(ddf, 0), galactic, missing,
        np.isnan(dust), ddf < 0,
    ]  # fmt: skip
    statistics = np.concatenate([*per_band, np.stack(overall, axis=2)], axis=2)
    ended = np.concatenate([after[name][:, -1] for name in _WIDTHS], axis=1)
    return Encoded(inputs.astype(np.float32), statistics.astype(np.float32), ended)


def start_carry(size: int) -> Floats:
    """The carry [B, CARRY_SIZE] before any observation."""
    return np.tile(np.concatenate([np.full(width, _STARTS[name]) for name, width in _WIDTHS.items()]), (size, 1))


def unpack(carry: Floats) -> dict[str, Floats]:
    """The named parts of a carry, each [B, width]."""
    ends = np.cumsum(list(_WIDTHS.values()))[:-1]
    return dict(zip(_WIDTHS, np.split(carry, ends, axis=1), strict=True))


def running(operation: np.ufunc, start: Floats, values: Floats) -> Floats:
    """Running sum, maximum or minimum [B, T + 1, W] of values [B, T, W], from start [B, W] on, strictly in order."""
    result: Floats = operation.accumulate(np.concatenate([start[:, None], values], axis=1), axis=1)
    return result


def latest(start: Floats, values: Floats, mask: NDArray[np.bool_]) -> Floats:
    """The latest value where mask [B, T, W] holds, as [B, T + 1, W]; start [B, W] before the first."""
    index = np.zeros((mask.shape[0], mask.shape[1] + 1, mask.shape[2]), dtype=np.intp)
    index[:, 1:] = np.where(mask, np.arange(1, mask.shape[1] + 1)[:, None], 0)
    np.maximum.accumulate(index, axis=1, out=index)
    return np.take_along_axis(np.concatenate([start[:, None], values], axis=1), index, axis=1)


def span(later: Floats, earlier: Floats) -> Floats:
    """Days between two times, 0 where the earlier has not happened."""
    return np.maximum(np.nan_to_num(later - earlier), 0)


def seen(extreme: Floats) -> Floats:
    """A running extreme, 0 where there is none yet."""
    return np.where(np.isfinite(extreme), extreme, 0.0)
