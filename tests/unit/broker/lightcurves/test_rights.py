from broker.lightcurves.identity import RENEW
from broker.lightcurves.redis_store import COMPACT
from broker.lightcurves.rights import commands
from tests.support.valkey_users import COMPLETE

ELSEWHERE = {"config|get", "cluster|slots", "asking", "client|setinfo"}  # asked for, and done without where refused


def test_every_right_that_is_documented_is_tried():
    tried = {command[0].decode().lower() for command in commands(b"p:", b"tag", replicas=1)}
    assert tried == set(COMPLETE) - ELSEWHERE


def test_the_stores_own_scripts_are_tried():
    scripts = {command[1] for command in commands(b"p:", b"tag", replicas=1) if command[0] == b"EVAL"}
    assert scripts == {COMPACT, RENEW}
