"""Rubin's schemas from the package lsst-alert-packet, where it is installed (the extra `rubin`).

Its files are read where they lie and its code is never imported: it is GPL-3, and nothing of it is copied here.
"""

import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from fastavro.schema import load_schema

PACKAGE = "lsst-alert-packet"


@dataclass(frozen=True, slots=True)
class RubinPackage:
    """The schemas of a folder <major>/<minor>, by 100 major + minor."""

    folder: Path

    @property
    def name(self) -> str:
        """As a dead letter names it."""
        return f"the package {PACKAGE}"

    def find(self, schema_id: int) -> bytes | None:
        """The schema's JSON; None where the package has none of that version."""
        major, minor = divmod(schema_id, 100)
        path = self.folder / str(major) / str(minor) / f"lsst.v{major}_{minor}.alert.avsc"
        if not path.is_file():
            return None
        return json.dumps(load_schema(str(path))).encode()

    def ids(self) -> list[int]:
        """All that it has."""
        found = self.folder.glob("*/*/lsst.v*.alert.avsc")
        return sorted(100 * int(path.parts[-3]) + int(path.parts[-2]) for path in found)


def rubin_package() -> RubinPackage | None:
    """The package; None where it is not installed."""
    try:
        folder = Path(str(distribution(PACKAGE).locate_file("lsst/alert/packet/schema")))
    except PackageNotFoundError:
        return None
    return RubinPackage(folder) if folder.is_dir() else None
