"""Clients of Kafka and Redis, once each has answered: for the service and for every command; needs no torch."""

from collections.abc import Callable
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
from broker.settings.security import plain
from broker.text import host_and_port

CONNECT_S, FIRST_S = 10.0, 2.0
WAIT_SHARE = 0.5  # of the time for an answer, in which replicas may be waited for: the answer must still come in time
REDIS_URL = "MISWEEPER_REDIS__URL"
SOME = [b"%d" % i for i in range(64)]  # objects whose keys are spread over all nodes of a cluster
FORM = "redis://user:password@host:6379/0 (rediss:// for TLS; / ? # in a password are written %2F %3F %23)"
OPTIONS = (
    *("db", "client_name", "socket_keepalive", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"),
    *("ssl_cert_reqs", "ssl_check_hostname", "ssl_ciphers", "ssl_min_version"),
)


def connect_redis(
    settings: Settings, model: str = "", watched: Callable[[Servers], Servers] = lambda servers: servers
) -> RedisLightCurves:
    """The store of light curves, once it has answered. Raises StartupError.

    Args:
        settings: name it.
        model: names the states, so that several models can keep theirs.
        watched: puts somebody before the servers who sees each call.
    """
    chosen = settings.redis
    store = RedisLightCurves(
        watched(redis_servers(chosen)),
        prefix=chosen.prefix,
        curve_ttl_s=chosen.curve_ttl_days * DAY_S,
        state_ttl_s=chosen.state_ttl_days * DAY_S,
        model=model,
        replicas=chosen.replicas,
        wait_ms=max(1, int(chosen.timeout_s * 1000 * WAIT_SHARE)),
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
        made |= login(chosen)
        if issubclass(make, redis.SSLConnection):  # older redis-py does not look at the name by itself
            made.setdefault("ssl_check_hostname", made.get("ssl_cert_reqs") != "none")
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


def login(chosen: Redis) -> dict[str, Any]:
    """What redis-py takes of users and certificates. Raises StartupError."""
    secrets = {"username": chosen.username, "password": plain(chosen.password)}
    if chosen.has_certificates:
        if not chosen.url.get_secret_value().startswith("rediss://"):
            raise StartupError(f"{REDIS_URL} begins not with rediss://, and certificates are for TLS alone")
        chosen.certificates("MISWEEPER_REDIS__")
        files = {
            "ssl_ca_certs": chosen.ca_file,
            "ssl_certfile": chosen.certificate_file,
            "ssl_keyfile": chosen.key_file,
        }
        secrets |= {"ssl_password": plain(chosen.key_password)} | {n: str(f) for n, f in files.items() if f}
    return {name: value for name, value in secrets.items() if value}


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
    if settings.kafka.security_protocol.endswith("ssl"):
        settings.kafka.certificates("MISWEEPER_KAFKA__")
    try:
        config: dict[str, Any] = {**settings.kafka.client(), "log_level": 0, "error_cb": troubles}
        admin = AdminClient(config)
    except (KafkaException, ValueError) as error:
        reason = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise StartupError(
            f"no client of Kafka can be made ({reason}); look at the MISWEEPER_KAFKA__ settings"
        ) from None
    for wait_s in (min(FIRST_S, CONNECT_S), CONNECT_S):
        try:
            admin.list_topics(timeout=wait_s)
            break
        except KafkaException as error:
            admin.poll(0)  # then the cause is told
            cause = troubles.cause(error.args[0])
            if wait_s == CONNECT_S or cause.code() in REFUSED:
                raise StartupError(f"Kafka at {servers}: {cause.str()}; {remedy(cause)}") from None
    return admin


def remedy(error: KafkaError) -> str:
    """What an operator can do about an error that a client of Kafka begins with."""
    text = error.str()
    for said, help_ in REMEDIES.items():
        if said in text:
            return help_
    if error.code() == KafkaError._RESOLVE:  # noqa: SLF001 - librdkafka's names
        return "that name is not known here: mend MISWEEPER_KAFKA__BOOTSTRAP_SERVERS, or what Kafka advertises"
    if error.code() in REFUSED:
        return "look at MISWEEPER_KAFKA__SECURITY_PROTOCOL, __SASL_MECHANISM, __USERNAME and __PASSWORD"
    return "start it, or set MISWEEPER_KAFKA__BOOTSTRAP_SERVERS; where it wants TLS or a login, __SECURITY_PROTOCOL"


REFUSED = (KafkaError._SSL, KafkaError._AUTHENTICATION)  # noqa: SLF001 - likewise; nothing to wait for
OURS = "it wants a certificate of ours that it trusts: look at MISWEEPER_KAFKA__CERTIFICATE_FILE and __KEY_FILE"
REMEDIES = {  # by what OpenSSL and librdkafka say
    "certificate verify failed": "its certificate is of nobody we trust, or for another name: look at "
    "MISWEEPER_KAFKA__CA_FILE, and at the name in __BOOTSTRAP_SERVERS",
    "alert certificate required": OURS,
    "alert bad certificate": OURS,
    "alert unknown ca": OURS,
    "alert certificate unknown": OURS,
    "SSL connection closed by peer": "this port speaks no TLS, or wants a certificate of ours: look at "
    "MISWEEPER_KAFKA__SECURITY_PROTOCOL and MISWEEPER_KAFKA__CERTIFICATE_FILE",
    "OAUTHBEARER token": "look at MISWEEPER_KAFKA__OAUTH_TOKEN_URL, __OAUTH_CLIENT_ID and __OAUTH_CLIENT_SECRET",
}
