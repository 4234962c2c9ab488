import json
import urllib.error
import urllib.request

import pytest

from broker.health import STALE_AFTER_S, Health, serve
from broker.metrics import Metrics


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def health(clock):
    return Health(Metrics(), lambda: clock[0])


def test_ready_means_every_part_is_well(health):
    for part in Health.PARTS:
        assert not health.ready
        health.well(part)
    assert health.ready
    health.unwell("redis", "connection refused")
    assert health.wrong == {"redis": "connection refused"}


def test_alive_means_the_loop_turns(health, clock):
    assert health.alive
    clock[0] += STALE_AFTER_S + 1
    assert not health.alive
    health.turned()
    assert health.alive


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_three_addresses(health, clock):
    metrics = Metrics()
    server = serve(health, metrics, "127.0.0.1", 0)
    try:
        port = server.server_port
        status, body = ask(port, "/readyz")
        assert (status, set(json.loads(body)["wrong"])) == (503, set(Health.PARTS))
        for part in Health.PARTS:
            health.well(part)
        health.warnings = {"eviction": "it may"}
        status, body = ask(port, "/readyz")
        assert (status, json.loads(body)["warnings"]) == (200, {"eviction": "it may"}), "a warning stops nothing"
        assert ask(port, "/livez")[0] == 200
        clock[0] += STALE_AFTER_S + 1
        assert ask(port, "/livez")[0] == 503
        status, body = ask(port, "/metrics")
        assert status == 200
        assert 'misweeper_fates_total{fate="published"} 0.0' in body
        assert ask(port, "/secrets")[0] == 404
    finally:
        server.shutdown()
        server.server_close()
