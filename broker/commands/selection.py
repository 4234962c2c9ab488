"""Which classifications somebody wants to see: by survey, class, probability, anomaly and object."""

from dataclasses import dataclass
from typing import Any

from broker.errors import StartupError
from broker.names import NAMES as SURVEYS
from broker.text import printable
from model.taxonomy import CLASS_NAMES, CLASSES

Record = dict[str, Any]

NAMES = CLASS_NAMES | {c.elasticc_id: c.name for c in CLASSES} | {200: "residual", 300: "not classified"}


@dataclass(frozen=True, slots=True)
class Selection:
    """What a classification must be; None and False ask for nothing."""

    survey: str | None = None
    class_name: str | None = None  # of the most probable class
    probability: float | None = None  # that it has at least
    anomalies: bool = False
    object: str | None = None  # survey/object

    def takes(self, record: Record) -> bool:
        """Whether a published record is wanted."""
        return (
            (not self.anomalies or bool(record.get("anomaly")))
            and self.survey in (None, record.get("survey"))
            and (self.object is None or object_of(record) == self.object)
            and self._likes(best_of(record))
        )

    def _likes(self, ranked: list[tuple[int, float]]) -> bool:
        if self.class_name is None and self.probability is None:
            return True
        best, probability = ranked[0] if ranked else (0, 0.0)
        fits = self.class_name is None or NAMES.get(best) == self.class_name
        return bool(ranked) and fits and (self.probability is None or probability >= self.probability)


def best_of(record: Record) -> list[tuple[int, float]]:
    """The two most probable classes of a record, with their probabilities; NaN counts as none."""
    ranked = sorted(record.get("classifications") or (), key=lambda c: -c["probability"])
    return [(c["classId"], c["probability"]) for c in ranked[:2]]


def name_of(class_id: int) -> str:
    """A class as people name it."""
    return NAMES.get(class_id, str(class_id))


def object_of(record: Record) -> str:
    """The object that a record is about, with its survey where it names that; the alert where it names no object."""
    name = record.get("objectId") or record.get("diaObjectId")
    if name is None:
        return f"alert {record.get('alertId', '?')}"
    return f"{record['survey']}/{name}" if record.get("survey") else str(name)


def class_named(text: str) -> str:
    """A class by its name, however its letters are written, or by its number. Raises StartupError."""
    for number, name in NAMES.items():
        if text.casefold() == name.casefold() or text == str(number):
            return name
    raise StartupError(f"no class is called {printable(text)}; give one of {', '.join(c.name for c in CLASSES)}")


def survey_listed(text: str) -> str:
    """A survey by its name. Raises StartupError: no object is of any other."""
    if text.encode(errors="replace") not in SURVEYS:
        raise StartupError(f"there is no survey {printable(text)}; there are {b', '.join(SURVEYS).decode()}")
    return text


def object_named(text: str, survey: str | None) -> str:
    """survey/object, of a name with or without its survey. Raises StartupError."""
    if survey and not text.startswith(f"{survey}/"):
        return f"{survey}/{text}"
    if "/" not in text:
        raise StartupError(f"{printable(text)} names no survey; write it as ztf/{printable(text)}, or give --survey")
    survey_listed(text.partition("/")[0])
    return text


def with_object(record: Record, key: bytes | None) -> Record:
    """A record, and the object that its message's key names where it does not itself: ELAsTiCC's, or a packet."""
    survey, slash, name = (key or b"").partition(b"/")
    if record.get("survey") or not slash or survey not in SURVEYS:
        return record
    return record | {"survey": survey.decode(), "objectId": name.decode(errors="replace")}
