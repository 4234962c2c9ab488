"""The 2018 report's own numbers of a light curve: the second half of law 1, kept apart because they are never served.

They look at the whole curve, so each new observation would change them all: `paper.py` trains the report's
network on them, to compare. Fluxes are in FLUXCAL (zero point 27.5 mag AB), times are days.
"""

import numpy as np
from numpy.typing import NDArray

from model.observation import BANDS, FLUXCAL_NJY, Context, LightCurve

Floats = NDArray[np.float64]

REPORT_INPUTS = ("dt", "normalised_flux", *(f"band_{b}" for b in BANDS))
MOMENTS = ("min", "max", "mean", "median", "std", "skew")
REPORT_STATISTICS = (
    "size", *(f"passband_{m}" for m in MOMENTS[:5]),
    *(f"flux_{m}" for m in MOMENTS), *(f"flux_err_{m}" for m in MOMENTS), "detected_mean",
    "flux_ratio_sq_sum", "flux_ratio_sq_skew", "flux_by_flux_ratio_sq_sum",
    "flux_by_flux_ratio_sq_skew", "mjd_diff", "flux_diff", "flux_diff_by_mean", "flux_weighted_mean",
    "flux_diff_by_weighted_mean", "hostgal_photoz", "hostgal_photoz_err", "mwebv",
)  # fmt: skip


def report_inputs(curve: LightCurve) -> NDArray[np.float32]:
    """The report's 8 columns [T, 8] of each observation, under REPORT_INPUTS.

    Days since the observation before, 0 for the first; flux less the curve's mean, over its standard deviation (the
    report says "normalised" and not how), 0 where the flux never changes; the band as one of six.
    """
    rows = curve.observations
    flux = rows["flux_njy"] / FLUXCAL_NJY
    deviation = flux.std()
    columns = np.zeros((len(rows), len(REPORT_INPUTS)), dtype=np.float32)
    columns[1:, 0] = np.diff(rows["mjd_tai"])
    columns[:, 1] = (flux - flux.mean()) / deviation if deviation > 0 else 0.0
    columns[np.arange(len(rows)), 2 + rows["band"].astype(int)] = 1.0
    return columns


def report_statistics(curve: LightCurve, context: Context) -> Floats:
    """The 31 static features [31] of the 2018 report, under REPORT_STATISTICS; fluxes in FLUXCAL.

    Standard deviation and skewness are pandas' (n - 1, and adjusted Fisher-Pearson), which the report's code used; they
    are 0 where too few observations define them, as is a ratio whose divisor is 0. Missing context is NaN.
    """
    rows = curve.observations
    flux, error = rows["flux_njy"] / FLUXCAL_NJY, rows["flux_err_njy"] / FLUXCAL_NJY
    ratio2 = (flux / error) ** 2
    extent = np.ptp(flux)
    weighted_mean = (flux * ratio2).sum() / ratio2.sum() if ratio2.any() else 0.0
    return np.array(
        [
            len(rows), *moments(rows["band"].astype(float))[:5], *moments(flux), *moments(error),
            rows["detected"].mean(), ratio2.sum(), moments(ratio2)[5],
            (flux * ratio2).sum(), moments(flux * ratio2)[5], np.ptp(rows["mjd_tai"]), extent,
            extent / flux.mean() if flux.mean() else 0.0,
            weighted_mean, extent / weighted_mean if weighted_mean else 0.0,
            context.host_photoz, context.host_photoz_err, context.mwebv,
        ],
        dtype=np.float64,
    )  # fmt: skip


def moments(values: Floats) -> tuple[float, ...]:
    """Minimum, maximum, mean, median, standard deviation and skewness of values [n]."""
    n, mean = len(values), values.mean()
    second, third = ((values - mean) ** 2).mean(), ((values - mean) ** 3).mean()
    std = np.sqrt(second * n / (n - 1)) if n > 1 else 0.0
    skew = np.sqrt(n * (n - 1)) / (n - 2) * third / second**1.5 if n > 2 and second > 0 else 0.0
    return values.min(), values.max(), mean, np.median(values), std, skew
