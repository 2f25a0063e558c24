"""What a person sees of a study: tables, and what they say in words."""

from typing import Any

from rich.table import Table
from rich.text import Text

from tl_keras.studies.cross_validation import CrossValidation

SHOWN = 10
# What fits on a narrow screen; the file holds more.
TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced",
    "f1": "F1",
    "loss": "Loss",
}


def of_folds(figures: dict[str, Any]) -> Table:
    """Returns each fold's figures, their mean and their standard deviation.

    Args:
        figures: What `crossval.json` holds.
    """
    names = [name for name in TITLES if name in figures["mean"]]
    several = figures["repeats"] > 1
    titles = [TITLES[name] for name in names]
    counts = ("Train", "Test")
    table = Table("Repeat, fold" if several else "Fold", *counts, *titles, "Time")
    table.title = f"{figures['folds']} folds of {figures['images']:,} images"
    for one in figures["results"]:
        first = f"{one['repeat']}, {one['fold']}" if several else str(one["fold"])
        images = [f"{one[name.lower()]:,}" for name in counts]
        values = [f"{one[name]:.3f}" for name in names]
        table.add_row(first, *images, *values, f"{one['seconds']:.1f} s")
    table.add_section()
    for title, key in (("Mean", "mean"), ("SD", "sd")):
        values = [f"{figures[key][name]:.3f}" for name in names]
        table.add_row(title, "", "", *values, "")
    return table


def of_suspects(found: CrossValidation) -> Table | None:
    """Returns the first images whose label is probably wrong; `None` where none is."""
    if not found.suspects:
        return None
    many = len(found.suspects)
    title = f"Labels to look at: {min(many, SHOWN)} of {many:,}, the surest first"
    table = Table("Image", "Label", "Rather", "P(label)", "P(rather)", title=title)
    names = found.manifest.class_names
    for one in found.suspects[:SHOWN]:
        row = found.manifest.rows[one.place]
        shown = [f"{value:.3f}" for value in (one.of_label, one.of_suggested)]
        texts = [Text(part) for part in (row.path, row.label, names[one.suggested])]
        table.add_row(*texts, *shown)
    return table


def of_curve(figures: dict[str, Any]) -> Table:
    """Returns the accuracy of each number of training images: mean, draws, interval.

    Args:
        figures: What `curve.json` holds.
    """
    titles = ("A class", "Train", "Accuracy", "Draws", "95 % interval")
    table = Table("Network", *titles, title=f"{figures['test_images']:,} test images")
    for row in figures["points"]:
        size, (low, high) = str(row["size"]), row["interval"]
        if size == "all":
            size = f"all ({row['images_a_class']:.0f})"
        draws = f"{row['low']:.3f}–{row['high']:.3f}"
        draws = draws if len(row["accuracies"]) > 1 else "one"
        shown = (f"{row['mean']:.3f}", draws, f"{low:.3f}–{high:.3f}")
        table.add_row(row["network"], size, f"{row['train']:,}", *shown)
    return table


def answers(figures: dict[str, Any]) -> list[str]:
    """Says what a learning curve means.

    Args:
        figures: What `curve.json` holds.
    """
    told = []
    scratch = [row for row in figures["points"] if row["way"] == "scratch"]
    transfer = [row for row in figures["points"] if row["way"] == "transfer"]
    if scratch:
        best = max(row["mean"] for row in scratch)
        enough = [row for row in transfer if row["mean"] >= best]
        if enough:
            told.append(
                f"Transfer with {enough[0]['images_a_class']:.0f} images a class is at "
                f"least as good as training from scratch ever got ({best:.3f})."
            )
    if figures["answer"]:
        told.append(figures["answer"])
    return told


def of_pairs(found: dict[str, Any]) -> Table:
    """Returns on how many images two models are right and wrong together.

    Args:
        found: What `comparison.compare` returned.
    """
    pairs = found["pairs"]
    table = Table("", "B right", "B wrong", "All", title=f"{found['images']:,} images")
    rows = {"A right": ("both", "only_a"), "A wrong": ("only_b", "neither")}
    for title, names in rows.items():
        counts = [pairs[name] for name in names]
        table.add_row(title, *(f"{count:,}" for count in (*counts, sum(counts))))
    right_b = pairs["both"] + pairs["only_b"]
    table.add_row("All", f"{right_b:,}", f"{found['images'] - right_b:,}", "")
    return table


def accuracy_of_folds(figures: dict[str, Any]) -> str:
    """Says in a sentence how good the classifier is."""
    low, high = figures["interval"]["accuracy"]
    pooled = [one["accuracy"] for one in figures["pooled"]]
    shown = f"{min(pooled):.3f}"
    if max(pooled) > min(pooled):
        shown += f" to {max(pooled):.3f} over the repeats"
    # That over folds has no width where all folds are equally good.
    lows, highs = zip(*(one["accuracy_interval"] for one in figures["pooled"]))
    return (
        f"Accuracy {figures['mean']['accuracy']:.3f} in the mean over folds (95 % "
        f"interval {low:.3f} to {high:.3f}); all images together: {shown} (Wilson's "
        f"interval {min(lows):.3f} to {max(highs):.3f})."
    )
