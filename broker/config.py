"""The one configuration: environment variables named MISWEEPER_<SECTION>__<KEY>; nothing else reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from broker.errors import StartupError

PREFIX = "MISWEEPER_"
TESTS = "MISWEEPER_TEST_"  # the tests' own, of no concern to the service


class Section(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kafka(Section):
    """Where alerts come from and classifications go."""

    bootstrap_servers: str = "localhost:9092"
    group_id: str = "misweeper"
    topics: Annotated[tuple[str, ...], NoDecode] = Field(
        ("alerts",), min_length=1, description="Comma-separated names, or regular expressions that begin with ^."
    )
    start: Literal["earliest", "latest"] = Field("earliest", description="Where a group without offsets begins.")
    out_of_range: Literal["safe", "earliest", "latest", "stop"] = Field(
        "safe",
        description="Where it goes on when there is nothing at its offset; safe: at the earliest if retention took it, "
        "else it stops and asks.",
    )
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    session_timeout_ms: int = Field(6_000, ge=1_000, description="After so long without a heartbeat others take over.")

    @field_validator("topics", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(t.strip() for t in value.split(",") if t.strip()) if isinstance(value, str) else value

    def client(self) -> dict[str, Any]:
        """Librdkafka's settings for any client of these servers."""
        settings: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "log_level": 2,  # librdkafka tells our callbacks what goes wrong; its own lines are a flood
            "reconnect.backoff.max.ms": 1_000,  # by default up to 10 s go by after Kafka is back
        }
        if self.security_protocol.startswith("sasl"):
            settings |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.username or "",
                "sasl.password": self.password.get_secret_value() if self.password else "",
            }
        return settings

    def consumer(self) -> dict[str, Any]:
        """Librdkafka's settings for a consumer in our group."""
        return self.client() | {
            "group.id": self.group_id,
            "session.timeout.ms": self.session_timeout_ms,
            "heartbeat.interval.ms": self.session_timeout_ms // 4,
        }


class Outputs(Section):
    """The topics that others subscribe to."""

    classifications: str = "misweeper.classifications"
    anomalies: str = "misweeper.anomalies"
    dead_letters: str = "misweeper.dead-letters"

    @property
    def topics(self) -> tuple[str, ...]:
        """All of them."""
        return self.classifications, self.anomalies, self.dead_letters


class Redis(Section):
    """Where light curves are kept."""

    url: SecretStr = SecretStr("redis://localhost:6379/0")
    cluster: bool = False
    prefix: str = "misweeper:"
    timeout_s: float = Field(5.0, gt=0)
    curve_ttl_days: int = Field(400, ge=1)
    state_ttl_days: int = Field(60, ge=1)


class Batch(Section):
    """How micro-batches are made."""

    max_size: int = Field(1024, ge=1, le=65_536)
    max_wait_ms: float = Field(100.0, gt=0, le=60_000)


class Classifier(Section):
    """Which model classifies, and where."""

    artefact: Path | None = Field(None, description="A folder; by default the artefact that misweeper ships.")
    device: Literal["auto", "cuda", "cpu"] = "auto"
    priors: Literal["balanced", "natural"] = "balanced"
    threads: int = Field(1, ge=1, description="CPU threads of torch.")


class Limits(Section):
    """Bounds on what a message may cost."""

    max_message_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="A larger message is a dead letter: it could decode to gigabytes."
    )


class Http(Section):
    """Where /metrics, /livez and /readyz answer."""

    host: str = "127.0.0.1"
    port: int = Field(9464, ge=0, le=65_535)


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
        description="Unique among living workers, and best the same after a restart.",
    )
    shutdown_timeout_s: float = Field(20.0, gt=0)
    kafka: Kafka = Kafka()
    outputs: Outputs = Outputs()
    redis: Redis = Redis()
    batch: Batch = Batch()
    classifier: Classifier = Classifier()
    limits: Limits = Limits()
    http: Http = Http()
    log: Log = Log()

    @classmethod
    def load(cls) -> Self:
        """The settings of this process's environment. Raises StartupError that names what is wrong."""
        unknown = sorted(unknown_variables(os.environ))
        if unknown:
            raise StartupError(
                f"{unknown[0]} is no setting of misweeper; `misweeper check --list` prints every variable there is"
            )
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = PREFIX + "__".join(str(part) for part in first["loc"]).upper()
            raise StartupError(
                f"{name}: {first['msg']}; `misweeper check --list` prints every variable there is"
            ) from None


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


def shown(value: object) -> str:
    """A setting as an operator may see it."""
    return ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def unknown_variables(environment: Mapping[str, str]) -> set[str]:
    """Variables with our prefix that no setting reads."""
    ours = {name for name in environment if name.upper().startswith(PREFIX) and not name.upper().startswith(TESTS)}
    known = set(variables())
    return {name for name in ours if name.upper() not in known}
