"""Columns of a file to native alerts, one a row; a value that cannot be is named by file, column and row or object."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from fastavro.read import SchemaResolutionError
from numpy.typing import NDArray

from broker.errors import StartupError
from model.observation import BANDS, FLUXCAL_NJY

Record = dict[str, Any]
Column = NDArray[Any]

REQUIRED = ("object_id", "mjd", "band", "flux", "flux_err", "detected")
OPTIONAL = {  # a file's column: the alert's field
    "ddf": "ddf", "hostgal_photoz": "hostgalPhotoz", "hostgal_photoz_err": "hostgalPhotozErr",
    "mwebv": "mwebv", "ra": "ra", "dec": "dec",
}  # fmt: skip
OTHER_NAMES = {"detected_bool": "detected", "ddf_bool": "ddf", "decl": "dec"}
LARGEST = float(np.finfo(np.float32).max) / FLUXCAL_NJY
LETTERS = np.array(list(BANDS), dtype=object)


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a file, a column each [n]; the first is number `start`, from 0, if anybody counts."""

    path: Path | str
    columns: dict[str, Column]
    start: int | None = None

    def numbers(self, name: str, among: tuple[int, ...] = (), *, optional: bool = False) -> NDArray[np.float64]:
        """A column of finite numbers, or of some few; NaN where nothing is, if it is optional. Raises StartupError."""
        values = self.columns[name]
        try:
            numbers = np.asarray(pd.to_numeric(values, errors="coerce"), dtype=float)
        except TypeError:  # lists and the like, which parquet has
            numbers = np.full(len(values), np.nan)
        good = np.isin(numbers, among) if among else np.abs(numbers) < LARGEST
        if optional:
            good |= pd.isna(values)
        expected = f"one of {', '.join(map(str, among))}" if among else "a finite number"
        self.check(name, good, expected)
        return numbers

    def names(self, name: str) -> Column:
        """A column of text. Raises StartupError."""
        values = self.columns[name]
        self.check(name, ~pd.isna(values), "a name")
        if pd.api.types.infer_dtype(values) == "bytes":  # as some programs write text into parquet
            values = np.array([value.decode(errors="replace") for value in values], dtype=object)
        return values.astype(str).astype(object)

    def bands(self) -> Column:
        """The bands' letters, from `band` or from `passband`. Raises StartupError."""
        if "passband" in self.columns:
            indices = self.numbers("passband", tuple(range(len(BANDS)))).astype(int)
            return np.take(LETTERS, indices)
        values: Column = self.columns["band"].astype(object)
        self.check("band", pd.Index(LETTERS).get_indexer(values) >= 0, f"one of {' '.join(BANDS)}")
        return values

    def check(self, name: str, good: NDArray[np.bool_], expected: str) -> None:
        """Raises StartupError that names the first value that is not good."""
        if not good.all():
            row = int(np.argmin(good))
            value, of = (shortened(self.columns[column][row]) for column in (name, "object_id"))
            which = f"a row of object {of}" if self.start is None else f"row {self.start + row + 1}"
            raise StartupError(
                f"{self.path}: {name} of {which} is {value}; mend it or leave the row out: expected is {expected}"
            )


def shortened(value: object) -> str:
    """A value of a file for people."""
    return ascii(value.item() if isinstance(value, np.generic) else value)[:60]


def fields_of(path: Path | str, columns: dict[str, Column], start: int | None = None) -> dict[str, Column]:
    """The fields of native alerts, a column each [n], in the file's order; missing context is NaN.

    Args:
        path: to name in errors.
        columns: the file's, or some rows of them.
        start: the number of the first row, from 0; errors name the object where nobody counts.

    Raises:
        StartupError: a column is missing, or a value cannot be.
    """
    columns = {OTHER_NAMES.get(name, name): values for name, values in columns.items()}
    rows = Rows(path, columns, start)
    for name in REQUIRED:
        if name not in columns and not (name == "band" and "passband" in columns):
            raise StartupError(f"{path} has no column {name!r}, only {', '.join(columns)}; rename or add it")
    unit = FLUXCAL_NJY if "passband" in columns else 1.0
    objects = rows.names("object_id")
    fields = {
        "objectId": objects,
        "survey": rows.names("survey") if "survey" in columns else np.full(len(objects), "plasticc", dtype=object),
        "mjd": rows.numbers("mjd"),
        "band": rows.bands(),
        "flux": rows.numbers("flux") * unit,
        "fluxErr": rows.numbers("flux_err") * unit,
        "detected": rows.numbers("detected", (0, 1)).astype(bool),
    }
    for column, name in OPTIONAL.items():
        if column in columns:
            fields[name] = rows.numbers(column, (0, 1) if column == "ddf" else (), optional=True)
    return fields


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of reading name the file. Raises StartupError."""
    try:
        yield
    except SchemaResolutionError as error:
        raise StartupError(f"{path} holds no native alerts ({error}); see schemas/observation.1.avsc") from error
    except (ValueError, pa.ArrowException, EOFError, OSError) as error:
        raise StartupError(f"{path} cannot be read ({error}); export it again") from error


def known_columns(names: Iterable[str]) -> list[str]:
    """Those of a file's columns that `fields_of` reads."""
    ours = {*REQUIRED, *OPTIONAL, "passband", "survey"}
    return [name for name in names if OTHER_NAMES.get(name, name) in ours]


def records_of(fields: dict[str, Column], start: int) -> Iterator[Record]:
    """Alerts as records; alertId is start + 1 for the first."""
    lists = {name: values.tolist() for name, values in fields.items()}
    for name in lists.keys() & set(OPTIONAL.values()):
        lists[name] = [None if value != value else value for value in lists[name]]  # noqa: PLR0124 - NaN is not itself
    if "ddf" in lists:
        lists["ddf"] = [None if value is None else bool(value) for value in lists["ddf"]]
    for alert_id, row in enumerate(zip(*lists.values(), strict=True), start + 1):
        yield {"alertId": alert_id, **dict(zip(lists, row, strict=True)), "history": []}
