"""Pictures of a run's result."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tl_keras.files import replacing

LONGEST_NAME = 24
MOST_NAMES = 60
BLUE = "#2a6fb0"


def confusion_matrix(
    metrics: dict[str, Any], class_names: tuple[str, ...], path: Path
) -> None:
    """Draws the confusion matrix: colours are shares of the true class, numbers images.

    Args:
        metrics: What `metrics.compute` returned.
        class_names: In the order of the matrix.
        path: The PNG file to write.
    """
    counts = np.array(metrics["confusion_matrix"])
    total = len(class_names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 3.5 + 0.45 * min(total, 40)
    figure = Figure(figsize=(side + 0.8, side), dpi=110, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    # More names would lie on one another.
    places = range(0, total, -(-total // MOST_NAMES))
    names = [_short(class_names[place]) for place in places]
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set_yticks(places, names)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    low, high = metrics["accuracy_interval"]
    axes.set_title(
        f"Accuracy {metrics['accuracy']:.3f} (95 %: {low:.3f} to {high:.3f}), "
        f"{metrics['images']} images",
        fontsize="medium",
        wrap=True,
    )
    if total <= 30:
        for (true, predicted), count in np.ndenumerate(counts):
            if count:
                color = "white" if shares[true, predicted] > 0.5 else "black"
                axes.text(predicted, true, count, ha="center", va="center", color=color)
    figure.colorbar(image, label="Share of the true class", shrink=0.8)
    _save(figure, path)


def reliability(metrics: dict[str, Any], path: Path) -> None:
    """Draws the reliability diagram: how often answers are right, by their confidence.

    Below it, how many answers are how sure.

    Args:
        metrics: What `metrics.compute` or `multi_label.compute` returned.
        path: The PNG file to write.
    """
    found = metrics["calibration"]
    full = [row for row in found["bins"] if row["images"]]
    figure = Figure(figsize=(4.6, 5.2), dpi=110, layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 1), (0, 1), color="gray", linestyle=":", label="Honest")
    centres = [(row["low"] + row["high"]) / 2 for row in full]
    width = 1 / len(found["bins"])
    accuracies = [row["accuracy"] for row in full]
    upper.bar(centres, accuracies, 0.9 * width, color=BLUE, alpha=0.5)
    confidences = [row["confidence"] for row in full]
    upper.plot(confidences, accuracies, "o", color=BLUE, label="Measured")
    upper.set(ylabel="Share that is right", xlim=(0, 1), ylim=(0, 1.02))
    upper.legend(loc="upper left", fontsize="small")
    before = found["ece_before"]
    change = "" if before is None else f", {before:.3f} before calibration"
    upper.set_title(f"Calibration error {found['ece']:.3f}{change}", fontsize="medium")
    lower.bar(centres, [row["images"] for row in full], 0.9 * width, color=BLUE)
    lower.set(xlabel="Confidence", ylabel="Answers")
    _save(figure, path)


def coverage(metrics: dict[str, Any], path: Path) -> None:
    """Draws the accuracy of what is still answered over how much that is.

    Args:
        metrics: What `metrics.compute` or `multi_label.compute` returned.
        path: The PNG file to write.
    """
    found = metrics["abstention"]
    figure = Figure(figsize=(4.6, 3.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    shares = [point["coverage"] for point in found["curve"]]
    accuracies = [point["accuracy"] for point in found["curve"]]
    axes.plot(shares, accuracies, ".-", color=BLUE)
    title = 'No threshold: no answer is "don\'t know"'
    if found["accuracy"] is not None:
        axes.plot(found["coverage"], found["accuracy"], "o", color="black")
        title = f"Chosen: {found['accuracy']:.3f} right of {found['coverage']:.1%}"
    elif found["threshold"] is not None:
        title = 'The threshold makes every answer "don\'t know"'
    axes.set_title(title, fontsize="medium")
    lowest = min(accuracies)
    axes.set(xlabel="Share of images answered", ylabel="Share of those that is right")
    axes.set(xlim=(0, 1.02), ylim=(max(0.0, lowest - 0.05), 1.01))
    _save(figure, path)


def _short(name: str) -> str:
    """Returns a name that fits beside an axis, `$` as it is."""
    name = " ".join(name.split())
    name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return name.replace("$", r"\$")


def _save(figure: Figure, path: Path) -> None:
    """Writes a PNG file in one step."""
    with replacing(path) as temporary, warnings.catch_warnings():
        # The font has few of the world's characters: it draws a box for the others.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        figure.savefig(temporary, format="png")
