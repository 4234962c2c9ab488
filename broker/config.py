"""The one configuration: environment variables named MISWEEPER_<SECTION>__<KEY>; nothing else reads the environment."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from broker.errors import StartupError
from broker.patterns import check_pattern, matching
from broker.settings.complaints import PREFIX, invalid, stranger, strangers
from broker.settings.packets import Packets, Registry
from broker.settings.routes import Route, Topic, as_json, named
from broker.settings.section import Section
from broker.settings.security import KafkaSecurity, ServedWeb, WebLogin, group_rule
from broker.text import hide

LONGEST_NAME = 200
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]+$"
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=PRINTABLE)]
SERVER = r"(?:[A-Za-z_]+://)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"  # nothing with a password in it
SERVERS = rf"^ *{SERVER} *(?:, *{SERVER} *)*$"


class Kafka(KafkaSecurity):
    """Where alerts come from and classifications go."""

    bootstrap_servers: str = Field("localhost:9092", pattern=SERVERS)
    group_id: Name = "misweeper"
    topics: Annotated[tuple[str, ...], NoDecode] = Field(
        ("alerts",), min_length=1, description="Comma-separated names, or regular expressions that begin with ^."
    )
    start: Literal["earliest", "latest"] = Field("earliest", description="Where a group without offsets begins.")
    out_of_range: Literal["safe", "earliest", "latest", "stop"] = Field(
        "safe",
        description="Where it goes on when there is nothing at its offset; safe: at the earliest if retention took it, "
        "else it stops and asks.",
    )
    group_id_starts_with_username: bool | None = Field(
        None, description="Rubin's rule, looked at when we start; by default where a user reads topics of lsst-alerts."
    )
    session_timeout_ms: int = Field(
        6_000, ge=6_000, le=300_000, description="After so long without a heartbeat others take over."
    )  # from the least that Kafka takes (group.min.session.timeout.ms) to max.poll.interval.ms

    @field_validator("topics", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(t.strip() for t in value.split(",") if t.strip()) if isinstance(value, str) else value

    @field_validator("topics")
    @classmethod
    def _readable(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [topic for topic, times in Counter(topics).items() if times > 1]:
            raise ValueError(f"{twice[0]} is named twice; name each topic once")
        for topic in topics:
            try:
                check_pattern(topic)
            except StartupError as error:
                raise ValueError(str(error)) from error
        return topics

    @model_validator(mode="after")
    def _group(self) -> Self:
        group_rule(self.group_id, self.username, self.topics, self.group_id_starts_with_username)
        return self

    def client(self) -> dict[str, Any]:
        """Librdkafka's settings for any client of these servers."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            **self.login(),
            "log_level": 2,  # librdkafka tells our callbacks what goes wrong; its own lines are a flood
            "reconnect.backoff.max.ms": 1_000,  # by default up to 10 s go by after Kafka is back
        }

    def consumer(self) -> dict[str, Any]:
        """Librdkafka's settings for a consumer in our group."""
        return self.client() | {
            "group.id": self.group_id,
            "session.timeout.ms": self.session_timeout_ms,
            "heartbeat.interval.ms": self.session_timeout_ms // 4,
        }


class Outputs(Section):
    """The topics that others subscribe to."""

    classifications: Topic = "misweeper.classifications"
    anomalies: Topic = "misweeper.anomalies"
    dead_letters: Topic = "misweeper.dead-letters"
    shadow: Topic | None = Field(None, description="What the artefact says that is promoted as shadow.")
    routes: Annotated[Mapping[str, Route], NoDecode] = Field(
        {},
        description="Further topics: a JSON list, or for each ..._ROUTES__<NAME>__TOPIC, _CONTENT, _FRAMING, _WHERE.",
    )

    @field_validator("routes", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return named(value)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.topics)) < len(self.topics):
            raise ValueError(f"two outputs go to one topic ({', '.join(self.topics)}); give each its own")
        return self

    @property
    def ours(self) -> tuple[str, ...]:
        """Those that there always are."""
        return self.classifications, self.anomalies, self.dead_letters

    @property
    def topics(self) -> tuple[str, ...]:
        """All that is written to: the shadow's and the routes' too."""
        shadow = (self.shadow,) if self.shadow else ()
        return *self.ours, *shadow, *(route.topic for route in self.routes.values())


class Redis(WebLogin):
    """Where light curves are kept; username and password count before those in the URL."""

    url: SecretStr = SecretStr("redis://localhost:6379/0")
    url_file: Path | None = None
    cluster: bool = False
    prefix: Name = "misweeper:"
    timeout_s: float = Field(5.0, gt=0, le=300, allow_inf_nan=False)
    replicas: int = Field(
        0, ge=0, le=5, description="Replicas that have an observation before it is answered, so a failover keeps it."
    )
    curve_ttl_days: int = Field(400, ge=1, le=36_500)
    state_ttl_days: int = Field(60, ge=1, le=36_500)
    rebuild: Literal["auto", "wait"] = Field(
        "auto",
        description="Where Redis has lost its data: rebuild the light curves from Kafka, or wait for an operator.",
    )


class Batch(Section):
    """How micro-batches are made."""

    max_size: int = Field(1024, ge=1, le=65_536, description="Messages; fewer are taken where fewer have come.")


class Classifier(Section):
    """Which model classifies, and where."""

    artefact: Path | None = Field(None, description="A folder; by default the artefact that misweeper ships.")
    models: Path | None = Field(
        None, description="A folder of such folders: `misweeper model promote` says which of them classify."
    )
    device: Literal["auto", "cuda", "cpu"] = "auto"
    priors: Literal["balanced", "natural"] = "balanced"
    threads: int = Field(1, ge=1, le=1024, description="CPU threads of torch.")


class Limits(Section):
    """Bounds on what a message may cost."""

    max_message_bytes: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        le=1024**3,
        description="A larger message is a dead letter: it could decode to gigabytes.",
    )
    max_batch_bytes: int = Field(
        64 * 1024 * 1024, ge=1024 * 1024, le=1024**3, description="Of the messages that are read at once."
    )
    max_observations: int = Field(
        20_000, ge=1_000, le=1_000_000, description="The newest of an object's, that are read where its state is lost."
    )


class Http(ServedWeb):
    """Where /metrics, /livez and /readyz answer, and to whom; with a certificate they speak TLS."""

    host: str = "127.0.0.1"
    port: int = Field(9464, ge=0, le=65_535)
    disk: Path | None = Field(
        None, description="A folder of servers that run beside the worker: /readyz tells how much its disk has free."
    )

    @field_validator("host")
    @classmethod
    def _bare(cls, host: str) -> str:
        return host[1:-1] if host.startswith("[") and host.endswith("]") else host


class Log(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    form: Literal["console", "json"] = "console"


class Settings(BaseSettings):
    """Everything an operator can set. `misweeper check` prints it, secrets masked."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, case_sensitive=False
    )

    worker: str = Field(
        default_factory=lambda: f"{gethostname()}-{os.getpid()}",
        min_length=1,
        max_length=LONGEST_NAME,
        pattern=PRINTABLE,
        description="Unique among living workers, and best the same after a restart.",
    )
    shutdown_timeout_s: float = Field(20.0, gt=0, le=3600, allow_inf_nan=False)
    kafka: Kafka = Kafka()
    outputs: Outputs = Outputs()
    redis: Redis = Redis()
    batch: Batch = Batch()
    classifier: Classifier = Classifier()
    limits: Limits = Limits()
    packets: Packets = Packets()
    registry: Registry = Registry()
    http: Http = Http()
    log: Log = Log()

    @model_validator(mode="after")
    def _no_circle(self) -> Self:
        """What the service publishes is never what it reads: one bad message would become dead letters for ever."""
        for topic in self.outputs.topics:
            for wanted in self.kafka.topics:
                if matching(wanted, [topic]):
                    raise ValueError(
                        f"the output topic {topic} is input too, by {wanted} of MISWEEPER_KAFKA__TOPICS; "
                        "name inputs that are no outputs"
                    )
        return self

    @classmethod
    def load(cls) -> Self:
        """The settings of this process's environment. Raises StartupError that names what is wrong."""
        known = variables()
        if unknown := strangers(os.environ, known):
            raise StartupError(stranger(unknown[0], known))
        try:
            settings = cls()
        except (ValidationError, SettingsError) as error:
            raise StartupError(invalid(error)) from None
        hide(secrets_in(settings))
        return settings


def variables(settings: Settings | None = None) -> dict[str, str]:
    """Every environment variable there is with its value (None: its default), secrets masked."""
    found: dict[str, str] = {}
    for name, info in Settings.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            section = getattr(settings, name) if settings else info.annotation()
            found |= {
                f"{PREFIX}{name}__{key}".upper(): shown(getattr(section, key)) for key in type(section).model_fields
            }
        else:
            value = getattr(settings, name) if settings else info.get_default(call_default_factory=True)
            found[f"{PREFIX}{name}".upper()] = shown(value)
    return found


def secrets_in(settings: Settings) -> Iterator[str]:
    """What may be seen nowhere: the secrets themselves, of a URL its password as it stands there and as it is sent."""
    for name in Settings.model_fields:
        section = getattr(settings, name)
        for value in dict(section).values() if isinstance(section, Section) else ():
            if isinstance(value, SecretStr):
                secret = value.get_secret_value()
                if "://" in secret:
                    secret = secret.partition("://")[2].rpartition("@")[0].partition(":")[2]
                yield from (secret, unquote(secret))


def shown(value: object) -> str:
    """A setting as an operator may see it."""
    if isinstance(value, Mapping):
        return as_json(value)
    if isinstance(value, tuple):
        if any(isinstance(part, Section) for part in value):
            return json.dumps([part.model_dump(mode="json", exclude_defaults=True) for part in value])
        return ",".join(value)
    return "" if value is None else str(value)
