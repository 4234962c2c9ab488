"""What the interface for programs answers, as types: they are its documentation too."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Degrees = Annotated[float | None, Field(description="ICRS [deg]; null where the alerts do not say.")]


class Named(BaseModel):
    """A class and its probability."""

    class_id: Annotated[int, Field(description="PLAsTiCC class number.")]
    name: str
    probability: float


class Summary(BaseModel):
    """An object, as its latest alert left it."""

    survey: str
    object_id: str
    ra: Degrees
    dec: Degrees
    first_mjd: Annotated[float, Field(description="Of the first alert seen here, TAI [days].")]
    last_mjd: float
    alerts: Annotated[int, Field(description="Classifications seen here.")]
    observations: Annotated[int, Field(description="Of the light curve at the latest alert.")]
    best: Named
    anomaly_score: float
    anomaly: bool
    separation_deg: Annotated[float | None, Field(description="Of a cone search, from its centre.")] = None


class Reason(BaseModel):
    """A statistic of a light curve that is far from what is usual for a class."""

    statistic: str
    deviations: Annotated[float, Field(description="Standard deviations within the class.")]


class Answer(BaseModel):
    """A classification: what was said of an object after one alert."""

    number: Annotated[int, Field(description="Of this answer here; it means nothing elsewhere.")]
    survey: str
    object_id: str
    alert_id: Annotated[str, Field(description="As text: it may be beyond 2^53.")]
    mjd: float
    observations: int
    classes: list[Named]
    p99: float
    anomaly_score: float
    threshold: Annotated[float | None, Field(description="Of the score; null in records of version 1.")]
    anomaly: bool
    nearest: Annotated[str | None, Field(description="The class that a flagged alert is least unlike.")]
    reasons: Annotated[
        list[Reason], Field(description="Of a flagged alert: what is furthest from what is usual for that class.")
    ]
    told: Annotated[bool, Field(description="Whether the record tells of threshold, photoz and quality: version 2.")]
    photoz: Annotated[float | None, Field(description="Redshift of the host that was used; null where none was known.")]
    quality: Annotated[str, Field(description="enough, little or outside; empty in records of version 1.")]
    priors: str
    model: str
    model_version: str
    read_ms: int
    published_ms: int
    fate: str
    source: Annotated[str, Field(description="Topic, partition and offset of the alert.")]
    published_at: Annotated[str, Field(description="Topic, partition and offset of the classification.")]


class Observed(BaseModel):
    """One observation."""

    mjd: Annotated[float, Field(description="TAI [days].")]
    band: str
    flux: Annotated[float, Field(description="Difference flux [nJy].")]
    flux_err: float
    magnitude: Annotated[float | None, Field(description="AB, of |flux|; null below 3 sigma.")]
    magnitude_err: float | None
    detected: bool
    kind: Annotated[
        Literal["detection", "forced", "limit"],
        Field(description="A limit, where the survey looked and found nothing, is kept as a flux of exactly 0."),
    ]
    depth: Annotated[float | None, Field(description="Of a limit: 5 sigma [nJy].")] = None
    depth_magnitude: Annotated[float | None, Field(description="The same, AB.")] = None


class Object(BaseModel):
    """An object with all that is known of it here."""

    summary: Summary
    answers: list[Answer]
    light_curve: list[Observed]
    trouble: Annotated[str, Field(description="Why the light curve is missing; empty where it is not.")] = ""


class Summaries(BaseModel):
    """A page of a list of objects."""

    objects: list[Summary]
    cursor: Annotated[str | None, Field(description="Give it back for the next page; null at the end.")] = None


class Answers(BaseModel):
    """A page of a list of classifications."""

    answers: list[Answer]
    cursor: str | None = None


class Flagged(BaseModel):
    """An object that has the anomaly flag, or had it."""

    newest: Annotated[Answer, Field(description="The latest of its answers that has the flag.")]
    alerts: Annotated[int, Field(description="How many of its answers seen here have the flag.")]
    highest: Annotated[float, Field(description="The highest anomaly score of these.")]


class FlaggedObjects(BaseModel):
    """A page of a list of objects with the anomaly flag."""

    objects: list[Flagged]
    cursor: str | None = None


class Riser(BaseModel):
    """An object that brightens."""

    summary: Summary
    sigma_a_day: Annotated[float, Field(description="Change of flux in a band, in its standard errors a day.")]


class RisersFound(BaseModel):
    """The fastest first."""

    risers: list[Riser]
    trouble: Annotated[str, Field(description="Why there are none; empty where nothing is wrong.")] = ""
    cursor: str | None = None


class SkyPoint(BaseModel):
    """An observation as SkyPortal reads it."""

    jd: Annotated[float, Field(description="Mid-exposure time, Julian date, TAI [days].")]
    band: str
    psfFlux: Annotated[float, Field(description="Difference flux [nJy], zero point 31.4 mag AB, of every survey.")]  # noqa: N815
    psfFluxErr: float  # noqa: N815


class SkyLimit(BaseModel):
    """A limit as SkyPortal reads it."""

    jd: float
    band: str
    psfFlux: Annotated[None, Field(description="There is none.")] = None  # noqa: N815
    psfFluxErr: Annotated[float, Field(description="A fifth of the depth [nJy].")]  # noqa: N815
    diffmaglim: Annotated[float, Field(description="5 sigma [mag AB].")]


class SkyCandidate(BaseModel):
    """The observation that an alert is about, and where its object is."""

    ra: Annotated[float, Field(description="ICRS [deg].")]
    dec: Annotated[float, Field(description="ICRS [deg].")]
    candid: int
    jd: float
    band: str | None = None
    psfFlux: float | None = None  # noqa: N815
    psfFluxErr: float | None = None  # noqa: N815


class SkyAlert(BaseModel):
    """An object's latest alert as SkyPortal reads it."""

    objectId: str  # noqa: N815
    candid: int
    survey: Annotated[str, Field(description="As SkyPortal calls it: ZTF, LSST.")]
    candidate: SkyCandidate
    prv_candidates: Annotated[list[SkyPoint], Field(description="Detections, the alert's own among them.")]
    fp_hists: Annotated[list[SkyPoint], Field(description="Other points: forced photometry.")]
    prv_nondetections: Annotated[
        list[SkyLimit], Field(description="Limits; none of Rubin and of native alerts, which do not tell them.")
    ]
    classifications: list[Named]
    classifierName: str  # noqa: N815
    classifierVersion: str  # noqa: N815


class Feature(BaseModel):
    """A running statistic of the light curve, far from what the model was trained on."""

    name: str
    value: float
    sigma: Annotated[float, Field(description="Standard deviations of the training set from its mean.")]


class Neighbour(BaseModel):
    """A class of the training set, near in feature space."""

    name: str
    distance: Annotated[float, Field(description="To its nearest prototype, in standard deviations within a class.")]


class Why(BaseModel):
    """What an answer was made from, computed anew from the light curve as it is stored, the host's photo-z unknown."""

    points: int
    probabilities: dict[str, float]
    furthest: list[Feature]
    nearest: list[Neighbour]
    score: float
    threshold: Annotated[float, Field(description="Of the anomaly score, for what is known of the object then.")]
