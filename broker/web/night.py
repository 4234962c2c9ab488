"""A night as a whole: read once from the topics, recounted, and written as one page that needs nothing else.

What a shift hands to the next: counts that reconcile, which classes there were and how that differs from the night
before, how late answers were, and what was strange, with light curves.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from broker.accounts.reconcile import Wanted, reconcile
from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import TransientError
from broker.kafka import spans
from broker.kafka.spans import Span
from broker.kafka.subscription import NOT_OURS, source
from broker.web.drawing import light_curve
from broker.web.index import Row
from broker.web.lightcurve import LightCurves
from broker.web.pages import TEMPLATES
from broker.web.published import Classifications, Place, rows, shown
from broker.web.shapes import Answer
from broker.web.tables import COLUMNS
from broker.web.tallies import Distinct, Latencies
from broker.web.views import answer
from model.taxonomy import CLASS_NAMES

READ = 5_000
STRANGEST = 25
DAY_MS = 86_400_000
MARGIN_MS = 3_600_000  # an answer may bear an earlier time than its alert: clocks differ
SHARES = {"50 %": 0.50, "95 %": 0.95, "99 %": 0.99}

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Strange:
    """An object that was flagged, at its strangest."""

    said: Answer
    curve: Markup | None


@dataclass(frozen=True, slots=True)
class Night:
    """What there is to say of it."""

    begin_ms: int
    end_ms: int
    recount: dict[str, Any]
    classes: Counter[tuple[str, int]]  # survey and class
    before: Counter[tuple[str, int]]  # of the night before
    latencies_s: dict[str, float]
    objects: int
    anomalies: int
    strange: list[Strange]
    trouble: str  # why there are no light curves

    def mix(self) -> Iterator[dict[str, Any]]:
        """Each survey's classes, those of this night and of the one before, with their shares of both."""
        totals, earlier = (totals_of(counts) for counts in (self.classes, self.before))
        kinds = {kind for kind in self.classes | self.before if totals[kind[0]]}
        for survey, best in sorted(kinds, key=lambda kind: (kind[0], -self.classes[kind], kind[1])):
            count = self.classes[survey, best]
            was = self.before[survey, best] / earlier[survey] if earlier[survey] else None
            yield {
                "survey": survey, "name": CLASS_NAMES[best], "count": count, "share": count / totals[survey], "was": was
            }  # fmt: skip

    def drift(self) -> dict[str, float]:
        """By survey, which share of the answers lies in other classes than the night before; only where there was one.

        Half of the sum of the differences of shares: 0 for the same mix, 1 for two that have no class in common.
        """
        moved: Counter[str] = Counter()
        for row in self.mix():
            if row["was"] is not None:
                moved[row["survey"]] += abs(row["share"] - row["was"]) / 2
        return dict(moved)

    def html(self, title: str, style: str) -> str:
        """The page."""
        return TEMPLATES.get_template("night.html").render(night=self, title=title, style=Markup(style))  # noqa: S704 - our own sheet


class Counted:
    """What is counted of the answers to a night's alerts, whenever they came, and of those to the night before.

    Args:
        tonight: which offsets of the input are the night's.
        before: which are of the night before.
    """

    def __init__(self, tonight: Iterable[Span], before: Iterable[Span]) -> None:
        self._tonight = {span.place: span for span in tonight}
        self._before = {span.place: span for span in before}
        self.classes: Counter[tuple[str, int]] = Counter()
        self.before: Counter[tuple[str, int]] = Counter()
        self.latencies = Latencies()
        self.objects = Distinct()
        self.anomalies = 0
        self.strangest: dict[str, Row] = {}

    def take(self, row: Row) -> None:
        """Count an answer; one to another night's alert is passed over."""
        kind = row["survey"], row["best"]
        if not holds(self._tonight, row):
            self.before[kind] += holds(self._before, row)
            return
        self.classes[kind] += 1
        self.latencies.add(max(0, row["published_ms"] - row["read_ms"]) / 1000)
        self.objects.add(row["survey"], row["object"])
        if row["anomaly"]:
            self.anomalies += 1
            name = f"{row['survey']}/{row['object']}"
            if name not in self.strangest or self.strangest[name]["score"] < row["score"]:
                self.strangest[name] = row
                if len(self.strangest) > 4 * STRANGEST:
                    self.strangest = dict(top(self.strangest))


def holds(some: Mapping[tuple[str, int], Span], row: Row) -> bool:
    """Whether an answer is to an alert of some spans."""
    span = some.get((row["source_topic"], row["source_partition"]))
    return span is not None and span.start <= row["source_offset"] < span.end


def night_of(
    settings: Settings, curves: LightCurves, begin_ms: int, end_ms: int, *, expect: Told, advanced: Told
) -> Night:
    """Read and recount a night. Raises StartupError where Kafka does not answer.

    Args:
        settings: where things are.
        curves: of the objects.
        begin_ms: of the night [ms since 1970].
        end_ms: of the night [ms since 1970].
        expect: told how many more messages there are to read.
        advanced: told how many were read.
    """
    admin = connect_kafka(settings)
    found = reconcile(
        admin, settings, Wanted(settings.kafka.topics, begin_ms, end_ms), expect=expect, advanced=advanced
    )
    tonight = [ledger.span for ledger in found.ledgers.values()]
    earlier = spans.at_time(admin, [span.place for span in tonight], begin_ms - DAY_MS)
    counted = Counted(tonight, [span._replace(start=earlier[span.place], end=span.start) for span in tonight])
    recount = found.summary()
    places = spans.partitions(admin, [settings.outputs.classifications])
    first, middle = (spans.at_time(admin, places, ms) for ms in (begin_ms - DAY_MS - MARGIN_MS, begin_ms - MARGIN_MS))
    last = spans.newest(admin, places)
    for row in read(settings, [Span(*p, first[p], middle[p]) for p in places], expect, advanced):
        counted.take(row)
    wanted = recount["totals"]["published"]
    if wanted:  # read on until all are there: after an outage they come long after the night
        for row in read(settings, [Span(*p, middle[p], last[p]) for p in places], expect, advanced):
            counted.take(row)
            if counted.classes.total() >= wanted:
                break
    chosen = dict(top(counted.strangest))
    drawn, trouble = draw(curves, list(chosen))
    return Night(
        begin_ms,
        end_ms,
        recount,
        counted.classes,
        counted.before,
        {name: counted.latencies.quantile_s(share) for name, share in SHARES.items()} if counted.classes else {},
        counted.objects.count(),
        counted.anomalies,
        [Strange(answer(row | {"id": 0}), drawn.get(name)) for name, row in chosen.items()],
        trouble,
    )


def read(settings: Settings, some: list[Span], expect: Told, advanced: Told) -> Iterator[Row]:
    """The classifications of some spans."""
    expect(sum(span.size for span in some))
    reader = Classifications()
    for messages in spans.read(settings.kafka.consumer(), some, READ, advanced=advanced):
        values, places = [], []
        for message in messages:
            try:
                places.append(Place(message.topic, message.partition, message.offset, *source(message.headers)))
                values.append(message.value or b"")
            except NOT_OURS:
                continue
        columns = reader.read(values)
        which = shown(columns).which
        for row in rows(columns, which.tolist(), [places[i] for i in columns.which[which].tolist()]):
            yield dict(zip(COLUMNS, row, strict=True))


def top(strangest: dict[str, Row]) -> list[tuple[str, Row]]:
    """The strangest of some objects."""
    return sorted(strangest.items(), key=lambda item: -item[1]["score"])[:STRANGEST]


def draw(curves: LightCurves, names: list[str]) -> tuple[dict[str, Markup], str]:
    """The light curves of some objects as figures, and why there are none."""
    try:
        found = curves.of(names) if names else []
    except TransientError as error:
        return {}, str(error)
    return {
        name: light_curve(name.partition("/")[0], rows) for name, rows in zip(names, found, strict=True) if len(rows)
    }, ""


def totals_of(counts: Counter[tuple[str, int]]) -> Counter[str]:
    """Counts by survey."""
    totals: Counter[str] = Counter()
    for (survey, _), count in counts.items():
        totals[survey] += count
    return totals
