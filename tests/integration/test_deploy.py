"""What operators are given works on the real servers."""

import redis
from confluent_kafka.admin import AdminClient, ConfigResource

from broker.embedded import EmbeddedValkey
from broker.embedded.jars import KAFKA_VERSION
from broker.embedded.valkey import server_binary
from tests.support.deployed import DEPLOY, compose

CONF = DEPLOY / "valkey.conf"


class ConfiguredValkey(EmbeddedValkey):
    """A Valkey that reads the operators' file."""

    def command(self) -> list[str]:
        return [server_binary(), str(CONF), "--port", str(self.port), "--dir", str(self.folder)]


def test_valkey_takes_its_configuration_and_keeps_what_it_answered():
    with ConfiguredValkey() as valkey:
        client = redis.Redis.from_url(valkey.url)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.rpush("log", b"entry")
        valkey.kill()
        valkey.start()
        assert client.lrange("log", 0, -1) == [b"entry"]


def test_kafka_knows_every_setting_of_the_compose_file(kafka):
    """The image makes KAFKA_LOG_DIRS the property log.dirs; of a name that Kafka does not know it says nothing."""
    service = compose()["services"]["kafka"]
    assert service["image"] == f"apache/kafka:{KAFKA_VERSION}"
    wanted = {name.removeprefix("KAFKA_").lower().replace("_", ".") for name in service["environment"]}
    node = ConfigResource(ConfigResource.Type.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": kafka})
    (described,) = admin.describe_configs([node]).values()
    assert wanted - set(described.result(timeout=30)) == set()
