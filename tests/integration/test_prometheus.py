"""A real Prometheus scrapes a real worker: rules, screens, and an alert that fires and resolves."""

import json
import re
import secrets
import time
from itertools import islice

import pytest
from confluent_kafka.admin import AdminClient

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.embedded import EmbeddedValkey
from broker.kafka.topics import create_topics
from broker.packets.framings import encode
from tests.support.prometheus import Prometheus, program, run
from tests.support.screens import DEPLOY, RULES, expressions, hurried, rules
from tests.support.servers import Topics, running
from tests.support.service import Service, eventually

WINDOW_S = 12  # of every rule and query here
AT_ONCE = 500


@pytest.fixture(scope="module")
def valkey():
    with running(EmbeddedValkey()) as valkey:
        yield valkey


@pytest.fixture(scope="module")
def service(kafka, valkey, tmp_path_factory):
    """One worker that answers."""
    prefix = f"test-{secrets.token_hex(6)}-"
    service = Service(kafka, valkey.url, prefix, tmp_path_factory.mktemp("service"))
    service.environment = {"MISWEEPER_REDIS__TIMEOUT_S": "0.5", "MISWEEPER_HTTP__DISK": str(valkey.folder)}
    with pytest.MonkeyPatch.context() as patch:
        create_topics(AdminClient({"bootstrap.servers": kafka}), service.settings(patch), 2, 1)
    service.worker().await_ready()
    yield service
    service.close()
    Topics(kafka, prefix).delete()


@pytest.fixture(scope="module")
def more(service):
    """Sends the next alerts of a stream."""
    alerts = read_alerts(HELDOUT)
    return lambda n: service.send((r["objectId"], encode(r, "observation")) for r in islice(alerts, n))


@pytest.fixture(scope="module")
def prometheus(service):
    port = service.workers[0].environment["MISWEEPER_HTTP__PORT"]
    with running(Prometheus([f"127.0.0.1:{port}"], hurried(RULES.read_text(), WINDOW_S))) as server:
        yield server


def test_the_rules_are_valid_and_pass_their_own_tests():
    for arguments in (
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules.test.yml"],
    ):
        done = run([program("promtool"), *arguments], DEPLOY / "prometheus")
        assert done.returncode == 0, done.stdout


def test_every_query_of_every_screen_and_rule_is_answered(service, prometheus, more):
    service.send([("k", b"no Avro at all")])
    asked = {*expressions(), *((r["record"], r["expr"]) for r in rules() if "record" in r)}
    left = {(where, hurried(query, WINDOW_S)) for where, query in asked}

    def answered():
        more(300)  # drift is told after a thousand that were looked at
        time.sleep(1)
        left.difference_update([one for one in left if prometheus.query(one[1])])
        return not left

    try:
        eventually(answered, 90)
    except AssertionError:
        pytest.fail(f"no answer: {sorted(left)}", pytrace=False)
    for rule in rules():  # of the alerts most have none, as it should be
        prometheus.query(hurried(rule["expr"], WINDOW_S))


def test_what_is_measured_is_what_happened(service, prometheus, more):
    before = counted(service, "misweeper_fates_total")
    more(AT_ONCE)
    eventually(lambda: counted(service, "misweeper_fates_total") == before + AT_ONCE)
    for name in ("misweeper_rows_total", "misweeper_light_curves_total", "misweeper_classifications_total"):
        assert counted(service, name) > 0
    assert counted(service, "misweeper_transactions_total", 'outcome="committed"') > 0
    assert counted(service, "misweeper_redis_seconds_count") > counted(service, "misweeper_batch_size_count")
    eventually(lambda: counted(service, "misweeper_end_offset") == before + AT_ONCE)
    assert counted(service, "misweeper_lag_offsets") == 0
    labels = re.findall(r'misweeper_model_info\{.*digest="(\w+)".*name="([^"]+)"', page(service))
    assert len(labels) == 1


def test_ready_explains_itself(service, more):
    more(10)
    eventually(lambda: told(service).get("lag_offsets"))
    said = told(service)
    assert said["ready"]
    assert said["assigned_partitions"] == 2
    assert said["disk"]["folder"] == service.environment["MISWEEPER_HTTP__DISK"]
    assert said["disk"]["free_bytes"] > 0
    assert set(said["lag_offsets"]) == {f"{service.input}[0]", f"{service.input}[1]"}
    assert said["last_commit_s_ago"] < 600
    assert said["redis"]["policy"] == "noeviction"
    assert len(said["models"]["all"]["digest"]) == 64
    assert said["wrong_for_s"] == {}


def test_the_lag_alert_fires_while_redis_is_away_and_resolves_when_it_is_back(service, prometheus, valkey, more):
    assert "MisweeperLagGrows" not in prometheus.firing()
    valkey.pause()
    try:

        def fires():
            more(AT_ONCE)
            time.sleep(1)
            return "MisweeperLagGrows" in prometheus.firing()

        eventually(fires, 90)
        assert service.workers[0].ask("/livez")[0] == 200, "alive, though not ready"
        assert "redis" in told(service)["wrong_for_s"]
        assert counted(service, "misweeper_redis_errors_total") > 0
        eventually(lambda: prometheus.query("max(misweeper_oldest_unread_age_seconds) > 2"))
    finally:
        valkey.resume()
    eventually(lambda: "MisweeperLagGrows" not in prometheus.firing(), 90)
    eventually(lambda: told(service)["ready"])


def page(service) -> str:
    return service.workers[0].ask("/metrics")[1]


def told(service) -> dict:
    return json.loads(service.workers[0].ask("/readyz")[1])


def counted(service, name: str, label: str = "") -> float:
    """A metric's sum over its series, or those with a label."""
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", page(service), re.MULTILINE)
    return sum(float(value) for labels, value in found if label in labels)
