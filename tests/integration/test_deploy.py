"""What operators are given works on the real servers."""

from pathlib import Path

import redis

from broker.embedded import EmbeddedValkey
from broker.embedded.valkey import server_binary

CONF = Path(__file__).parents[2] / "deploy" / "valkey.conf"


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
