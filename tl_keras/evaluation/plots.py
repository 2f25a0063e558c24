"""Pictures of a run's result."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tl_keras.files import replacing

LONGEST_NAME = 24


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
    names = [_short(name) for name in class_names]
    axes.set_xticks(range(total), names, rotation=45, ha="right")
    axes.set_yticks(range(total), names)
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


def _short(name: str) -> str:
    """Returns a name that fits beside an axis, `$` as it is."""
    name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return name.replace("$", r"\$")


def _save(figure: Figure, path: Path) -> None:
    """Writes a PNG file in one step."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
