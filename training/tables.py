"""Figures as tables: for the terminal, for the model card, and for the README, all from the same numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from model.artefact import MANIFEST
from model.taxonomy import CLASS_NAMES
from training.comparison import results
from training.files import DataError

Rows = list[tuple[str, ...]]  # the first is the header

CUT_NAMES = {
    "full": "full curve", "d0": "first detection", "d10": "+10 d", "d30": "+30 d", "d60": "+60 d",
    "n10": "10 observations", "n20": "20 observations", "n40": "40 observations", "n80": "80 observations",
}  # fmt: skip
SCORE_NAMES = {
    "accuracy": "accuracy, balanced priors",
    "accuracy_natural": "accuracy, natural priors",
    "macro_recall": "macro recall, balanced priors",
    "macro_f1": "macro F1, balanced priors",
    "ece": "calibration error, natural priors",
    "ece_balanced": "calibration error, balanced priors and weights",
}
SHORT_NAMES = {
    "accuracy": "accuracy", "accuracy_natural": "natural", "macro_recall": "recall", "macro_f1": "F1", "ece": "ECE",
}  # fmt: skip
GROUPS = {"all": "", "deep fields": "ddf", "wide survey": "wfd", "no photo-z, mwebv, ddf": "missing_context"}
ANCHORS = {
    "lightgbm": "LightGBM",
    "paper": "the 2018 report's network, mended",
    "paper-as-published": "the same, as published",
}
SHIFT_NAMES = {
    "accuracy_natural": "accuracy, natural priors", "accuracy_three": "accuracy of 3 classes", "mean_ln_p": "mean ln p",
}  # fmt: skip
UNSEEN_NAMES = {
    "anomaly_auroc": "AUROC, full curve", "anomaly_auroc_d30": "AUROC, +30 d", "p99_auroc": "AUROC of P99",
    "flagged": "flagged", "alerts_found": "alerts found at 1 % false alarms", "wll_with_99": "WLL with class 99",
}  # fmt: skip
COMPARED_CUTS = ("full", "d10", "d30", "d60")
REPORTED = ("15", "64", "95")  # the classes whose mean AUROC is reported
START, END = "<!-- results: misweeper-train card -->", "<!-- end of results -->"


def by_time(figures: Mapping[str, Any]) -> Rows:
    """Every score at every cut, with errors."""
    errors = figures["errors"]
    rows: Rows = [("after", "WLL", *SHORT_NAMES.values())]
    for cut, name in CUT_NAMES.items():
        pairs = [(figures["by_time"][key][cut], errors["by_time"][key][cut]) for key in SHORT_NAMES]
        rows.append((name, *(with_error(*pair) for pair in [(figures["wll"][cut], errors["wll"][cut]), *pairs])))
    return rows


def by_group(figures: Mapping[str, Any]) -> Rows:
    """WLL at every cut and the scores of full curves: all objects, deep fields, wide survey, context unknown."""
    parts = {name: figures.get(key, {"objects": 0}) if key else figures for name, key in GROUPS.items()}
    parts = {name: part for name, part in parts.items() if part["objects"]}
    rows: Rows = [("WLL", *(f"{name} ({part['objects']})" for name, part in parts.items()))]
    for cut, name in CUT_NAMES.items():
        rows.append((name, *(with_error(p["wll"][cut], p["errors"]["wll"][cut]) for p in parts.values())))
    for key, name in SCORE_NAMES.items():
        rows.append((name, *(with_error(p[key], p["errors"][key]) for p in parts.values())))
    return rows


def by_class(figures: Mapping[str, Any]) -> Rows:
    """Full curves by class."""
    rows: Rows = [("class", "objects", "recall", "precision", "F1", "log loss")]
    for number, own in figures["per_class"].items():
        rows.append(
            (
                f"{number} {CLASS_NAMES[int(number)]}",
                str(own["objects"]),
                recall(own),
                f"{own['precision']:.2f}",
                f"{own['f1']:.2f}",
                f"{own['log_loss']:.2f} ± {own['log_loss_error']:.2f}",
            )
        )
    return rows


def recall(own: Mapping[str, Any]) -> str:
    """A class's recall, of how many objects; where all or none are found, a standard deviation of 0 says nothing."""
    error = f" ± {own['recall_error']:.2f}" if own["recall_error"] else ""
    return f"{own['recall']:.2f}{error} of {own['objects']}"


def left_out(kept: Mapping[str, Any]) -> Rows:
    """Leave-one-class-out; empty where it was not computed."""
    if not kept:
        return []
    rows: Rows = [("left out", "objects", *UNSEEN_NAMES.values())]
    for number, own in sorted(kept.items(), key=lambda item: int(item[0])):
        figures = (f"{own[key]:.2f}" for key in UNSEEN_NAMES)
        rows.append(
            (f"{number} {CLASS_NAMES[int(number)]}", f"{own['objects']} of {own['objects'] + own['others']}", *figures)
        )
    return rows


def comparison(folder: Path) -> Rows:
    """An artefact, its recipe over the folds, and what it is compared with; from the JSON files in its directory alone.

    Raises DataError.
    """
    compared = columns(folder)
    rows: Rows = [("", *compared)]
    for cut in COMPARED_CUTS:
        cells = (with_error(f["wll"][cut], f["errors"]["wll"][cut]) for f in compared.values())
        rows.append((f"WLL, {CUT_NAMES[cut]}", *cells))
    for key in results.SCORES:
        rows.append((SCORE_NAMES[key], *(with_error(f[key], f["errors"][key]) for f in compared.values())))
    for key, name in SHIFT_NAMES.items():
        cells = (f"{f['domain_shift'][key]:.3f}" if "domain_shift" in f else "" for f in compared.values())
        rows.append((f"domain shift, {name}", *cells))
    kept = results.read(folder, results.LEFT_OUT)
    if set(REPORTED) <= set(kept):
        for key, name in (
            ("anomaly_auroc", "anomaly score"), ("anomaly_auroc_d30", "anomaly score, +30 d"), ("p99_auroc", "P99"),
        ):  # fmt: skip
            mean = sum(kept[c][key] for c in REPORTED) / len(REPORTED)
            rows.append((f"AUROC of unseen classes, {name}", f"{mean:.3f}", *[""] * (len(compared) - 1)))
    return rows


def columns(folder: Path) -> dict[str, dict[str, Any]]:
    """The figures that `comparison` shows, by name. Raises DataError."""
    manifest, anchors = results.read(folder, MANIFEST), results.read(folder, results.ANCHORS)
    if not manifest:
        raise DataError(f"{folder} holds no {MANIFEST}; name an artefact's directory")
    record = manifest["record"]
    shift = {"domain_shift": record["domain_shift"]} if "domain_shift" in record else {}
    found = {f"misweeper, fold {record['split']['fold']}": record["metrics"] | shift}
    if folds := results.read(folder, results.FOLDS):
        found[f"misweeper, {counted(folds)}"] = results.across(folds)
    for key, name in ANCHORS.items():
        if others := anchors.get(key):
            one = next(iter(others.values()))["metrics"]
            found[f"{name}, {counted(others)}"] = results.across(others) if len(others) > 1 else one
    return found


def counted(folds: Mapping[str, Any]) -> str:
    """Which folds they are."""
    return f"{len(folds)} folds" if len(folds) > 1 else f"fold {next(iter(folds))}"


def with_error(value: float, error: float) -> str:
    """A figure and its standard deviation."""
    return f"{value:.3f} ± {error:.3f}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def terminal(rows: Rows, title: str) -> Table:
    """The rows for a terminal."""
    table = Table(title=title, title_justify="left")
    for i, name in enumerate(rows[0]):
        table.add_column(name, justify="right" if i else "left")
    for cells in rows[1:]:
        table.add_row(*cells)
    return table


def replaced(readme: Path, shown: str) -> str:
    """A README's text with what is shown between START and END. Raises DataError where these are not there."""
    text = readme.read_text(encoding="utf-8")
    if not (text.count(START) == text.count(END) == 1 and text.index(START) < text.index(END)):
        raise DataError(f"{readme} has no place for the table; put the lines {START} and {END} where it belongs")
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{shown}\n{END}{after}"
