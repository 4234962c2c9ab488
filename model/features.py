"""Observations to numbers: the only code that does it (law 1), for training, for batches and for the stream.

`encode` takes light curves [B, T] and the carry that an earlier call left. One call over T observations and T calls
over one each give the same numbers, bit for bit (law 2): everything is a running sum, maximum or latest value, taken up
from the carry. Row t depends on the observations up to t alone, so what is not yet observed cannot leak (law 9). Only
differences of times are used.

The columns of the 2018 report, which look at whole curves and serve for comparison alone, are beside it in
`report_features.py`. Fluxes are in FLUXCAL here (zero point 27.5 mag AB), luminosities are FLUXCAL x (d_L / Gpc)^2,
times are days.
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

PER_BAND = (
    "max", "min", "mean", "std", "max_snr", "min_snr", "log_count", "weighted_mean", "log_chi2", "last", "log_age",
)  # fmt: skip
STATISTICS = (
    *(f"{name}_{b}" for name in PER_BAND for b in BANDS),
    "log_count", "log_detections", "detected_fraction", "log_since_first",
    "log_since_detection", "log_since_detection_rest", "log_detection_span", "log_detection_span_rest",
    "log_since_peak", "log_since_peak_rest", "max_snr", "asinh_max_flux", "asinh_min_flux",
    "asinh_max_luminosity", "asinh_min_luminosity", "log_rise", "photoz", "log_photoz", "photoz_err", "mwebv",
    "ddf", "galactic", "photoz_missing", "mwebv_missing", "ddf_missing",
)  # fmt: skip

# The carry: every running value by name, with its width and what it is before any observation.
CARRY = (
    dict.fromkeys(("count", "sum", "sum2", "weight", "weighted", "weighted2"), (N_BANDS, 0.0))
    | {"detections": (1, 0.0)}
    | {"max": (N_BANDS, -np.inf), "max_snr": (N_BANDS, -np.inf), "max_flux": (1, -np.inf), "peak_snr": (1, -np.inf)}
    | {"min": (N_BANDS, np.inf), "min_snr": (N_BANDS, np.inf), "min_flux": (1, np.inf)}
    | {"band_mjd": (N_BANDS, np.nan), "band_last": (N_BANDS, np.nan)}
    | dict.fromkeys(("first", "last", "last_flux", "first_detection", "last_detection", "peak"), (1, np.nan))
)  # fmt: skip
CARRY_SIZE = sum(width for width, _ in CARRY.values())


class Encoded(NamedTuple):
    """What `encode` gives."""

    inputs: NDArray[np.float32]  # [B, T, len(INPUTS)]
    statistics: NDArray[np.float32]  # [B, T, len(STATISTICS)]
    carry: Floats  # [B, CARRY_SIZE]


class Points(NamedTuple):
    """Observations in the units used here, each [B, T]; 0, or an error of 1, behind a curve's end."""

    valid: NDArray[np.bool_]
    mjd: Floats
    flux: Floats
    error: Floats
    band: NDArray[np.int64]
    detected: NDArray[np.bool_]
    in_band: NDArray[np.bool_]  # [B, T, 6]

    @property
    def asinh_flux(self) -> Floats:
        """Flux compressed: linear below 10 FLUXCAL, logarithmic above."""
        return np.arcsinh(self.flux / 10)

    @property
    def snr(self) -> Floats:
        """Flux over its error."""
        return self.flux / self.error


class Host(NamedTuple):
    """What is known beside the light curve, each [B, 1]."""

    photoz: Floats  # 0 where unknown
    photoz_err: Floats
    missing: NDArray[np.bool_]  # no photo-z
    galactic: NDArray[np.bool_]
    mwebv: Floats  # NaN where unknown
    ddf: Floats  # -1 where unknown

    @property
    def stretch(self) -> Floats:
        """How much slower the observer's clock runs."""
        return 1 + np.maximum(self.photoz, 0)

    @property
    def distance2(self) -> Floats:
        """What turns a flux into a luminosity."""
        return luminosity_distance_gpc(self.photoz) ** 2


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
    points, host = points_of(observations, lengths), host_of(context)
    values = running_values(points, unpack(start_carry(len(lengths)) if carry is None else carry))
    ended = np.concatenate([values[name][:, -1] for name in CARRY], axis=1)
    return Encoded(inputs_of(points, host, values), statistics_of(points, host, values), ended)


def points_of(observations: NDArray[np.void], lengths: NDArray[np.int64]) -> Points:
    """Observations [B, T] of dtype OBSERVATION in the units used here."""
    valid = np.arange(observations.shape[1]) < lengths[:, None]
    band = np.where(valid, observations["band"], 0).astype(np.int64)
    return Points(
        valid=valid,
        mjd=np.where(valid, observations["mjd_tai"], 0.0),
        flux=np.where(valid, observations["flux_njy"] / FLUXCAL_NJY, 0.0),
        error=np.where(valid, observations["flux_err_njy"] / FLUXCAL_NJY, 1.0),
        band=band,
        detected=valid & observations["detected"],
        in_band=(band[..., None] == np.arange(N_BANDS)) & valid[..., None],
    )


def host_of(context: NDArray[np.void]) -> Host:
    """Contexts [B] as columns [B, 1]."""
    photoz = context["host_photoz"][:, None]
    return Host(
        photoz=np.nan_to_num(photoz.astype(float)),
        photoz_err=np.nan_to_num(context["host_photoz_err"].astype(float))[:, None],
        missing=np.isnan(photoz),
        galactic=photoz == 0,
        mwebv=context["mwebv"].astype(float)[:, None],
        ddf=context["ddf"].astype(float)[:, None],
    )


def running_values(points: Points, start: dict[str, Floats]) -> dict[str, Floats]:
    """Every running value of the carry as [B, T + 1, W]: at t before observation t, at t + 1 after it."""
    size, snr, weight, valid = points.asinh_flux, points.snr, points.error**-2.0, points.valid[..., None]
    added = {
        "count": np.ones_like(size), "sum": size, "sum2": size**2,
        "weight": weight, "weighted": weight * points.flux, "weighted2": weight * points.flux**2,
    }  # fmt: skip
    values = {n: running(np.add, start[n], np.where(points.in_band, v[..., None], 0.0)) for n, v in added.items()}
    values["detections"] = running(np.add, start["detections"], points.detected[..., None].astype(float))
    for name, value, mask in (
        ("max", size, points.in_band), ("max_snr", snr, points.in_band),
        ("max_flux", points.flux, valid), ("peak_snr", snr, valid),
    ):  # fmt: skip
        values[name] = running(np.maximum, start[name], np.where(mask, value[..., None], -np.inf))
    for name, value, mask in (
        ("min", size, points.in_band),
        ("min_snr", snr, points.in_band),
        ("min_flux", points.flux, valid),
    ):
        values[name] = running(np.minimum, start[name], np.where(mask, value[..., None], np.inf))
    opening = points.valid & np.isnan(start["first"]) & (np.arange(points.mjd.shape[1]) == 0)
    first_detected = points.detected & (values["detections"][:, :-1, 0] == 0)
    peaking = points.valid & (snr > values["peak_snr"][:, :-1, 0])
    for name, value, mask in (
        ("band_mjd", points.mjd, points.in_band), ("band_last", size, points.in_band),
        ("first", points.mjd, opening[..., None]), ("last", points.mjd, valid), ("last_flux", size, valid),
        ("first_detection", points.mjd, first_detected[..., None]),
        ("last_detection", points.mjd, points.detected[..., None]), ("peak", points.mjd, peaking[..., None]),
    ):  # fmt: skip
        values[name] = latest(start[name], value, mask)
    return values


def inputs_of(points: Points, host: Host, values: dict[str, Floats]) -> NDArray[np.float32]:
    """The columns INPUTS [B, T, F] of each observation."""
    now = {name: value[:, 1:] for name, value in values.items()}
    before = {name: value[:, :-1] for name, value in values.items()}

    def own(of_bands: Floats) -> Floats:
        """The column [B, T] of each observation's own band."""
        return np.take_along_axis(of_bands, points.band[..., None], axis=2)[..., 0]

    size = points.asinh_flux
    largest = np.maximum(now["max_flux"][..., 0], -now["min_flux"][..., 0])
    dt, dt_band = span(points.mjd, before["last"][..., 0]), span(points.mjd, own(before["band_mjd"]))
    since_detection, since_peak = (span(points.mjd, now[n][..., 0]) for n in ("first_detection", "peak"))
    change = np.nan_to_num(size - own(before["band_last"]))
    columns = [
        size, np.log10(points.error), np.arcsinh(points.snr / 2), points.detected,
        points.flux / np.maximum(largest, 1e-9),
        np.log1p(dt), np.log1p(dt / host.stretch),
        np.log1p(since_detection), np.log1p(since_detection / host.stretch), np.log1p(since_peak),
        np.arcsinh(points.flux * host.distance2 / 10), np.log1p(dt_band), change, change / (1 + dt_band),
        np.nan_to_num(size - before["last_flux"][..., 0]),
        np.log(WAVELENGTHS_NM[points.band] / 600) - np.log(host.stretch),
        host.photoz, host.galactic, host.missing,
    ]  # fmt: skip
    return np.concatenate([stack(columns, size.shape), points.in_band], axis=2, dtype=np.float32)


def statistics_of(points: Points, host: Host, values: dict[str, Floats]) -> NDArray[np.float32]:
    """The columns STATISTICS [B, T, S] after each observation."""
    now = {name: value[:, 1:] for name, value in values.items()}
    count = now["count"]
    some = np.maximum(count, 1)
    mean = now["sum"] / some
    average = now["weighted"] / np.maximum(now["weight"], 1e-300)
    chi2 = np.maximum(now["weighted2"] - now["weighted"] * average, 0) / some
    per_band = [
        seen(now["max"]), seen(now["min"]), mean, np.sqrt(np.maximum(now["sum2"] / some - mean**2, 0)),
        np.arcsinh(seen(now["max_snr"]) / 2), np.arcsinh(seen(now["min_snr"]) / 2), np.log1p(count),
        np.arcsinh(average / 10), np.log1p(chi2),
        np.nan_to_num(now["band_last"]), np.log1p(span(points.mjd[..., None], now["band_mjd"])),
    ]  # fmt: skip
    one = {name: now[name][..., 0] for name, (width, _) in CARRY.items() if width == 1}
    total = count.sum(axis=2)
    since_detection, since_peak = (span(points.mjd, one[n]) for n in ("first_detection", "peak"))
    on = span(one["last_detection"], one["first_detection"])
    high, deep = seen(one["max_flux"]), seen(one["min_flux"])
    overall = [
        np.log1p(total), np.log1p(one["detections"]), one["detections"] / np.maximum(total, 1),
        np.log1p(span(points.mjd, one["first"])),
        np.log1p(since_detection), np.log1p(since_detection / host.stretch),
        np.log1p(on), np.log1p(on / host.stretch), np.log1p(since_peak), np.log1p(since_peak / host.stretch),
        np.arcsinh(seen(one["peak_snr"]) / 2), np.arcsinh(high / 10), np.arcsinh(deep / 10),
        np.arcsinh(high * host.distance2 / 10), np.arcsinh(deep * host.distance2 / 10),
        np.log1p(span(one["peak"], one["first_detection"])),
        host.photoz, np.log(host.stretch), host.photoz_err, np.nan_to_num(host.mwebv), np.maximum(host.ddf, 0),
        host.galactic, host.missing, np.isnan(host.mwebv), host.ddf < 0,
    ]  # fmt: skip
    return np.concatenate([*per_band, stack(overall, total.shape)], axis=2, dtype=np.float32)


def start_carry(size: int) -> Floats:
    """The carry [B, CARRY_SIZE] before any observation."""
    return np.tile(np.concatenate([np.full(width, value) for width, value in CARRY.values()]), (size, 1))


def unpack(carry: Floats) -> dict[str, Floats]:
    """The named parts of a carry, each [B, W]."""
    ends = np.cumsum([width for width, _ in CARRY.values()])[:-1]
    return dict(zip(CARRY, np.split(carry, ends, axis=1), strict=True))


def stack(columns: Sequence[NDArray[np.generic]], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Columns that can be broadcast to [B, T] as [B, T, W]."""
    stacked = np.empty((*shape, len(columns)), dtype=np.float32)
    for i, column in enumerate(columns):
        stacked[..., i] = column
    return stacked


def running(operation: np.ufunc, start: Floats, values: Floats) -> Floats:
    """Running sum, maximum or minimum [B, T + 1, W] of values [B, T, W], from start [B, W] on, strictly in order."""
    result: Floats = operation.accumulate(np.concatenate([start[:, None], values], axis=1), axis=1)
    return result


def latest(start: Floats, values: Floats, mask: NDArray[np.bool_]) -> Floats:
    """The latest of values [B, T] where mask [B, T, W] holds, as [B, T + 1, W]; start [B, W] before the first."""
    index = np.zeros((mask.shape[0], mask.shape[1] + 1, mask.shape[2]), dtype=np.intp)
    index[:, 1:] = np.where(mask, np.arange(1, mask.shape[1] + 1)[:, None], 0)
    np.maximum.accumulate(index, axis=1, out=index)
    wide = np.broadcast_to(values[..., None], mask.shape)
    return np.take_along_axis(np.concatenate([start[:, None], wide], axis=1), index, axis=1)


def span(later: Floats, earlier: Floats) -> Floats:
    """Days between two times, 0 where the earlier has not happened."""
    return np.maximum(np.nan_to_num(later - earlier), 0)


def seen(extreme: Floats) -> Floats:
    """A running extreme, 0 where there is none yet."""
    return np.where(np.isfinite(extreme), extreme, 0.0)
