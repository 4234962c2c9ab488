"""The surveys whose packets can be made of light curves."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from broker.errors import StartupError
from broker.replays import elasticc, ztf
from broker.replays.elasticc import elasticc_packets
from broker.replays.native import native_packets
from broker.replays.packet import Packet, Record, container, schema_in_key, schema_text, schemaless
from broker.replays.rubin import rubin_packets
from broker.replays.ztf import ztf_packets
from broker.text import printable

Maker = Callable[[Iterable[Record]], Iterator[Packet]]

MAKERS: dict[str, Maker] = {
    "native": native_packets,
    "rubin": rubin_packets,
    "ztf": ztf_packets,
    "elasticc": elasticc_packets,
}

SCHEMAS = {"ztf": ztf.SCHEMA, "elasticc": elasticc.SCHEMA}
FRAMED_MAKERS = {"ztf": ztf_packets, "elasticc": elasticc_packets}
FRAMINGS = {"container": container, "schemaless": schemaless, "schema-in-key": schema_in_key}


def maker(survey: str, framing: str | None = None) -> Maker:
    """What makes packets of light curves. Raises StartupError where there is none.

    Args:
        survey: whose.
        framing: of those that have several; by default the survey's own.
    """
    if survey not in MAKERS:
        raise StartupError(f"no packets of {printable(survey)} are made here; give one of {', '.join(MAKERS)}")
    if framing is None:
        return MAKERS[survey]
    if survey not in FRAMED_MAKERS or framing not in FRAMINGS:
        raise StartupError(
            f"no packets of {survey} are framed as {printable(framing)}; "
            f"{' and '.join(FRAMED_MAKERS)} are as one of {', '.join(FRAMINGS)}"
        )
    return partial(FRAMED_MAKERS[survey], framed=FRAMINGS[framing])


def schema_of(survey: str) -> str:
    """The JSON of the schema of a survey's packets, for topics of bare bodies. Raises StartupError."""
    if survey not in SCHEMAS:
        raise StartupError(f"packets of {printable(survey)} have no schema to be written; {', '.join(SCHEMAS)} have")
    return schema_text(SCHEMAS[survey])
