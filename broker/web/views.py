"""Rows of the index in the shapes that are answered."""

from json import loads
from math import log10
from urllib.parse import quote, urlencode

import numpy as np
from numpy.typing import NDArray

from broker.surveys.limits import depths_njy, limits
from broker.web.index import Row
from broker.web.lightcurve import ZERO_POINT_NJY, magnitudes
from broker.web.shapes import Answer, Flagged, Named, Observed, Reason, Summary
from model.observation import BANDS
from model.taxonomy import CLASS_IDS, CLASS_NAMES

DOTS = (".", "..")


def summary(row: Row) -> Summary:
    """An object."""
    return Summary(
        survey=row["survey"],
        object_id=row["object"],
        ra=row["ra"],
        dec=row["dec"],
        first_mjd=row["first_mjd"],
        last_mjd=row["mjd"],
        alerts=row["alerts"],
        observations=row["observations"],
        best=class_named(row["best"], row["probability"]),
        anomaly_score=row["score"],
        anomaly=bool(row["anomaly"]),
        separation_deg=row.get("separation_deg"),
    )


def answer(row: Row) -> Answer:
    """A classification, its classes by falling probability."""
    chances = np.frombuffer(row["probabilities"], np.float32)
    order = np.argsort(-chances, kind="stable").tolist()
    return Answer(
        number=row["id"],
        survey=row["survey"],
        object_id=row["object"],
        alert_id=str(row["alert"]),
        mjd=row["mjd"],
        observations=row["observations"],
        classes=[class_named(CLASS_IDS[i], float(chances[i])) for i in order],
        p99=row["p99"],
        anomaly_score=row["score"],
        threshold=row["threshold"],
        anomaly=bool(row["anomaly"]),
        nearest=row["nearest"],
        reasons=[Reason(statistic=name, deviations=far) for name, far in loads(row["reasons"])],
        told=bool(row["quality"]),
        photoz=row["photoz"],
        quality=row["quality"],
        priors=row["priors"],
        model=row["model"],
        model_version=row["version"],
        read_ms=row["read_ms"],
        published_ms=row["published_ms"],
        fate="published",
        source=f"{row['source_topic']}[{row['source_partition']}]@{row['source_offset']}",
        published_at=f"{row['topic']}[{row['partition']}]@{row['offset']}",
    )


def flagged(row: Row) -> Flagged:
    """An object with the anomaly flag."""
    return Flagged(newest=answer(row), alerts=row["flagged"], highest=row["highest"])


def address(survey: str, name: str) -> str:
    """Where the page of an object is; behind /api, the object for programs.

    A browser takes . and .. in a path for a way, however they are written, and a survey ends where its slash is.
    """
    if name in DOTS or survey in ("", *DOTS) or "/" in survey:
        return f"/object?{urlencode({'survey': survey, 'id': name})}"
    return f"/objects/{quote(survey, safe='')}/{quote(name, safe='')}"


def as_file(there: str, form: str) -> str:
    """Where the light curve of an object is as a file, by the object's address."""
    return f"/api{there}{'&' if '?' in there else '?'}form={form}"


def class_named(number: int, probability: float) -> Named:
    """A class with its name."""
    return Named(class_id=number, name=CLASS_NAMES.get(number, str(number)), probability=probability)


def observed(survey: str, rows: NDArray[np.void]) -> list[Observed]:
    """A light curve [T] of dtype OBSERVATION, of an object of a survey."""
    magnitude, error = magnitudes(rows)
    is_limit, depth = limits(survey, rows), depths_njy(rows)
    return [
        Observed(
            mjd=float(row["mjd_tai"]),
            band=BANDS[row["band"]],
            flux=float(row["flux_njy"]),
            flux_err=float(row["flux_err_njy"]),
            magnitude=None if np.isnan(m) else round(float(m), 4),
            magnitude_err=None if np.isnan(e) else round(float(e), 4),
            detected=bool(row["detected"]),
            kind="detection" if row["detected"] else "limit" if limit else "forced",
            depth=float(deep) if limit else None,
            depth_magnitude=round(ZERO_POINT_NJY - 2.5 * log10(deep), 4) if limit else None,
        )
        for row, m, e, limit, deep in zip(rows, magnitude, error, is_limit, depth, strict=True)
    ]
