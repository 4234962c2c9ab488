"""Observations to numbers: the only way from one to the other (law 1), for training, for batches and for the stream.

`encode` takes light curves [B, T], `follow` takes runs of observations one after the other; both go through
`running.walk`. One call over T observations and T calls over one each give the same numbers, bit for bit (law 2):
everything is a running sum, maximum or latest value, taken up from the carry. Row t depends on the observations up to t
alone, so what is not yet observed cannot leak (law 9). Only differences of times are used.

The columns of the 2018 report, which look at whole curves and serve for comparison alone, are in
`training/comparison/report_features.py`. Fluxes are in FLUXCAL here (zero point 27.5 mag AB), luminosities are FLUXCAL
x (d_L / Gpc)^2, times are days.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.cosmology import luminosity_distance_gpc
from model.observation import BANDS, FLUXCAL_NJY, OBSERVATION, Context
from model.running import (
    CARRY_SIZE,
    DISTANCE2,
    HOST_SIZE,
    STRETCH,
    start_carry,
    walk,
)

__all__ = ["CARRY_SIZE", "CONTEXT", "INPUTS", "STATISTICS", "contexts", "encode", "follow", "pad", "start_carry"]

Floats = NDArray[np.float64]

CONTEXT = np.dtype([("host_photoz", "<f4"), ("host_photoz_err", "<f4"), ("mwebv", "<f4"), ("ddf", "i1")])

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
    starts = np.arange(size) * steps
    ended = start_carry(size) if carry is None else carry.copy()
    wanted = np.ones(size * steps, dtype=bool)
    inputs, statistics = follow(observations.reshape(-1), starts, starts + lengths, context, ended, wanted)
    return Encoded(inputs.reshape(size, steps, -1), statistics.reshape(size, steps, -1), ended)


def follow(
    rows: NDArray[np.void],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    context: NDArray[np.void],
    carry: Floats,
    wanted: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inputs [M, F] and running statistics [M, S] of B runs of observations; 0 where there is no observation.

    Args:
        rows: [M] of dtype OBSERVATION, each run's in time order.
        starts: [B], where each run begins in rows.
        ends: [B], where it ends.
        context: [B] of dtype CONTEXT.
        carry: [B, CARRY_SIZE], of the observations before; changed to that after the runs.
        wanted: [M], after which observations the statistics are wanted; 0 after the others.
    """
    inputs = np.zeros((len(rows), len(INPUTS)), dtype=np.float32)
    statistics = np.zeros((len(rows), len(STATISTICS)), dtype=np.float32)
    mjd, band, detected = (np.array(rows[name]) for name in ("mjd_tai", "band", "detected"))
    flux, error = ((rows[name] / np.float32(FLUXCAL_NJY)).astype(np.float32) for name in ("flux_njy", "flux_err_njy"))
    walk(mjd, flux, error, band, detected, starts, ends, hosts(context), carry, wanted, inputs, statistics)
    return inputs, statistics


def hosts(context: NDArray[np.void]) -> Floats:
    """Contexts [B] as rows [B, HOST_SIZE] for `running`: photo-z and its error 0 where unknown, mwebv NaN, ddf -1."""
    photoz = context["host_photoz"].astype(float)
    found = np.empty((len(context), HOST_SIZE))
    columns = (
        np.nan_to_num(photoz), np.nan_to_num(context["host_photoz_err"].astype(float)), np.isnan(photoz), photoz == 0,
        context["mwebv"], context["ddf"],
    )  # fmt: skip
    for i, column in enumerate(columns):
        found[:, i] = column
    found[:, STRETCH] = 1 + np.maximum(found[:, 0], 0)
    found[:, DISTANCE2] = luminosity_distance_gpc(found[:, 0]) ** 2
    return found
