"""Clients of Kafka and Redis, once each has answered: for the service and for every command; needs no torch."""

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from broker.config import Settings
from broker.errors import StartupError, TransientError
from broker.lightcurves.redis_store import RedisLightCurves

CONNECT_S = 10.0


def connect_redis(settings: Settings) -> RedisLightCurves:
    """The store of light curves, once it has answered."""
    chosen = settings.redis
    client_class = redis.RedisCluster if chosen.cluster else redis.Redis
    try:
        client = client_class.from_url(
            chosen.url.get_secret_value(), socket_timeout=chosen.timeout_s, socket_connect_timeout=chosen.timeout_s
        )
        store = RedisLightCurves(
            client,
            prefix=chosen.prefix,
            curve_ttl_days=chosen.curve_ttl_days,
            state_ttl_days=chosen.state_ttl_days,
        )
        store.ping()
    except (TransientError, redis.RedisError, ValueError) as error:
        raise StartupError(f"{error}; start Redis or set MISWEEPER_REDIS__URL") from error
    return store


def connect_kafka(settings: Settings) -> AdminClient:
    """A client of the Kafka servers, once they have answered."""
    try:
        admin = AdminClient({**settings.kafka.client(), "log_level": 0})
        admin.list_topics(timeout=CONNECT_S)
    except (KafkaException, ValueError) as error:
        raise StartupError(
            f"no Kafka at {settings.kafka.bootstrap_servers} ({error}); "
            "start it or set MISWEEPER_KAFKA__BOOTSTRAP_SERVERS"
        ) from error
    return admin
