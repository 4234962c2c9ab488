"""The part of the configuration that names what a cross-match knows of a survey's objects."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from broker.settings.section import Section

FINEST = 8192  # cells of 26 arc seconds


class Crossmatch(Section):
    """A table of one survey."""

    survey: Literal["native", "rubin", "ztf", "elasticc"] = Field(description="Whose packets it is for.")
    file: Path = Field(
        description="Parquet or CSV: a column object, or healpix with nside; and photoz with photoz_err, mwebv."
    )
    nside: int | None = Field(None, ge=1, le=FINEST, description="Of the column healpix, whose cells are nested.")

    @field_validator("nside")
    @classmethod
    def _a_power_of_two(cls, nside: int | None) -> int | None:
        if nside is not None and nside & (nside - 1):
            raise ValueError(f"{nside} is no power of two, as nested cells need")
        return nside
