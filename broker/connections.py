"""Clients of Kafka and Redis, once each has answered: for the service and for every command; needs no torch."""

from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import redis
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from redis.connection import parse_url

from broker.config import Redis, Settings
from broker.errors import StartupError, TransientError
from broker.kafka.troubles import Troubles
from broker.lightcurves.redis_store import DAY_S, RedisLightCurves
from broker.lightcurves.resp import Wire
from broker.lightcurves.routing import Address, Cluster, OneServer, Servers
from broker.text import host_and_port

CONNECT_S = 10.0
REDIS_URL = "MISWEEPER_REDIS__URL"
SOME = [b"%d" % i for i in range(64)]  # objects whose keys are spread over all nodes of a cluster
FORM = "redis://user:password@host:6379/0 (rediss:// for TLS; / ? # in a password are written %2F %3F %23)"
OPTIONS = (
    *("db", "client_name", "socket_keepalive", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"),
    *("ssl_cert_reqs", "ssl_check_hostname", "ssl_ciphers", "ssl_min_version"),
)


def connect_redis(settings: Settings, model: str = "") -> RedisLightCurves:
    """The store of light curves, once it has answered. Raises StartupError.

    Args:
        settings: name it.
        model: names the states, so that several models can keep theirs.
    """
    chosen = settings.redis
    store = RedisLightCurves(
        redis_servers(chosen),
        prefix=chosen.prefix,
        curve_ttl_s=chosen.curve_ttl_days * DAY_S,
        state_ttl_s=chosen.state_ttl_days * DAY_S,
        model=model,
    )
    try:
        store.states(SOME)
    except TransientError as error:
        raise StartupError(unreachable(error)) from None
    return store


def unreachable(error: TransientError) -> str:
    """What Redis says at the start, with a remedy."""
    return str(error) if ";" in str(error) else f"{error}; start Redis or set {REDIS_URL}"


def redis_servers(chosen: Redis) -> Servers:
    """The server or the cluster that the settings name, not yet connected. Raises StartupError."""
    url = chosen.url.get_secret_value()
    options = require_readable(url)
    try:
        made: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
        make = made.pop("connection_class", redis.Connection)
        # RESP2 has no messages that nobody asked for.
        made |= {"socket_timeout": chosen.timeout_s, "socket_connect_timeout": chosen.timeout_s, "protocol": 2}
        make(**made)  # tries the options, connects nothing
    except (TypeError, ValueError, OSError, redis.RedisError):  # whose texts quote the URL
        raise StartupError(f"{REDIS_URL}: an option cannot be used as it is, of {', '.join(options)}") from None
    where = str(made.get("path") or host_and_port(made["host"], made.get("port", 6379)))
    if not chosen.cluster:
        return OneServer(Wire(lambda: make(**made), where))
    if "{" in chosen.prefix:
        raise StartupError("MISWEEPER_REDIS__PREFIX: no { in a Redis Cluster, it would put every key on one node")
    if made.get("db") or "path" in made:
        raise StartupError(f"{REDIS_URL}: a Redis Cluster is named by a host, without a database; or set no cluster")

    def wire_to(address: Address) -> Wire:
        host, port = address
        return Wire(lambda: make(**made | {"host": host, "port": port}), host_and_port(host, port))

    return Cluster(wire_to, (made["host"], made.get("port", 6379)))


def require_readable(url: str) -> list[str]:
    """The names of the URL's options. Raises StartupError, which quotes nothing that could be part of a password."""
    try:
        parts = urlsplit(url)
        readable = parts.port != 0 and fits(parts)
    except ValueError:
        readable = False
    if not readable:
        raise StartupError(f"{REDIS_URL} cannot be read as {FORM}")
    options = list(parse_qs(parts.query, keep_blank_values=True))
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise StartupError(f"{REDIS_URL}: there is no option {unknown[0]!r}; there are {', '.join(OPTIONS)}")
    return options


def fits(parts: SplitResult) -> bool:
    """Whether each part of a URL is what it looks like: a stray / or ? would make half a password a database."""
    if "@" in parts.path + parts.query + parts.fragment or parts.fragment:
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    number = parts.path.removeprefix("/")
    return parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and (not number or number.isdecimal())


def connect_kafka(settings: Settings) -> AdminClient:
    """A client of the Kafka servers, once they have answered. Raises StartupError that names what was wrong first."""
    troubles = Troubles()
    servers = settings.kafka.bootstrap_servers
    try:
        config: dict[str, Any] = {**settings.kafka.client(), "log_level": 0, "error_cb": troubles}
        admin = AdminClient(config)
    except (KafkaException, ValueError) as error:
        reason = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise StartupError(
            f"no client of Kafka can be made ({reason}); look at the MISWEEPER_KAFKA__ settings"
        ) from None
    try:
        admin.list_topics(timeout=CONNECT_S)
    except KafkaException as error:
        admin.poll(0)  # then the cause is told
        cause = troubles.cause(error.args[0])
        raise StartupError(f"Kafka at {servers}: {cause.str()}; {remedy(cause)}") from None
    return admin


def remedy(error: KafkaError) -> str:
    """What an operator can do about an error that a client of Kafka begins with."""
    if error.code() == KafkaError._RESOLVE:  # noqa: SLF001 - librdkafka's names
        return "that name is not known here: mend MISWEEPER_KAFKA__BOOTSTRAP_SERVERS, or what Kafka advertises"
    if error.code() in (KafkaError._SSL, KafkaError._AUTHENTICATION) or "SSL" in error.str():  # noqa: SLF001
        return "look at MISWEEPER_KAFKA__SECURITY_PROTOCOL, __SASL_MECHANISM, __USERNAME and __PASSWORD"
    return "start it, or set MISWEEPER_KAFKA__BOOTSTRAP_SERVERS"
