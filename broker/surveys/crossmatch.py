"""What a cross-match knows of a survey's objects, put where their packets say nothing: redshift, its error and dust.

A table has a row an object, or a row a nested HEALPix cell, such as those of a map of dust. What an alert itself says
goes before, then the first table that knows. A redshift without an error is left out: nobody can tell whether it is
sure enough to rule classes out. The context is a part of an alert: with the same table a batch that is done again gives
the same bytes, and with another one light curves are classified anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from broker.errors import StartupError
from broker.settings.crossmatch import Crossmatch
from broker.surveys.checks import LONGEST_NAME
from broker.surveys.healpix import cell_of
from model.alerts import Alerts
from model.bounds import LARGEST_MWEBV, LARGEST_PHOTOZ

OBJECT, CELL = "object", "healpix"
VALUES = {  # by column: the most that it can be, and the field of a context
    "photoz": (LARGEST_PHOTOZ, "host_photoz"),
    "photoz_err": (LARGEST_PHOTOZ, "host_photoz_err"),
    "mwebv": (LARGEST_MWEBV, "mwebv"),
}
SETTING = "MISWEEPER_PACKETS__CROSSMATCHES"
NATIVE = "native"  # whose objects are named with their survey

Floats = NDArray[np.float32]
Keys = NDArray[np.bytes_] | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Known:
    """One table: what is known by object or by cell."""

    keys: Keys  # [k], sorted, each once
    values: Mapping[str, Floats]  # [k] each, by field of a context; NaN where unknown
    nside: int | None  # of cells; None of objects
    whole_names: bool  # whether objects are named with their survey

    def fill(self, alerts: Alerts) -> None:
        """Write what is known of n alerts into their contexts, where these say nothing."""
        place, found = self.find(alerts)
        for name, fields in (("host_photoz", ("host_photoz", "host_photoz_err")), ("mwebv", ("mwebv",))):
            if name in self.values:
                which = found & np.isnan(alerts.contexts[name])
                for field in fields:
                    alerts.contexts[field][which] = self.values[field][place[which]]

    def find(self, alerts: Alerts) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The row [n] of each alert, and whether it has one."""
        if self.nside is not None:
            asked: Keys = cell_of(alerts.places_deg, self.nside)
            fits = np.ones(len(alerts), np.bool_)
        else:
            names = alerts.objects if self.whole_names else [name.partition(b"/")[2] for name in alerts.objects]
            asked = np.array(names, f"S{self.keys.dtype.itemsize}")  # cut to the longest of the table's
            fits = np.fromiter(map(len, names), np.int64, len(names)) <= self.keys.dtype.itemsize
        place = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return place, fits & (self.keys[place] == asked)


Matches = Mapping[str, Sequence[Known]]  # by survey, as `known.SURVEYS` names it


def matches_of(tables: Iterable[Crossmatch]) -> Matches:
    """The tables that are configured. Raises StartupError."""
    found: dict[str, list[Known]] = {}
    for one in tables:
        found.setdefault(one.survey, []).append(read(one))
    return found


def read(one: Crossmatch) -> Known:
    """A table from its file. Raises StartupError that names it, what is wrong with it, and the remedy."""
    table = columns_of(one.file)
    by_cell = CELL in table
    if by_cell == (OBJECT in table):
        raise wrong(one.file, f"it must have the column {OBJECT} or {CELL}, one of the two")
    if by_cell != (one.nside is not None):
        raise wrong(one.file, f"nside and a column {CELL} belong together; give both or neither")
    if ("photoz" in table) != ("photoz_err" in table):
        raise wrong(one.file, "photoz and photoz_err belong together: a redshift without its error is not used")
    values = {name: numbers(one.file, name, table[name]) for name in VALUES if name in table}
    if not values:
        raise wrong(one.file, f"it has none of the columns {', '.join(VALUES)}")
    keys = cells(one, table[CELL]) if by_cell else names(one.file, table[OBJECT])
    if not len(keys):
        raise wrong(one.file, "it has no rows")
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    if (twice := np.flatnonzero(keys[1:] == keys[:-1])).size:
        raise wrong(one.file, f"{keys[twice[0]].item()!a} is in it twice; leave one row")
    if "photoz" in values:
        values["photoz"] = np.where(np.isnan(values["photoz_err"]), np.float32(np.nan), values["photoz"])
    sorted_values = {VALUES[name][1]: column[order] for name, column in values.items()}
    return Known(keys, sorted_values, one.nside, whole_names=one.survey == NATIVE)


def columns_of(path: Path) -> dict[str, pa.ChunkedArray]:
    """The columns of a file. Raises StartupError."""
    reader = {".parquet": pyarrow.parquet.read_table, ".csv": pyarrow.csv.read_csv}.get(path.suffix)
    if reader is None:
        raise wrong(path, f"it ends in {path.suffix!r}; a cross-match ends in .parquet or .csv")
    try:
        table = reader(path)
    except (OSError, pa.ArrowException) as error:
        raise wrong(path, f"it cannot be read ({str(error).splitlines()[0][:100]})") from error
    return dict(zip(table.column_names, table.columns, strict=True))


def numbers(path: Path, name: str, column: pa.ChunkedArray) -> Floats:
    """A column [k] of values, NaN where unknown. Raises StartupError."""
    most = VALUES[name][0]
    try:
        found: Floats = column.cast(pa.float32()).to_numpy().astype(np.float32)
    except pa.ArrowException as error:
        raise wrong(path, f"{name} is {column.type}; it must be numbers") from error
    if (bad := ~np.isnan(found) & ~((found >= 0) & (found <= most))).any():
        raise wrong(path, f"{name} is {found[bad][0]:g} in a row; it must be from 0 to {most:g}, or missing")
    return found


def cells(one: Crossmatch, column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Cells [k]. Raises StartupError."""
    most = 12 * (one.nside or 1) ** 2
    if not pa.types.is_integer(column.type) or column.null_count:
        raise wrong(one.file, f"{CELL} is {column.type}, or missing in a row; it must be whole numbers")
    found: NDArray[np.int64] = column.to_numpy().astype(np.int64)
    if (bad := (found < 0) | (found >= most)).any():
        raise wrong(one.file, f"nside {one.nside} has no cell {found[bad][0]}; nested cells are 0 to {most - 1}")
    return found


def names(path: Path, column: pa.ChunkedArray) -> NDArray[np.bytes_]:
    """Names of objects [k]; those that are numbers as text. Raises StartupError."""
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not (text or pa.types.is_integer(column.type)) or column.null_count:
        raise wrong(path, f"{OBJECT} is {column.type}, or missing in a row; it must be text or whole numbers")
    found = np.array([name.encode() for name in column.cast(pa.string()).to_pylist()], np.bytes_)
    if found.dtype.itemsize > LONGEST_NAME:
        raise wrong(path, f"{OBJECT} has more than {LONGEST_NAME} bytes in a row")
    return found


def wrong(path: Path, what: str) -> StartupError:
    """The error of a file that cannot be used."""
    return StartupError(f"{path}: {what}; mend it, or take it out of {SETTING}")
