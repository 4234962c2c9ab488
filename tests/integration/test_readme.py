"""The README's own lines read each output from a real Kafka, and its routes are read as they stand."""

import os
import re
import secrets
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.packets.framings import encode
from tests.support.servers import Topics
from tests.support.service import Service

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SNIPPETS = {re.search(r'subscribe\(\["(?:misweeper[.])?([a-z]+)"', code).group(1): code
            for code in re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)}  # fmt: skip
ROUTES = re.search(r"MISWEEPER_OUTPUTS__ROUTES='(.*?)'", README, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def service(kafka, redis_url, tmp_path_factory):
    """A service that has published a few hundred classifications; its topics have a prefix."""
    service = Service(kafka, redis_url, f"test-{secrets.token_hex(6)}-", tmp_path_factory.mktemp("readme"))
    everything = ROUTES.replace('"where": "anomaly or', '"where": "anomaly or not anomaly or')  # 100 of each
    service.environment["MISWEEPER_OUTPUTS__ROUTES"] = everything.replace('"topic": "', f'"topic": "{service.prefix}')
    with pytest.MonkeyPatch.context() as patch:
        service.create_topics(patch)
    service.worker().await_ready(180)
    service.send((r["objectId"], encode(r, "observation")) for r in islice(read_alerts(HELDOUT), 300))
    service.collect(300, linger_s=0.5)
    yield service
    service.close()
    Topics(kafka, service.prefix).delete()


def test_the_readme_reads_every_content_in_every_framing_that_its_readers_use():
    assert set(SNIPPETS) == {"classifications", "desc", "fink", "elasticc"}


@pytest.mark.parametrize("output", sorted(SNIPPETS))
def test_these_very_lines_read_an_output(service, output):
    code = SNIPPETS[output]
    assert len([line for line in code.splitlines() if line]) < 10
    ours = re.sub(r'(subscribe\(\[")(misweeper[.])?', rf"\g<1>{service.prefix}", code).replace(
        "kafka:9092", service.kafka
    )
    ours = ours.replace('"me"', f'"{service.prefix}{output}"')
    done = subprocess.run(
        [sys.executable, "-c", ours], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 100, done.stderr
    known = {"classifications": "'objectId': '", "desc": "{'classId': 2222, 'prob", "fink": "", "elasticc": "Id': 200"}
    assert all(line and known[output] in line for line in lines)
