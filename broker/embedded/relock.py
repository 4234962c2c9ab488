"""`python -m broker.embedded.relock`: resolve Kafka's dependencies anew and write kafka.lock.toml. See `make lock`."""

import sys
import tempfile
from pathlib import Path

from jgo.env import LockFile
from jgo.maven import MavenContext

from broker.embedded.jars import KAFKA_VERSION, LOCK

COORDINATES = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")


def relock() -> int:
    """Write the lock; how many jars it names."""
    with tempfile.TemporaryDirectory() as repository:
        context = MavenContext(repo_cache=Path(repository))
        inputs, others = context.resolver.resolve([context.create_dependency(each) for each in COORDINATES])
        needed = [*inputs, *(each for each in others if each.scope in {"compile", "runtime"})]
        LockFile.from_resolved_dependencies(needed).save(LOCK)
    LOCK.write_text(f"# Made by `make lock`. Do not edit.\n{LOCK.read_text()}")
    return len(needed)


if __name__ == "__main__":
    sys.stdout.write(f"{LOCK.name}: {relock()} jars\n")
