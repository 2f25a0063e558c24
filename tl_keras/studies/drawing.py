"""The picture of a learning curve."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tl_keras.files import replacing

# Told apart without colours, too: (colour, marker, line).
STYLES = {"transfer": ("#1f5fa8", "o", "-"), "scratch": ("#b8541a", "s", "--")}
TITLES = {"transfer": "Transfer", "scratch": "From scratch"}


def curve(figures: dict[str, Any], path: Path) -> None:
    """Draws accuracy against the training images of each class, on a log axis.

    Lines are means over draws, dots the draws, bands the 95 % intervals.

    Args:
        figures: What `curve.json` holds.
        path: The PNG file to write.
    """
    figure = Figure(figsize=(7.5, 5), dpi=120, layout="constrained")
    axes = figure.subplots()
    for way, (colour, marker, line) in STYLES.items():
        rows = [row for row in figures["points"] if row["way"] == way]
        if not rows:
            continue
        across = [row["images_a_class"] for row in rows]
        low, high = zip(*(row["interval"] for row in rows))
        name = TITLES[way]
        if way == "scratch":
            name = f"{name} ({rows[0]['network']})"
        means = [row["mean"] for row in rows]
        axes.fill_between(across, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(across, means, line, color=colour, marker=marker, label=name)
        for place, row in zip(across, rows):
            draws = row["accuracies"]
            axes.plot([place] * len(draws), draws, ".", color=colour, alpha=0.5)
        axes.annotate(
            f"{means[-1]:.3f}",
            (across[-1], means[-1]),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            color=colour,
        )
    _label(axes, figures)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _label(axes: Any, figures: dict[str, Any]) -> None:
    """Writes what the axes, lines and bands are."""
    ticks = sorted({row["images_a_class"] for row in figures["points"]})
    axes.set_xscale("log")
    # Two that are close to one another would be written over one another.
    shown = [
        tick
        for tick, after in zip(ticks, [*ticks[1:], None])
        if after is None or after > 1.25 * tick
    ]
    axes.set_xticks(shown, [f"{tick:,.0f}" for tick in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, 1.02)
    axes.margins(x=0.08)
    axes.set_xlabel("Training images of each class (the last ones: all, in the mean)")
    axes.set_ylabel("Test accuracy")
    axes.set_title(
        f"Learning curve, {figures['test_images']:,} test images, "
        f"{len(figures['classes'])} classes; bands: 95 %",
        fontsize="medium",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="best")
