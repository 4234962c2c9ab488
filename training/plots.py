"""The report's figures and ours, as PNG files: `misweeper-train plots` (extra `train`).

Colours are Okabe and Ito's, told apart by colour-blind eyes; line styles and markers say the same once more.
"""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.artefact import load
from model.observation import BANDS
from model.scores import class_columns
from model.taxonomy import CLASS_IDS, CLASS_NAMES
from training import results, splits
from training.balancing import balance, before_and_after
from training.dataset import Objects
from training.evaluate import predict
from training.metrics import BINS, confidence
from training.tables import ANCHORS

mpl.use("Agg")
mpl.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BAND_COLOURS = dict(zip(BANDS, ("#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#000000"), strict=True))
MARKERS, STYLES = "osD^v*", ("-", "--", "-.", ":")
DPI = 130
DAYS = {"d0": 0, "d10": 10, "d30": 30, "d60": 60}
NAMES = [f"{c} {CLASS_NAMES[c]}" for c in CLASS_IDS]
UNIFORM = float(np.log(len(CLASS_IDS)))
Probabilities = NDArray[np.floating]  # [N, 14]


@contextmanager
def page(path: Path, rows: int = 1, columns: int = 1, size: tuple[float, float] = (7, 5)) -> Iterator[NDArray[Any]]:
    """Axes [rows, columns], saved when done."""
    figure = Figure(figsize=size, layout="constrained")
    yield figure.subplots(rows, columns, squeeze=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)


def light_curves(path: Path, objects: Objects) -> None:
    """One object a class, the one whose number of detections is the class's median, in its passbands."""
    with page(path, 5, 3, (12, 13)) as axes:
        for place, c in enumerate(CLASS_IDS):
            own = np.flatnonzero(objects.labels == c)
            if len(own) == 0:
                continue
            detections = np.array([objects.curves[i]["detected"].sum() for i in own])
            i = own[np.argsort(detections, kind="stable")[len(own) // 2]]
            draw_curve(axes.flat[place], objects.curves[i])
            axes.flat[place].set_title(f"{NAMES[place]}, object {objects.ids[i]}")
        handles, names = axes.flat[0].get_legend_handles_labels()
        axes.flat[-1].axis("off")
        axes.flat[-1].legend(handles, names, title="passband; filled: detected", ncols=2, loc="center")


def draw_curve(axis: Axes, curve: NDArray[np.void]) -> None:
    """A light curve's fluxes with their errors."""
    days = curve["mjd_tai"] - curve["mjd_tai"][0]
    for band, (name, colour) in enumerate(BAND_COLOURS.items()):
        own = curve["band"] == band
        flux, error = curve["flux_njy"] / 1000, curve["flux_err_njy"] / 1000
        marker = MARKERS[band]
        axis.errorbar(days[own], flux[own], error[own], fmt="none", ecolor=colour, elinewidth=0.6, alpha=0.6)
        axis.plot(days[own], flux[own], marker, color=colour, ms=3, mfc="white", mew=0.6)
        seen = own & curve["detected"]
        axis.plot(days[seen], flux[seen], marker, color=colour, ms=3, label=name)
    axis.set_xlabel("days since the first observation")
    axis.set_ylabel("difference flux (µJy)")


def class_counts(path: Path, labels: NDArray[np.int64], seed: int) -> None:
    """Objects a class before and after balancing to the mean class size."""
    table = before_and_after(labels, balance(labels, np.random.default_rng(seed)))
    with page(path, size=(8, 5)) as axes:
        axis, places = axes[0, 0], np.arange(len(table))
        for shift, column, name in ((-0.2, 1, "before"), (0.2, 2, "after")):
            sizes = [row[column] for row in table]
            bars = axis.barh(places + shift, sizes, 0.38, color=COLOURS[column - 1], label=name)
            axis.bar_label(bars, padding=2, fontsize=7)
        axis.set_yticks(places, [row[0] for row in table])
        axis.invert_yaxis()
        axis.set_xlabel("objects in the training part")
        axis.legend(title="balancing")


def training_curves(path: Path, logs: Mapping[str, Path]) -> None:
    """What each run's log.csv says: training loss, and validation WLL and accuracy of full curves."""
    with page(path, 1, 3, (12, 4)) as axes:
        for i, (name, log) in enumerate(logs.items()):
            with log.open(newline="") as file:
                rows = list(csv.DictReader(file))
            epochs = [float(row["epoch"]) for row in rows]
            for axis, key in zip(axes[0], ("loss", "full", "accuracy"), strict=True):
                values = [float(row[key]) for row in rows]
                axis.plot(epochs, values, STYLES[i % len(STYLES)], color=COLOURS[i % len(COLOURS)], label=name)
        titles = (
            "training loss (each recipe's own)",
            "validation WLL, full curves",
            "validation accuracy, full curves",
        )
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_xlabel("epoch")
            axis.set_ylabel(title)
        axes[0, 1].axhline(UNIFORM, color="grey", lw=0.8, ls=":")
        axes[0, 1].text(
            0.98, UNIFORM, "uniform guess", transform=axes[0, 1].get_yaxis_transform(), ha="right", va="bottom"
        )
        axes[0, 0].legend()


def confusion(path: Path, balanced: Probabilities, labels: NDArray[np.int64]) -> None:
    """Which class is taken for which: each true class's shares."""
    columns, size = class_columns(labels), len(CLASS_IDS)
    counts = np.zeros((size, size))
    np.add.at(counts, (columns, balanced.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with page(path, size=(9, 7.5)) as axes:
        axis = axes[0, 0]
        image = axis.imshow(shares, cmap="cividis", vmin=0, vmax=1)
        for i, j in zip(*np.nonzero(counts), strict=True):
            colour = "black" if shares[i, j] > 0.6 else "white"
            axis.text(j, i, f"{shares[i, j]:.2f}", ha="center", va="center", fontsize=7, color=colour)
        axis.set_xticks(range(size), NAMES, rotation=60, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(size), [f"{n} ({int(k)})" for n, k in zip(NAMES, counts.sum(axis=1), strict=True)])
        axis.set_xlabel("most probable class, balanced priors, full curves")
        axis.set_ylabel("true class (objects)")
        axes[0, 0].figure.colorbar(image, ax=axis, label="share of the true class")


def reliability(path: Path, probabilities: Mapping[str, Probabilities], labels: NDArray[np.int64]) -> None:
    """How often the most probable class is right, against how sure it is; and how many objects are so sure."""
    columns = class_columns(labels)
    with page(path, 2, 1, (5.5, 6.5)) as axes:
        upper, lower = axes[:, 0]
        upper.plot([0, 1], [0, 1], color="grey", lw=0.8, ls=":", label="perfectly calibrated")
        for i, (name, p) in enumerate(probabilities.items()):
            sure, right, place = confidence(p, columns)
            count = np.bincount(place, minlength=BINS)
            filled = count > 0
            middle = np.bincount(place, sure, BINS)[filled] / count[filled]
            share = np.bincount(place, right, BINS)[filled] / count[filled]
            error = np.sqrt(share * (1 - share) / count[filled])
            upper.errorbar(middle, share, error, fmt=MARKERS[i] + STYLES[i], color=COLOURS[i], ms=4, label=name)
            lower.step(np.arange(BINS + 1) / BINS, [*count, count[-1]], STYLES[i], where="post", color=COLOURS[i])
        upper.set_ylabel("share that is right")
        upper.legend()
        lower.set_yscale("symlog", linthresh=1)
        lower.set_ylabel("objects")
        lower.set_xlabel("probability of the most probable class, full curves")


def loss_by_time(path: Path, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """WLL against days since the first detection, and of the full curve, for everybody whose figures are there."""
    with page(path, size=(8, 4.8)) as axes:
        axis = axes[0, 0]
        for i, (name, own) in enumerate(figures.items()):
            cuts = [*DAYS, "full"]
            values, errors = ([losses[cut] for cut in cuts] for losses in (own["wll"], own["errors"]["wll"]))
            style = {"fmt": MARKERS[i] + STYLES[i], "color": COLOURS[i], "capsize": 2, "label": name}
            axis.errorbar(range(len(cuts)), values, errors, **style)
        axis.axhline(UNIFORM, color="grey", lw=0.8, ls=":", label="uniform guess")
        axis.set_xticks(range(len(DAYS) + 1), [*(str(d) for d in DAYS.values()), "full curve"])
        axis.set_xlabel("days since the first detection")
        axis.set_ylabel("weighted log loss (lower is better)")
        axis.set_ylim(bottom=0)
        axis.legend()


def precision_recall(path: Path, balanced: Probabilities, labels: NDArray[np.int64]) -> None:
    """Precision against recall of each class as its probability's threshold falls, with the average precision."""
    columns = class_columns(labels)
    with page(path, 3, 5, (13, 8)) as axes:
        for place, name in enumerate(NAMES):
            own = (columns == place)[np.argsort(-balanced[:, place], kind="stable")]
            axis = axes.flat[place]
            axis.set_title(name)
            axis.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
            if own.any():
                hits = own.cumsum()
                recall, precision = hits / hits[-1], hits / np.arange(1, len(own) + 1)
                axis.step(recall, precision, where="post", color=COLOURS[0])
                axis.axhline(own.mean(), color="grey", lw=0.8, ls=":")
                axis.set_title(f"{name}: {precision[own].mean():.2f}")
        axes.flat[-1].axis("off")
        axes.flat[-1].text(
            0, 0.5, "full curves, balanced priors\nin the titles: average precision\ndotted: a random guess"
        )


def anomaly_roc(path: Path, left_out: Mapping[str, Mapping[str, Any]]) -> None:
    """How many objects of an unseen class are found at a rate of false alarms: anomaly score, and P99 of the report."""
    numbers = sorted(left_out, key=int)
    with page(path, 1, len(numbers), (3.1 * len(numbers), 4.2)) as axes:
        for axis, number in zip(axes[0], numbers, strict=True):
            own = left_out[number]
            rates = own["false_alarm_rates"]
            for i, (key, name) in enumerate((("anomaly", "anomaly score"), ("p99", "P99"))):
                label = f"{name}, {own[f'{key}_auroc']:.2f}"
                axis.plot(rates, own[f"{key}_found"], STYLES[i], color=COLOURS[i], label=label)
            axis.plot([0, 1], [0, 1], color="grey", lw=0.8, ls=":")
            axis.set_title(f"{number} {CLASS_NAMES[int(number)]} left out ({own['objects']})")
            axis.set_xlabel("false alarms among known classes")
            axis.legend(title="AUROC", loc="upper center", bbox_to_anchor=(0.5, -0.2))
        axes[0, 0].set_ylabel("share of the unseen class found")


def draw(out: Path, folder: Path, objects: Objects, runs: Path) -> list[str]:
    """Every figure that there are numbers for, into the folder `out`.

    Args:
        out: for the PNG files.
        folder: of the artefact, and of the figures kept beside it.
        objects: all of them; those of the artefact's test part are classified.
        runs: where `fit` keeps its logs.

    Returns:
        one sentence for each figure that had to be left out.
    """
    artefact, missing = load(folder), []
    k, recipe = artefact.record["split"]["fold"], artefact.record["recipe"]
    split = splits.fold(objects.ids, objects.labels, artefact.record["split"]["seed"], k)
    test = objects.take(split.test)
    balanced, natural, _ = predict(artefact, test)
    light_curves(out / "light_curves.png", objects.take(split.train))
    class_counts(out / "class_counts.png", objects.labels[split.train], recipe["seed"])
    confusion(out / "confusion.png", balanced[:, 0], test.labels)
    priors = {"natural priors": natural[:, 0], "balanced priors": balanced[:, 0]}
    reliability(out / "reliability.png", priors, test.labels)
    precision_recall(out / "precision_recall.png", balanced[:, 0], test.labels)
    figures = {"misweeper": artefact.record["metrics"]}
    for key, name in ANCHORS.items():
        if fold := results.read(folder, results.ANCHORS).get(key, {}).get(str(k)):
            figures[name] = fold["metrics"]
    loss_by_time(out / "loss_by_time.png", figures)
    paths = {name: runs / f"{name}-fold{k}" / "log.csv" for name in (recipe["name"], *ANCHORS)}
    if logs := {name: path for name, path in paths.items() if path.is_file()}:
        training_curves(out / "training_curves.png", logs)
    else:
        missing.append(f"training_curves.png: {runs} holds no log.csv of fold {k}; run `misweeper-train fit` there")
    if left_out := results.read(folder, results.LEFT_OUT):
        anomaly_roc(out / "anomaly_roc.png", left_out)
    else:
        missing.append(f"anomaly_roc.png: {folder} holds no {results.LEFT_OUT}; run `misweeper-train leave-out`")
    return missing
