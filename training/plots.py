"""The report's figures and ours, as PNG files: `misweeper-train plots` (extra `train`).

Each figure has a caption that names its artefact and fold, in the picture and as the file's title.

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
from training import splits
from training.comparison import results
from training.comparison.balancing import balance, before_and_after, counts
from training.dataset import Objects
from training.evaluate import predict
from training.files import replacing
from training.metrics import Bins, balanced_weights, binned
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
def page(
    path: Path, caption: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = (7, 5)
) -> Iterator[NDArray[Any]]:
    """Axes [rows, columns], saved with their caption when done."""
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(caption, x=0.01, ha="left", fontsize=7, color="dimgrey")
    yield figure.subplots(rows, columns, squeeze=False)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=DPI, format="png", metadata={"Title": caption})


def light_curves(path: Path, caption: str, objects: Objects) -> None:
    """One object a class, the one whose number of detections is the class's median, in its passbands."""
    with page(path, caption, 5, 3, (12, 13)) as axes:
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


def class_counts(path: Path, caption: str, parts: Mapping[str, NDArray[np.int64]]) -> None:
    """Objects a class in each part of the split of the artefact's fold; the report's balancing is no part of it."""
    with page(path, caption, size=(8, 6)) as axes:
        axis = axes[0, 0]
        for i, (name, labels) in enumerate(parts.items()):
            bars(axis, list(counts(labels).values()), 0.27 * (i - 1), 0.25, COLOURS[i], name)
        axis.set_yticks(range(len(NAMES)), NAMES)
        axis.invert_yaxis()
        axis.set_xlabel("objects; however often they are drawn, the loss gives each class its weight in the metric")
        axis.legend(title="part")


def report_balancing(path: Path, caption: str, labels: NDArray[np.int64], seed: int) -> None:
    """Objects a class before and after balancing to the mean class size, as the 2018 report's network has it."""
    table = before_and_after(labels, balance(labels, np.random.default_rng(seed)))
    with page(path, f"recipe paper; {caption}, is not trained on this", size=(8, 5)) as axes:
        axis = axes[0, 0]
        bars(axis, [before for _, before, _ in table], -0.2, 0.38, COLOURS[0], "before")
        bars(axis, [after for _, _, after in table], 0.2, 0.38, COLOURS[1], "after")
        axis.set_yticks(range(len(table)), [row[0] for row in table])
        axis.invert_yaxis()
        axis.set_xlabel("objects in the training part")
        axis.legend(title="the 2018 report's balancing")


def bars(axis: Axes, sizes: list[int], shift: float, height: float, colour: str, name: str) -> None:
    """A bar a class, with its number."""
    drawn = axis.barh(np.arange(len(sizes)) + shift, sizes, height, color=colour, label=name)
    axis.bar_label(drawn, padding=2, fontsize=7)


def training_curves(path: Path, caption: str, logs: Mapping[str, Path]) -> None:
    """What each run's log.csv says: training loss, and validation WLL and accuracy of full curves."""
    with page(path, caption, 1, 3, (12, 4)) as axes:
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


def confusion(path: Path, caption: str, balanced: Probabilities, labels: NDArray[np.int64]) -> None:
    """Which class is taken for which: each true class's shares."""
    columns, size = class_columns(labels), len(CLASS_IDS)
    taken = np.zeros((size, size))
    np.add.at(taken, (columns, balanced.argmax(axis=1)), 1)
    shares = taken / np.maximum(taken.sum(axis=1, keepdims=True), 1)
    with page(path, caption, size=(9, 7.5)) as axes:
        axis = axes[0, 0]
        image = axis.imshow(shares, cmap="cividis", vmin=0, vmax=1)
        for i, j in zip(*np.nonzero(taken), strict=True):
            colour = "black" if shares[i, j] > 0.6 else "white"
            total = f"\nof {int(taken[i].sum())}" if i == j else ""
            axis.text(j, i, f"{shares[i, j]:.2f}{total}", ha="center", va="center", fontsize=7, color=colour)
        axis.set_xticks(range(size), NAMES, rotation=60, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(size), [f"{n} ({int(k)})" for n, k in zip(NAMES, taken.sum(axis=1), strict=True)])
        axis.set_xlabel("most probable class, balanced priors, full curves")
        axis.set_ylabel("true class (objects)")
        axes[0, 0].figure.colorbar(image, ax=axis, label="share of the true class")


def reliability(path: Path, caption: str, found: Mapping[str, Bins]) -> None:
    """How often the most probable class is right, against how sure it is; and how many objects are so sure.

    The weights of the bins are those of the table's calibration error, which stands in the legend.
    """
    with page(path, caption, 2, 1, (5.5, 6.5)) as axes:
        upper, lower = axes[:, 0]
        upper.plot([0, 1], [0, 1], color="grey", lw=0.8, ls=":", label="perfectly calibrated")
        for i, (name, bins) in enumerate(found.items()):
            error = (bins.weight * np.abs(bins.right - bins.sure)).sum()
            style = {"fmt": MARKERS[i] + STYLES[i], "color": COLOURS[i], "ms": 4, "capsize": 2}
            upper.errorbar(bins.sure, bins.right, bins.errors, label=f"{name}: {error:.3f}", **style)
            lower.plot(bins.sure, bins.objects, MARKERS[i] + STYLES[i], color=COLOURS[i], ms=4)
        upper.set_ylabel("share that is right")
        upper.legend(title="calibration error")
        lower.sharex(upper)
        lower.set_yscale("symlog", linthresh=1)
        lower.set_ylabel("objects in the bin")
        lower.set_xlabel("probability of the most probable class, full curves")


def loss_by_time(path: Path, caption: str, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """WLL against days since the first detection, and of the full curve, for everybody whose figures are there."""
    with page(path, caption, size=(8, 4.8)) as axes:
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


def precision_recall(path: Path, caption: str, balanced: Probabilities, labels: NDArray[np.int64]) -> None:
    """Precision against recall of each class as its probability's threshold falls, with the average precision."""
    columns = class_columns(labels)
    with page(path, caption, 3, 5, (13, 8)) as axes:
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
                axis.set_title(f"{name}: {precision[own].mean():.2f} of {int(hits[-1])}")
        axes.flat[-1].axis("off")
        axes.flat[-1].text(
            0,
            0.5,
            "full curves, balanced priors\nin the titles: average precision,\n"
            "and of how many objects\ndotted: a random guess",
        )


def anomaly_roc(path: Path, caption: str, left_out: Mapping[str, Mapping[str, Any]]) -> None:
    """How many objects of an unseen class are found at a rate of false alarms: anomaly score, and P99 of the report."""
    numbers = sorted(left_out, key=int)
    with page(path, caption, 1, len(numbers), (3.1 * len(numbers), 4.2)) as axes:
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
    caption = f"{artefact.name} {artefact.digest[:12]}, fold {k}"
    columns = class_columns(test.labels)
    light_curves(out / "light_curves.png", caption, objects.take(split.train))
    parts = {name: objects.labels[rows] for name, rows in split._asdict().items()}
    class_counts(out / "class_counts.png", caption, parts)
    report_balancing(out / "report_balancing.png", caption, objects.labels[split.train], recipe["seed"])
    confusion(out / "confusion.png", caption, balanced[:, 0], test.labels)
    found = {
        "natural priors": binned(natural[:, 0], columns, np.ones(len(columns))),
        "balanced priors and weights": binned(balanced[:, 0], columns, balanced_weights(columns)),
    }
    reliability(out / "reliability.png", caption, found)
    precision_recall(out / "precision_recall.png", caption, balanced[:, 0], test.labels)
    figures = {"misweeper": artefact.record["metrics"]}
    for key, name in ANCHORS.items():
        if fold := results.read(folder, results.ANCHORS).get(key, {}).get(str(k)):
            figures[name] = fold["metrics"]
    loss_by_time(out / "loss_by_time.png", caption, figures)
    paths = {name: runs / f"{name}-fold{k}" / "log.csv" for name in (recipe["name"], *ANCHORS)}
    if logs := {name: path for name, path in paths.items() if path.is_file()}:
        training_curves(out / "training_curves.png", caption, logs)
    else:
        missing.append(f"training_curves.png: {runs} holds no log.csv of fold {k}; run `misweeper-train fit` there")
    if left_out := results.read(folder, results.LEFT_OUT):
        anomaly_roc(out / "anomaly_roc.png", caption, left_out)
    else:
        missing.append(f"anomaly_roc.png: {folder} holds no {results.LEFT_OUT}; run `misweeper-train leave-out`")
    return missing
