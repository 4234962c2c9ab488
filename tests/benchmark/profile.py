"""A flame graph of a running worker under load, as py-spy draws it: all threads, what waits left out.

python -m tests.benchmark.profile --out profile.svg --seconds 10
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tests.benchmark.progress import say
from tests.benchmark.serving import Serving, serving
from tests.benchmark.stars import key, packets

OBJECTS, POINTS = 5_000, 100
RATE_HZ = 250  # samples
ALERTS_PER_S = 25_000  # more than a worker takes: it never waits
PY_SPY = Path(sys.executable).with_name("py-spy")


def drawn(service: Serving, out: Path, seconds: int) -> None:
    """Watch a worker that has work for so long."""
    say(f"sending {ALERTS_PER_S * seconds:,} alerts")
    keys = [key("f", name) for name in range(OBJECTS)]
    for day in range(ALERTS_PER_S * seconds // OBJECTS):
        service.send(packets("f", range(OBJECTS), POINTS + day, service.sent + 1), keys)
    service.start(1)
    (worker,) = service.workers
    worker.await_ready()
    say(f"py-spy watches for {seconds} s")
    command = [str(PY_SPY), "record", "--pid", str(worker.process.pid), "--output", str(out), "--format", "flamegraph"]
    how = ["--duration", str(seconds), "--rate", str(RATE_HZ), "--threads", "--nonblocking"]
    done = subprocess.run([*command, *how], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"py-spy ended with exit code {done.returncode}:\n{done.stderr[-1500:]}")
    say(f"the flame graph is {out.resolve()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("profile.svg"))
    parser.add_argument("--seconds", type=int, default=10)
    chosen = parser.parse_args()
    if not PY_SPY.exists():
        sys.exit(f"{PY_SPY} is missing; it comes with the extra: pip install 'misweeper[test]'")
    with serving("f", OBJECTS, POINTS) as service:
        drawn(service, chosen.out, chosen.seconds)


if __name__ == "__main__":
    main()
