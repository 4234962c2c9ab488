"""Rubin's schemas by id, on a real Kafka with a registry: mixed versions, an outage, and what is kept of it."""

import json

import pytest

from tests.support.alerts import packets
from tests.support.registry_server import registry_server
from tests.support.service import Service, eventually
from tests.support.surveys import body_of, real_packets, rubin_sample, rubin_schema, timed

VERSIONS = [(7, 0), (8, 0), (9, 0), (10, 0), (11, 0), (11, 1)]


@pytest.fixture
def server():
    with registry_server() as running:
        yield running


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path, monkeypatch, server):
    formats = [{"topics": f"{topic_prefix}alerts", "ids": "rubin"}]
    registry = {"URL": server.url, "ORDER": "registry", "CACHE": str(tmp_path / "schemas"), "TIMEOUT_S": "5"}
    environment = {f"MISWEEPER_REGISTRY__{name}": value for name, value in registry.items()}
    environment["MISWEEPER_PACKETS__FORMATS"] = json.dumps(formats)
    service = Service(kafka, redis_url, topic_prefix, tmp_path, environment)
    service.create_topics(monkeypatch, partitions=1)
    yield service
    service.close()


def sent(number: int, version: tuple[int, int], schema_id: int | None = None) -> tuple[None, bytes]:
    """Rubin's made-up alert of a version as it would come: without a key, with an id and a time of its own."""
    schema, record = rubin_schema(*version), timed(rubin_sample(*version))
    record["alertId" if "alertId" in record else "diaSourceId"] = record["diaSource"]["diaSourceId"] = number
    record["diaSource"]["midpointMjdTai"] += number
    schema_id = 100 * version[0] + version[1] if schema_id is None else schema_id
    return None, b"\x00" + schema_id.to_bytes(4, "big") + body_of(schema, record)


def offer(server, *versions: tuple[int, int]) -> None:
    for major, minor in versions:
        server.schemas[100 * major + minor] = json.dumps(rubin_schema(major, minor)).encode()


def test_a_container_and_a_schema_in_the_key_need_nothing_but_their_message(service, server):
    ztf = packets("ztf")[0].read_bytes()
    elasticc = [(json.dumps(p.schema, default=str), p.body) for p in real_packets("elasticc")]
    service.worker().await_ready()
    service.send([(None, ztf), *elasticc])
    found = service.collect(4)
    assert [len(found[kind]) for kind in ("classifications", "dead-letters")] == [4, 0]
    assert {p.record["objectId"] for p in found["classifications"]} == {"ZTF20aaelulu", "11290844"}
    assert server.asked == []


@pytest.mark.timeout(240)
def test_versions_side_by_side_an_unknown_one_and_a_registry_that_goes_away(service, server):
    offer(server, *VERSIONS)
    worker = service.worker().await_ready()
    service.send([*(sent(i + 1, version) for i, version in enumerate(2 * VERSIONS)), sent(50, (11, 1), 1102)])
    found = service.collect(2 * len(VERSIONS) + 1)
    assert sorted(p.record["alertId"] for p in found["classifications"]) == list(range(1, 2 * len(VERSIONS) + 1))
    (letter,) = found["dead-letters"]
    assert letter.record["reason"] == "unknown_schema"
    assert letter.record["detail"].startswith(f"schema id 1102 is not known to the registry {server.url}; add it there")
    assert sorted(server.asked) == sorted(f"/schemas/ids/{100 * a + b}" for a, b in [*VERSIONS, (11, 2)])

    offer(server, (7, 4))
    server.answer = 503, b""
    service.send([sent(60, (11, 1)), sent(61, (7, 4)), sent(62, (10, 0))])
    eventually(lambda: '"registry"' in worker.ask("/readyz")[1])
    assert f"{server.url} answers 503" in worker.ask("/readyz")[1]
    assert worker.ask("/livez")[0] == 200
    server.answer = None
    worker.await_ready()
    found = service.collect(2 * len(VERSIONS) + 4)
    assert {p.record["alertId"] for p in found["classifications"]} > {60, 61, 62}
    assert len(found["dead-letters"]) == 1

    assert worker.stop() == 0
    server.answer = 503, b""
    service.worker().await_ready()
    service.send([sent(70, (7, 4)), sent(71, (11, 1))])
    found = service.collect(2 * len(VERSIONS) + 6)
    assert {p.record["alertId"] for p in found["classifications"]} > {70, 71}, "from the folder, without the registry"
