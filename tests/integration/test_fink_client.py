"""Fink's own client reads routes with the schema in the key: its code as its wheel has it, on a real Kafka."""

import json
import os
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
from confluent_kafka import Producer

from tests.support.alerts import record
from tests.support.routed import of_survey, outputs_with, read, records_of
from tests.support.surveys import ADAPTERS, real_packets

WHEEL = "fink_client-12.3.0-py3-none-any.whl"  # Apache-2.0
HASH = "74dac9264bec32edd9c58f3c489bc406d80e1fc7de509c115641983efd7c679e"
CLIENT = """
import json, sys
from fink_client.consumer import AlertConsumer

topic, servers, group, count = sys.argv[1:]
with AlertConsumer([topic], {"bootstrap.servers": servers, "group.id": group}, survey="ztf") as consumer:
    for _ in range(int(count)):
        of, alert, _ = consumer.poll(60)
        assert of == topic, "nothing came"
        print(json.dumps([alert["alertId" if "brokerVersion" in alert else "candid"], alert["classifications"]]))
"""


@pytest.fixture(scope="module")
def wheel(request):
    """The client's wheel, from an earlier run or from where packages come from; its own dependencies are not needed."""
    folder = request.config.cache.mkdir("fink-client")
    if not (found := folder / WHEEL).exists() or sha256(found.read_bytes()).hexdigest() != HASH:
        wanted = folder / "wanted.txt"
        wanted.write_text(f"fink-client==12.3.0 --hash=sha256:{HASH}\n")
        found.unlink(missing_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--require-hashes", "--dest", folder, "--requirement", wanted], check=True, timeout=120)
    return found


def published(content):
    """What a route with the schema in the key has of native alerts and of a real packet of each survey."""
    outputs = outputs_with({"topic": "t", "content": content, "framing": "schema_in_key", "where": ""})
    batches = [of_survey(survey, real_packets(survey)[:1]) for survey in ADAPTERS]
    batches.append(read([record(alertId=n, objectId=f"o{n}") for n in (1, 2, 3)]))
    numbers = [decoded.alerts.alert_ids for _, decoded in batches]
    return [one for batch in batches for one in records_of(outputs, *batch)["t"]], np.concatenate(numbers).tolist()


@pytest.mark.parametrize("content", ["packet", "elasticc", "classification"])
def test_finks_client_decodes_every_message_of_a_route(wheel, kafka, topic_names, content):
    (topic,) = topic_names(content)
    found, numbers = published(content)
    producer = Producer({"bootstrap.servers": kafka})
    for one in found:
        producer.produce(topic, one.value, one.key, headers=one.headers)
    assert producer.flush(30) == 0
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, topic, kafka, topic, str(len(found))],
        env=os.environ | {"PYTHONPATH": str(wheel)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [number for number, _ in told] == numbers
    for _, classifications in told:
        assert sum(one["probability"] for one in classifications) == pytest.approx(1, abs=1e-5)
