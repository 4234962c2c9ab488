"""What a recount found: totals, a table for people, JSON for machines."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from textwrap import wrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from broker.accounts.ledger import FATES, Ledger
from broker.accounts.routes import THERE, WANTED, RouteAccounts, RouteLedger
from broker.kafka.batch import Place
from broker.text import printable

LISTED = 20  # defects of each kind in a report
ALWAYS = ("gaps", "doubles")  # told even where there are none
UNBROKEN = "\u00a0"
COUNTS = (*FATES, "empty", "gaps", "doubles", "anomaly_defects", "pending")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was found."""

    ledgers: dict[Place, Ledger]
    pending: dict[Place, int]  # offsets that the group has not committed; markers of transactions among them
    nameless: int  # outputs that do not name what they answer
    expired: int  # outputs that retention has deleted
    routes: RouteAccounts = field(default_factory=lambda: RouteAccounts({}, []))

    def defects(self) -> dict[str, list[tuple[Place, NDArray[np.int64]]]]:
        """The offsets of each kind of defect, by partition; only kinds of which there are any."""
        found: dict[str, list[tuple[Place, NDArray[np.int64]]]] = defaultdict(list)
        for place, ledger in self.ledgers.items():
            for kind, offsets in ledger.defects().items():
                if len(offsets):
                    found[kind].append((place, offsets))
        for topic, place, route_ledger in self.routes.each():
            for kind, offsets in route_ledger.defects().items():
                if len(offsets):
                    found[kind.format(topic)].append((place, offsets))
        return dict(found)

    def summary(self, listed: int = LISTED) -> dict[str, Any]:
        """All of it as JSON would have it; of each kind of defect the first `listed`."""
        defects = self.defects()
        rows = [self._partition(place, ledger) for place, ledger in sorted(self.ledgers.items())]
        return {
            "clean": not self.nameless and not defects,
            "partitions": rows,
            "totals": {name: sum(row[name] for row in rows) for name in COUNTS},
            "routes": [
                {"topic": topic, "taken": count(of_one, WANTED), "published": count(of_one, THERE)}
                for topic, of_one in self.routes.ledgers.items()
            ],
            "defects": {kind: sum(len(offsets) for _, offsets in of_kind) for kind, of_kind in defects.items()},
            "first": [one for kind, of_kind in defects.items() for one in islice(self._each(kind, of_kind), listed)],
            "nameless": self.nameless,
            "expired": self.expired,
        }

    def _partition(self, place: Place, ledger: Ledger) -> dict[str, Any]:
        found = ledger.defects()
        return {
            "topic": place[0],
            "partition": place[1],
            "from": ledger.span.start,
            "to": ledger.span.end,
            **ledger.fates(),
            "empty": ledger.empty,
            "gaps": len(found.pop("gap")),
            "doubles": len(found.pop("double")),
            "anomaly_defects": sum(map(len, found.values())),
            "pending": self.pending[place],
        }

    def _each(self, kind: str, of_kind: list[tuple[Place, NDArray[np.int64]]]) -> Iterator[dict[str, Any]]:
        for place, offsets in of_kind:
            for offset in offsets:
                yield {
                    "defect": kind,
                    "topic": place[0],
                    "partition": place[1],
                    "offset": int(offset),
                    "found": self._told(kind, place, int(offset)),
                }

    def _told(self, kind: str, place: Place, offset: int) -> str:
        told = self.ledgers[place].seen(offset)
        routes = (of_one[place] for topic, of_one in self.routes.ledgers.items() if topic in kind.split())
        return "; ".join([told, *(ledger.seen(offset) for ledger in routes)])


def count(of_one: Mapping[Place, RouteLedger], bits: np.uint8) -> int:
    """How many offsets of all partitions have these bits on a route."""
    return sum(ledger.count(bits) for ledger in of_one.values())


def table(summary: dict[str, Any]) -> Table:
    """The counts of a summary, a row a partition."""
    drawn = Table(title="fates of the input's offsets", title_justify="left")
    for name in ("topic", "partition", "from", "to", *COUNTS):
        drawn.add_column(name.replace("_", " "), justify="left" if name == "topic" else "right", no_wrap=True)
    for row in summary["partitions"]:
        numbers = (f"{row[name]:,}" if row[name] else "·" for name in COUNTS)
        drawn.add_row(
            Text(printable(row["topic"])), *(str(row[name]) for name in ("partition", "from", "to")), *numbers
        )
    drawn.add_section()
    drawn.add_row("all", "", "", "", *(f"{summary['totals'][name]:,}" for name in COUNTS))
    return drawn


def lines(summary: dict[str, Any], width: int) -> Iterator[str]:
    """The same counts without a table: a paragraph a partition, broken between figures and never within one.

    Args:
        summary: of a reconciliation.
        width: characters a line; a figure with its name that is longer stands alone.
    """
    for row in summary["partitions"]:
        yield from paragraph(
            f"{printable(row['topic'])}[{row['partition']}] from {row['from']} to {row['to']}:", row, width
        )
    yield from paragraph("all:", summary["totals"], width)


def paragraph(head: str, counts: dict[str, Any], width: int) -> list[str]:
    """Counts behind a head; zeros are left out but for gaps and doubles."""
    told = [f"{counts[name]:,} {name.replace('_', ' ')}" for name in COUNTS if counts[name] or name in ALWAYS]
    whole = [part.replace(" ", UNBROKEN) for part in (head, *(f"{one}," for one in told))]
    text = " ".join(whole).removesuffix(",")
    broken = wrap(text, max(width, 1), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [line.replace(UNBROKEN, " ") for line in broken]


def sentences(summary: dict[str, Any]) -> Iterator[str]:
    """The defects of a summary, a line each, then the verdict."""
    for route in summary["routes"]:
        yield f"route {printable(route['topic'])}: takes {route['taken']:,} alerts, has {route['published']:,}"
    listed = Counter(one["defect"] for one in summary["first"])
    for one in summary["first"]:
        yield f"{one['defect']}: {printable(one['topic'])}[{one['partition']}]@{one['offset']}, found: {one['found']}"
    for kind, count in summary["defects"].items():
        if count > listed[kind]:
            yield f"{kind}: {count - listed[kind]:,} more"
    if summary["nameless"]:
        yield f"{summary['nameless']:,} messages on the output topics do not name what they answer"
    if summary["expired"] and any(kind == "gap" or " route " in kind for kind in summary["defects"]):
        yield f"{summary['expired']:,} outputs are no longer retained; one of them may have answered an early gap"
    if not summary["clean"]:
        yield "not every offset has one fate"
    elif any(summary["totals"][fate] for fate in FATES):
        yield "every offset has one fate"
    else:
        pending = summary["totals"]["pending"]
        why = f"the group has not committed any of {pending:,} offsets" if pending else "there is no alert in that span"
        yield f"nothing to account for: {why}"
