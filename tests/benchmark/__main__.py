"""How fast misweeper is here: one table of medians and spreads. `make bench`, or with flags of one's own:

    python -m tests.benchmark --quick
    python -m tests.benchmark --only end-to-end,burst --workers 1,2 --stored 20000 --points 100 --json bench.json

Compare figures of one run alone, on a machine that has nothing else to do: its load before is printed.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path

from tests.benchmark import devices, endtoend, latency, peers, realnights, steady
from tests.benchmark.figure import Figure
from tests.benchmark.machine import machine
from tests.benchmark.progress import say
from tests.benchmark.sizes import Sizes
from tests.benchmark.table import show

PARTS: dict[str, Callable[[Sizes], Iterator[Figure]]] = {
    "stages": steady.stages,
    "devices": devices.devices,
    "lengths": steady.lengths,
    "objects": steady.objects,
    "histories": steady.histories,
    "memory": steady.memory,
    "end-to-end": endtoend.end_to_end,
    "surveys": realnights.real_nights,
    "latency": latency.latencies,
    "burst": latency.bursts,
    "peers": peers.compared,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short run that shows that all of it works")
    parser.add_argument("--only", default="", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--peers", action="store_true", help="SuperNNova beside ours, in an environment of its own")
    parser.add_argument("--json", type=Path, help="where every value of every figure is written to")
    for field in fields(Sizes):
        several = isinstance(field.default, tuple)
        kind = numbers if several else type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, help=f"by default {field.default}")
    return parser.parse_args()


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def main() -> None:
    chosen = arguments()
    sizes = Sizes().quick() if chosen.quick else Sizes()
    own = {field.name: getattr(chosen, field.name) for field in fields(Sizes)}
    sizes = replace(sizes, **{name: value for name, value in own.items() if value is not None})
    wanted = [name for name in chosen.only.split(",") if name] or [name for name in PARTS if name != "peers"]
    if strangers := sorted(set(wanted) - set(PARTS)):
        sys.exit(f"--only {strangers[0]}: no such part; name some of {','.join(PARTS)}")
    wanted += ["peers"] if chosen.peers and "peers" not in wanted else []
    where = machine()
    figures = []
    for name in wanted:
        say(name)
        figures += list(PARTS[name](sizes))
    show(figures, where)
    if chosen.json:
        whole = [asdict(f) | {"median": f.median, "quartiles": f.quartiles} for f in figures]
        chosen.json.write_text(
            json.dumps({"machine": where, "sizes": asdict(sizes), "figures": whole}, indent=1) + "\n"
        )
        say(f"written to {chosen.json}")


if __name__ == "__main__":
    main()
