"""The parts of the configuration that say how packets are read: the formats of topics, and where schemas come from."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from broker.errors import StartupError
from broker.patterns import check_pattern
from broker.settings.crossmatch import Crossmatch
from broker.settings.section import Section
from broker.settings.security import WebLogin


class TopicFormat(Section):
    """How the messages of some topics are framed, and what their schema ids mean."""

    topics: str = Field(description="A name, or a regular expression that begins with ^.")
    framing: Literal["any", "container", "wire", "schemaless", "schema_in_key"] = Field(
        "any", description="any: told by each message's bytes."
    )
    ids: Literal["ours", "rubin", "registry"] = Field(
        "ours",
        description="Of the wire framing. rubin: 100 major + minor, from MISWEEPER_REGISTRY__ORDER; registry: of the "
        "registry alone.",
    )
    schema_file: Path | None = Field(
        None, description="Of a body without any framing; where there is none and the ids are ours, our own."
    )

    @field_validator("topics")
    @classmethod
    def _readable(cls, topics: str) -> str:
        try:
            return check_pattern(topics)
        except StartupError as error:
            raise ValueError(str(error).replace("MISWEEPER_KAFKA__TOPICS", "MISWEEPER_PACKETS__FORMATS")) from error


RUBIN = TopicFormat(topics="^lsst-alerts", ids="rubin")


class Packets(Section):
    """How packets are read."""

    formats: tuple[TopicFormat, ...] = Field(
        (RUBIN,), description="JSON; the first that names a topic counts, and after the last our own ids do."
    )
    crossmatches: tuple[Crossmatch, ...] = Field(
        (), description='JSON: what is known beside the packets, such as [{"survey": "ztf", "file": "hosts.parquet"}].'
    )


class Registry(WebLogin):
    """Where writers' schemas come from that messages name by id alone."""

    url: str | None = Field(None, description="Of a Confluent Schema Registry.")
    order: Annotated[tuple[Literal["registry", "package"], ...], NoDecode] = Field(
        ("registry", "package"), description="Who is asked first; package: lsst-alert-packet, where it is installed."
    )
    cache: Path | None = Field(
        Path("~/.cache/misweeper/schemas"),
        description="A folder: what the registry said is kept there; empty for none.",
    )
    timeout_s: float = Field(5.0, gt=0, le=60, allow_inf_nan=False)

    @field_validator("url")
    @classmethod
    def _a_web_address(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "http://none")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("no address of a registry; write http://host:port or https://host:port")
        if parts.username or parts.password:
            raise ValueError("an address with a user's name or password in it; USERNAME and PASSWORD are for them")
        return url or None

    @field_validator("order", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(t.strip() for t in value.split(",") if t.strip()) if isinstance(value, str) else value

    @field_validator("cache", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return value or None
