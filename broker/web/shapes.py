"""What the interface for programs answers, as types: they are its documentation too."""

from typing import Annotated

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
    anomaly: bool
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
