"""`check` and `run` refuse the same: each missing right is one line that names it, and exit code 2 of both."""

import os
import secrets
import socket
import subprocess
import sys

import pytest
import redis
from confluent_kafka.admin import AclOperation, ResourceType

from broker.embedded import EmbeddedValkey, free_port
from tests.support.refusals import refused_by_both, said
from tests.support.secured import PASSWORD, SecuredKafka
from tests.support.servers import Topics, running
from tests.support.service import Service, eventually
from tests.support.valkey_users import SECRET, allow

LACKS = {
    "reads_nothing": (ResourceType.TOPIC, AclOperation.READ),
    "writes_no_anomaly": (ResourceType.TOPIC, AclOperation.WRITE),
    "joins_nothing": (ResourceType.GROUP, AclOperation.READ),
    "transacts_nothing": (ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE),
}
TOLD = {
    "reads_nothing": "this user may not read the topic {prefix}alerts; give it the right READ",
    "writes_no_anomaly": "this user may not write to the topic {prefix}anomalies; give it the right WRITE",
    "joins_nothing": "this user may not join the group {prefix}group (Commit failed: Broker: Group author",
    "transacts_nothing": "it takes WRITE on transactional ids that begin with the group's name and a dot",
}


@pytest.fixture(scope="module")
def server():
    with running(SecuredKafka(["complete", *LACKS])) as server:
        yield server


@pytest.fixture(scope="module")
def valkey():
    with running(EmbeddedValkey(persistent=True)) as valkey:
        yield valkey


@pytest.fixture
def service(server, valkey, tmp_path):
    """Of a user with all rights, on servers that know users; its topics are there."""
    prefix = f"test-{secrets.token_hex(6)}-"
    service = Service(server.secured_servers, valkey.url, prefix, tmp_path)
    Topics(server.bootstrap_servers, prefix)("alerts", "classifications", "anomalies", "dead-letters")
    with redis.Redis.from_url(valkey.url) as client:
        allow(client, "sweeper", prefix)
    service.environment |= login(server, "complete", prefix) | {"MISWEEPER_REDIS__URL": as_user(valkey, "sweeper")}
    yield service
    service.close()


def login(server, user, prefix) -> dict[str, str]:
    server.allow(user, prefix)
    return {
        "MISWEEPER_KAFKA__SECURITY_PROTOCOL": "sasl_plaintext",
        "MISWEEPER_KAFKA__SASL_MECHANISM": "PLAIN",
        "MISWEEPER_KAFKA__USERNAME": user,
        "MISWEEPER_KAFKA__PASSWORD": PASSWORD,
    }


def as_user(valkey, user) -> str:
    return f"redis://{user}:{SECRET}@127.0.0.1:{valkey.port}/0"


def environment(service, **changes) -> dict[str, str]:
    return service.variables() | {"MISWEEPER_WORKER": f"{service.prefix}worker"} | changes


def test_the_process_itself_ends_with_two_and_one_sentence(service):
    for command, words in (("check", "✗ Redis: "), ("run", "misweeper: ")):
        done = subprocess.run(
            [sys.executable, "-m", "broker.commands.main", command],
            env=os.environ | service.variables() | {"MISWEEPER_HTTP__PORT": "0", "MISWEEPER_REDIS__PREFIX": "other:"},
            check=False,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 2
        text = done.stdout + done.stderr
        assert "Traceback" not in text
        assert f"{words}this user of Redis may not do SET on keys that begin with other:" in text


def test_with_all_rights_check_passes_and_run_serves(service):
    code, text = said(environment(service), "check")
    assert code == 0, text
    assert "✗" not in text
    worker = service.worker().await_ready(200)
    code, text = said(environment(service, MISWEEPER_HTTP__PORT=worker.environment["MISWEEPER_HTTP__PORT"]), "check")
    assert code == 0, text
    assert "a service answers on 127.0.0.1:" in text
    eventually(lambda: worker.ask("/readyz")[0] == 200)
    assert worker.stop() == 0, "nobody was fenced by what the check tried"


@pytest.mark.parametrize("user", LACKS)
def test_a_right_that_is_missing_in_kafka_is_named_by_both(service, server, user):
    kind, operation = LACKS[user]
    server.allow(user, service.prefix, (kind, operation))
    if user == "writes_no_anomaly":
        for topic in ("classifications", "dead-letters"):
            server.allow_one(user, f"{service.prefix}{topic}", kind, operation)
    if user == "joins_nothing":
        server.allow_one(user, f"{service.prefix}group", kind, AclOperation.DESCRIBE)
    changes = {"MISWEEPER_KAFKA__USERNAME": user}
    refused_by_both(environment(service, **changes), TOLD[user].format(prefix=service.prefix), SECRET)


def test_rules_of_rubins_topics_hold_where_an_expression_means_one_without_naming_it(service, server):
    """The group's id is to begin with the user's name, and somebody is to be asked what the ids mean."""
    name = f"{service.prefix}lsst-alerts-v11"
    Topics(server.bootstrap_servers, service.prefix)("lsst-alerts-v11")
    changes = {
        "MISWEEPER_KAFKA__TOPICS": f"^{service.prefix}lsst-.*-v11$",
        "MISWEEPER_PACKETS__FORMATS": f'[{{"topics": "{name}", "ids": "rubin"}}]',
        "MISWEEPER_REGISTRY__ORDER": "registry",
    }
    words = f"MISWEEPER_KAFKA__TOPICS means {name}, and the id of the group does not begin with USERNAME"
    refused_by_both(environment(service, **changes), words, SECRET)
    changes["MISWEEPER_KAFKA__GROUP_ID_STARTS_WITH_USERNAME"] = "false"
    words = f"messages of {name} name their schema by id, and nobody can be asked for it; set MISWEEPER_REGISTRY__URL"
    refused_by_both(environment(service, **changes), words, SECRET)
    code, text = said(environment(service, **changes | {"MISWEEPER_REGISTRY__ORDER": "package"}), "check")
    assert code == 0, text


@pytest.mark.parametrize("command", ["set", "get", "rpush", "lrange", "expire", "eval", "rename", "unlink", "info"])
def test_a_command_that_is_missing_in_redis_is_named(service, valkey, command):
    with redis.Redis.from_url(valkey.url) as client:
        allow(client, "limited", service.prefix, but=command)
    url = as_user(valkey, "limited")
    if command in ("set", "info"):
        refused_by_both(
            environment(service, MISWEEPER_REDIS__URL=url),
            f"this user of Redis may not do {command.upper()} on",
            SECRET,
        )
    else:
        code, text = said(environment(service, MISWEEPER_REDIS__URL=url), "check")
        assert code == 2, text
        assert "this user of Redis may not do " in text


def test_keys_of_another_prefix_are_refused_by_both(service):
    refused_by_both(
        environment(service, MISWEEPER_REDIS__PREFIX="elsewhere:"), "on keys that begin with elsewhere:", SECRET
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"cleanup_policy": "compact"}, "is compacted: it would lose answers; set its cleanup.policy to delete"),
        ({"max_message_bytes": "20000"}, "raise its max.message.bytes to 1,000,000 or more"),
    ],
    ids=["compacted", "too small"],
)
def test_an_output_topic_that_does_not_fit_is_refused_by_both(
    kafka, topic_names, topic_prefix, valkey, tmp_path, config, words
):
    topic_names("alerts", "classifications", "dead-letters")
    topic_names("anomalies", **config)
    service = Service(kafka, valkey.url, topic_prefix, tmp_path)
    refused_by_both(environment(service), words, SECRET)


def test_a_compacted_topic_whose_settings_may_not_be_seen_is_found_by_writing_to_it(service, server):
    Topics(server.bootstrap_servers, service.prefix)("compact", cleanup_policy="compact")
    variables = environment(service, MISWEEPER_OUTPUTS__ANOMALIES=f"{service.prefix}compact")
    refused_by_both(variables, "set its cleanup.policy to delete", SECRET)


def test_a_group_that_stands_behind_the_end_is_refused_by_both(kafka, topic_names, topic_prefix, valkey, tmp_path):
    topic_names("alerts", "classifications", "anomalies", "dead-letters")
    service = Service(kafka, valkey.url, topic_prefix, tmp_path)
    code = (
        "from confluent_kafka import Consumer, TopicPartition\n"
        f"c = Consumer({{'bootstrap.servers': '{kafka}', 'group.id': '{topic_prefix}group'}})\n"
        f"c.commit(offsets=[TopicPartition('{topic_prefix}alerts', 0, 7)], asynchronous=False)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    refused_by_both(environment(service), "has the offsets 0 to 0, the group stands at 7; find out why", SECRET)


def test_a_store_that_may_lose_light_curves_is_said_and_used(kafka, topic_names, topic_prefix, redis_url, tmp_path):
    topic_names("alerts", "classifications", "anomalies", "dead-letters")
    service = Service(kafka, redis_url, topic_prefix, tmp_path)
    code, text = said(environment(service), "check")
    assert code == 0, text
    assert "! Redis' memory: Redis has no append-only file" in text
    worker = service.worker().await_ready(200)
    assert "Redis has no append-only file" in worker.log()
    service.close()


def test_a_port_that_another_program_has_is_refused_by_both(kafka, topic_names, topic_prefix, valkey, tmp_path):
    topic_names("alerts", "classifications", "anomalies", "dead-letters")
    port = free_port()
    code = f"import http.server as s; s.HTTPServer(('127.0.0.1', {port}), s.SimpleHTTPRequestHandler).serve_forever()"
    service = Service(kafka, valkey.url, topic_prefix, tmp_path)
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, cwd=tmp_path) as other:
        try:
            eventually(lambda: answers(port))
            refused_by_both(
                environment(service, MISWEEPER_HTTP__PORT=str(port)), f"cannot listen on 127.0.0.1:{port}", SECRET
            )
        finally:
            other.kill()


def answers(port) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_what_check_has_written_no_reader_sees(service, server):
    assert said(environment(service), "check")[0] == 0
    found = service.collect(0, linger_s=0.5)
    assert not any(found.values())
