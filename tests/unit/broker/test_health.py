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
    age_s = health._metrics.registry.get_sample_value
    assert age_s("misweeper_loop_age_seconds") == STALE_AFTER_S + 1
    health.turned()
    assert health.alive
    assert age_s("misweeper_loop_age_seconds") == 0


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
        assert 'misweeper_stage_seconds_count{stage="decode"} 0.0' in body
        assert ask(port, "/secrets")[0] == 404
    finally:
        server.shutdown()
        server.server_close()


def test_ready_says_since_when_something_is_wrong_and_what_the_service_works_with(health, clock):
    for part in Health.PARTS:
        health.well(part)
    health.facts["lag_offsets"] = lambda: {"alerts[0]": 12}
    clock[0] = 10.0
    health.unwell("kafka", "away")
    clock[0] = 25.0
    health.unwell("kafka", "still away")
    clock[0] = 40.0
    assert health.said == {
        "ready": False,
        "wrong": {"kafka": "still away"},
        "wrong_for_s": {"kafka": 30.0},
        "warnings": {},
        "lag_offsets": {"alerts[0]": 12},
    }
    assert health.pulse == {"alive": True, "turned_s_ago": 40.0, "wrong_for_s": {"kafka": 30.0}}
    health.well("kafka")
    assert health.said["wrong_for_s"] == {}


def test_without_the_login_probes_are_answered_and_nothing_is_told(health):
    health.unwell("redis", "a secret place")
    server = serve(health, Metrics(), "127.0.0.1", 0, login="Basic b3BlcmF0b3I6czNjcjN0")
    try:
        assert ask(server.server_port, "/metrics")[0] == 401
        assert ask(server.server_port, "/readyz") == (503, '{"ready": false}')
        assert ask(server.server_port, "/livez")[0] == 200
    finally:
        server.shutdown()
        server.server_close()
