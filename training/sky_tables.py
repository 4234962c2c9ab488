"""What `judge` found, as tables for the terminal and for Markdown."""

from collections.abc import Mapping
from typing import Any

from model.taxonomy import CLASS_NAMES
from training.judge import CONTEXTS
from training.tables import Rows, markdown

HEADS = {"with": "with redshift", "without": "without context"}
SCORES = {
    "accuracy": "accuracy", "mean_ln_p": "mean ln p", "ece": "ECE",
    "flagged_alerts": "alerts flagged", "flagged_objects": "objects flagged", "changes": "class changes",
    "distance": "distance",
}  # fmt: skip
AGES = {"by_points": "points", "by_days": "days"}


def over_all(judged: Mapping[str, Any]) -> Rows:
    """The rows over all sets, and of single sets."""
    kept = judged["rows"]
    names = list(dict.fromkeys(name for context in CONTEXTS for name in kept.get(context, {})))
    found: Rows = [("natural priors, last point", *(HEADS[context] for context in CONTEXTS))]
    for name in names:
        found.append((name, *(cell(kept.get(context, {}).get(name)) for context in CONTEXTS)))
    return found


def by_set(judged: Mapping[str, Any]) -> Rows:
    """Each set, with and without context."""
    found: Rows = [("set", "context", "objects", *SCORES.values(), "others flagged")]
    for name, own in judged["sets"].items():
        for context in CONTEXTS:
            if "accuracy" in own.get(context, {}):
                others = own[context].get("flagged_others")
                cells = (cell(own[context][key]) for key in SCORES)
                found.append(
                    (name, HEADS[context], str(own["objects"]), *cells, "" if others is None else f"{others:.3f}")
                )
    return found


def by_class(judged: Mapping[str, Any]) -> Rows:
    """Recall by set and class."""
    found: Rows = [("set", "class", "objects", *(HEADS[context] for context in CONTEXTS))]
    for name, own in judged["sets"].items():
        for number, share in own.get(CONTEXTS[0], {}).get("recall", {}).items():
            cells = (cell(own[context]["recall"][number]) for context in CONTEXTS)
            found.append((name, f"{number} {CLASS_NAMES[int(number)]}", str(share["objects"]), *cells))
    return found


def by_age(figures: Mapping[str, Any], by: str) -> Rows:
    """One set's figures by `by_points` or `by_days`, and the share of the alerts of that age that are flagged."""
    found: Rows = [(f"up to ... {AGES[by]}", "objects", "accuracy", "mean ln p", "ECE", "alerts", "flagged")]
    flags = figures[f"flagged_{by}"]
    for name in dict.fromkeys([*figures[by], *flags]):
        own, flag = figures[by].get(name, {"objects": 0}), flags.get(name)
        scores = [cell(own.get(key)) for key in ("accuracy", "mean_ln_p", "ece")]
        counted = [str(flag["alerts"]), f"{flag['value']:.3f}"] if flag else ["0", ""]
        found.append((name, str(own["objects"]), *scores, *counted))
    return found


def cell(figure: Mapping[str, float] | None) -> str:
    """A figure and its error, as far as there are."""
    if figure is None:
        return ""
    return f"{figure['value']:.3f}" + (f" ± {figure['error']:.3f}" if "error" in figure else "")


def as_markdown(judged: Mapping[str, Any]) -> str:
    """All tables of a judgement but those by age."""
    return "\n\n".join(markdown(rows) for rows in (over_all(judged), by_set(judged), by_class(judged)))
