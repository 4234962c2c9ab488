"""Who we are to a server, and whom we trust: logins, certificates, and secrets that stand in files."""

import ssl
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from broker.errors import StartupError
from broker.settings.section import Section

LARGEST_SECRET = 64 * 1024  # bytes of a file that holds one
RUBIN = "lsst-alerts"  # how the topics are named whose servers want the group's id to begin with the user's name


class Secured(Section):
    """A server that may speak TLS. Each secret may stand in a file instead, named by the variable with _FILE behind."""

    ca_file: Path | None = Field(None, description="Certificates (PEM) of whom to trust; by default the system's.")
    certificate_file: Path | None = Field(None, description="Our own certificate (PEM) and those up to its CA.")
    key_file: Path | None = Field(None, description="Its key (PEM).")
    key_password: SecretStr | None = None
    key_password_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, given: Any) -> Any:  # noqa: ANN401 - whatever pydantic is given
        if not isinstance(given, Mapping):
            return given
        found = {name: value for name, value in given.items() if value != "" or not name.endswith("_file")}
        for name in cls.model_fields:
            secret = name.removesuffix("_file")
            if secret != name and secret in cls.model_fields and found.get(name):
                if found.get(secret):
                    raise ValueError(f"{secret.upper()} and {name.upper()} are both set; set one of them")
                found[secret] = secret_in(name.upper(), Path(str(found[name])))
        return found

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("CERTIFICATE_FILE and KEY_FILE belong together; set both or none")
        return self

    @property
    def has_certificates(self) -> bool:
        """Whether any is named."""
        return bool(self.ca_file or self.certificate_file)

    def certificates(self, prefix: str) -> ssl.SSLContext:
        """What Python's TLS takes of them, once each file was read. Raises StartupError that names the variable."""
        context = ssl.create_default_context()
        try:
            if self.ca_file:
                context.load_verify_locations(self.ca_file)
        except (OSError, ValueError) as error:
            raise StartupError(f"{prefix}CA_FILE: {self.ca_file} {unread(error, 'holds no certificate')}") from None
        password = self.key_password.get_secret_value() if self.key_password else ""
        try:
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file, password)
        except (OSError, ValueError) as error:
            raise StartupError(
                f"{prefix}CERTIFICATE_FILE, {prefix}KEY_FILE: {self.certificate_file} and {self.key_file} "
                f"{unread(error, 'hold no certificate and its own key')}, or {prefix}KEY_PASSWORD is missing or wrong"
            ) from None
        return context


class KafkaSecurity(Secured):
    """How we log in to Kafka."""

    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    oauth_token_url: str | None = Field(None, pattern=r"^https?://[^/@\s?#]+(/[^@\s?#]*)?$")
    oauth_client_id: str | None = None
    oauth_client_secret: SecretStr | None = None
    oauth_client_secret_file: Path | None = None
    oauth_scope: str | None = None
    oauth_extensions: str | None = Field(None, description="name=value, several with commas between.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.has_certificates and not self.security_protocol.endswith("ssl"):
            raise ValueError(f"{self.security_protocol} takes no certificates; set SECURITY_PROTOCOL to an ssl one")
        if not self.security_protocol.startswith("sasl"):
            return self
        names: tuple[str, ...] = ("username", "password")
        if self.sasl_mechanism == "OAUTHBEARER":
            names = ("oauth_token_url", "oauth_client_id", "oauth_client_secret")
        if missing := [name.upper() for name in names if not getattr(self, name)]:
            raise ValueError(f"{self.sasl_mechanism} is set, and {' and '.join(missing)} missing; set them too")
        return self

    def login(self) -> dict[str, Any]:
        """Librdkafka's settings for servers that we log in to."""
        settings: dict[str, Any] = {"security.protocol": self.security_protocol}
        if self.security_protocol.endswith("ssl"):
            settings |= {
                "ssl.ca.location": self.ca_file,
                "ssl.certificate.location": self.certificate_file,
                "ssl.key.location": self.key_file,
                "ssl.key.password": plain(self.key_password),
            }
        if self.security_protocol.startswith("sasl"):
            settings["sasl.mechanism"] = self.sasl_mechanism
            if self.sasl_mechanism == "OAUTHBEARER":
                settings |= {
                    "sasl.oauthbearer.method": "oidc",
                    "sasl.oauthbearer.token.endpoint.url": self.oauth_token_url,
                    "sasl.oauthbearer.client.id": self.oauth_client_id,
                    "sasl.oauthbearer.client.secret": plain(self.oauth_client_secret),
                    "sasl.oauthbearer.scope": self.oauth_scope,
                    "sasl.oauthbearer.extensions": self.oauth_extensions,
                    "https.ca.location": self.ca_file,
                }
            else:
                settings |= {"sasl.username": self.username, "sasl.password": plain(self.password)}
        return {name: str(value) for name, value in settings.items() if value is not None}


class WebLogin(Secured):
    """How we log in to a web server."""

    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None

    def headers(self) -> dict[str, str]:
        """Those that say who we are."""
        if not self.username and not self.password:
            return {}
        pair = f"{self.username or ''}:{plain(self.password) or ''}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


class ServedWeb(WebLogin):
    """Whom we let in as a web server, and what we show them: here ca_file is of those whose clients may come."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.username) != bool(self.password):
            raise ValueError("USERNAME and PASSWORD belong together; set both or none")
        if self.ca_file and not self.certificate_file:
            raise ValueError("CA_FILE is of clients, and without a CERTIFICATE_FILE of ours there is no TLS; set it")
        return self

    @property
    def login(self) -> str:
        """The Authorization header of those who may read; empty where all may."""
        return self.headers().get("Authorization", "")

    def shown(self, prefix: str) -> ssl.SSLContext | None:
        """Our certificate for those who come; None where there is none. Raises StartupError that names the variable."""
        if not self.certificate_file:
            return None
        self.certificates(prefix)  # who is to blame for a file is found out there
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca_file)
        context.load_cert_chain(self.certificate_file, self.key_file, plain(self.key_password) or "")
        context.verify_mode = ssl.CERT_REQUIRED if self.ca_file else ssl.CERT_NONE
        return context


def group_rule(group_id: str, username: str | None, topics: tuple[str, ...], wanted: bool | None) -> None:
    """Rubin's servers refuse a group whose id does not begin with the user's name. Raises ValueError.

    Args:
        group_id: ours.
        username: ours.
        topics: what is read.
        wanted: whether the rule holds; None: where Rubin's topics are read by a user.
    """
    holds = bool(username) and any(RUBIN in topic for topic in topics) if wanted is None else wanted
    if holds and not (username and group_id.startswith(username)):
        raise ValueError(
            "the id of the group does not begin with USERNAME, as Rubin's servers want it; set GROUP_ID to that name "
            "and more, or GROUP_ID_STARTS_WITH_USERNAME to false"
        )


def secret_in(name: str, path: Path) -> str:
    """A secret that stands in a file, without the line's end. Raises ValueError that shows none of it."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_SECRET + 1).decode()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ValueError(f"{name}: {path} cannot be read ({why})") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret or len(text) > LARGEST_SECRET or "\0" in secret:
        raise ValueError(f"{name}: {path} holds no secret: it is empty, or too large, or has a zero byte")
    return secret


def plain(secret: SecretStr | None) -> str | None:
    """The secret itself."""
    return secret.get_secret_value() if secret else None


def unread(error: Exception, what: str) -> str:
    """Why a PEM file cannot be used, without what stands in it."""
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
        return f"{what} in PEM"
    return f"cannot be read ({error.strerror})"
