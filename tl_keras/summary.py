"""What a person sees: a run with its figures and places, and predictions."""

import csv
import dataclasses
import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tl_keras.budget import planning
from tl_keras.durations import readable
from tl_keras.evaluation.predictions import Prediction
from tl_keras.reporting import REPORT
from tl_keras.run import CONFIG, DECISION, METRICS, Run

# Figures of `metrics.json` that are one number, as a person reads them.
FIGURES = {
    "balanced_accuracy": "Balanced accuracy",
    "top_3": "Top-3 accuracy",
    "top_5": "Top-5 accuracy",
    "hamming_loss": "Hamming loss",
    "precision": "Macro precision",
    "recall": "Macro recall",
    "f1": "Macro F1",
    "micro_f1": "Micro F1",
    "roc_auc": "ROC-AUC",
    "average_precision": "Average precision",
    "label_ranking_precision": "Label-ranking precision",
    "kappa": "Cohen's kappa",
    "matthews": "Matthews correlation",
    "loss": "Loss",
}
CONFUSED = 3
UNKNOWN = "don't know"


def print_summary(run: Run) -> None:
    """Prints a run's tables to standard output."""
    console = Console(highlight=False)
    console.print(_what(run))
    print_metrics(run.metrics, console)
    console.print(_where(run))


def print_metrics(metrics: dict[str, Any], console: Console) -> None:
    """Prints the figures: overall, of each class, what is confused, and warnings."""
    console.print(metrics_table(metrics))
    console.print(per_class_table(metrics))
    if metrics.get("confused"):
        console.print(confused_table(metrics))
    if "tta" in metrics:
        console.print(tta_table(metrics["tta"]))
    for warning in metrics.get("warnings", ()):
        console.print(Text(f"warning: {warning}", style="yellow"))


def metrics_table(metrics: dict[str, Any]) -> Table:
    """Returns the overall figures as a table, with their 95 % intervals."""
    count = metrics["images"]
    title = "1 test image" if count == 1 else f"{count:,} test images"
    table = Table("Test figure", "Value", "95 % interval", title=title)
    intervals = metrics.get("intervals", {})
    accuracy = f"{metrics['accuracy']:.3f}"
    # With one class an image it is the accuracy, already shown.
    hidden = {"micro_f1"} if "confusion_matrix" in metrics else set()
    table.add_row("Accuracy", accuracy, _interval(metrics["accuracy_interval"]))
    for name, title in FIGURES.items():
        value = metrics.get(name)
        if value is not None and name not in hidden:
            table.add_row(title, f"{value:.3f}", _interval(intervals.get(name)))
    for title, value in _decided(metrics).items():
        table.add_row(title, value, "")
    return table


def _interval(ends: list[float] | None) -> str:
    """Returns an interval as text; nothing of none."""
    return f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else ""


def _decided(metrics: dict[str, Any]) -> dict[str, str]:
    """Returns what temperature and threshold do, by title."""
    found = {}
    calibration = metrics.get("calibration")
    if calibration:
        before, after = calibration["ece_before"], f"{calibration['ece']:.3f}"
        shown = after if before is None else f"{before:.3f} → {after}"
        found["Calibration error"] = shown
    abstention = metrics.get("abstention") or {}
    if abstention.get("threshold") is not None:
        found["Coverage"] = f"{abstention['coverage']:.1%} of the images are answered"
        if abstention["accuracy"] is not None:
            found["Accuracy of these"] = f"{abstention['accuracy']:.3f}"
    return found


def confused_table(metrics: dict[str, Any]) -> Table:
    """Returns the pairs of classes that are confused most often as a table."""
    table = Table("Images of", "Taken for", "Images", "Share", title="Most confused")
    for row in metrics["confused"][:CONFUSED]:
        names = Text(row["true"]), Text(row["predicted"])
        table.add_row(*names, f"{row['images']:,}", f"{row['share']:.1%}")
    return table


def per_class_table(metrics: dict[str, Any]) -> Table:
    """Returns each class's figures as a table."""
    table = Table("Class", "Images", "Precision", "Recall", "F1", "ROC-AUC")
    for row in metrics["per_class"]:
        values = [row.get(name) for name in ("precision", "recall", "f1", "roc_auc")]
        shown = ["" if value is None else f"{value:.3f}" for value in values]
        table.add_row(Text(row["class"]), str(row["images"]), *shown)
    return table


def tta_table(tta: dict[str, Any]) -> Table:
    """Returns what test-time augmentation gained and cost as a table."""
    title = f"Test-time augmentation: {tta['name']}, {tta['views']} views an image"
    table = Table("Against the image alone", "Value", title=title)
    table.add_row("Accuracy without it", f"{tta['accuracy_without']:.3f}")
    low, high = tta["interval"]
    gain = f"{tta['gain']:+.3f}  (95 % interval {low:+.3f} to {high:+.3f})"
    table.add_row("Gain", gain)
    changed = f"{tta['mended']} mended, {tta['spoiled']} spoiled"
    table.add_row("Images changed", f"{tta['changed']}  ({changed})")
    table.add_row("Time to classify", f"{tta['cost']:.1f} times as long")
    if tta["doubt"]:
        table.add_row("Doubtful", tta["doubt"])
    return table


def _what(run: Run) -> Table:
    """Returns what was trained, and how long each step took."""
    config, state = run.config, run.state
    counts = [
        f"{len(run.manifest.split(name).rows):,} {name}"
        for name in ("train", "validation", "test")
    ]
    table = Table("Run", Column(Text(str(run.folder))), title="What was trained")
    table.add_row("Source", Text(state.source))
    table.add_row("Images", f"{', '.join(counts)}; {len(run.class_names)} classes")
    if config.scratch.name:
        table.add_row("Architecture", f"{config.scratch.name} (random weights)")
    else:
        chosen = config.backbone
        table.add_row("Backbone", f"{chosen.name} ({chosen.weights})")
    for step, seconds in state.seconds.items():
        epochs = len(run.history.of(step))
        detail = f", {epochs} epochs" if epochs > 1 else ""
        table.add_row(f"Time: {step.replace('_', '-')}", f"{seconds:.1f} s{detail}")
    plan = planning.load(run.folder)
    if plan:
        spent = readable(sum(state.seconds.values()))
        table.add_row("Time budget", readable(plan.budget))
        table.add_row("Planned, taken", f"{readable(plan.planned)}, {spent}")
        table.add_row("What it allowed", str(plan.chosen))
    return table


def _where(run: Run) -> Table:
    """Returns where everything lies."""
    table = Table("What", "Where")
    files = {
        "Report": REPORT,
        "Figures": METRICS,
        "Predictions": "predictions.csv",
        "Confusion matrix": "confusion_matrix.png",
        "Reliability": "reliability.png",
        "Coverage": "abstention.png",
        "Decision": DECISION,
        "Config": CONFIG,
    }
    for what, name in files.items():
        if (run.folder / name).exists():
            table.add_row(what, Text(str(run.folder / name)))
    board = Text(f"tl-keras board {run.folder.parent}")
    table.add_row("TensorBoard", board)
    if run.state.export:
        table.add_row("SavedModel", Text(run.state.export))
    return table


def print_predictions(found: list[Prediction], shape: str) -> None:
    """Prints what a model says of image files.

    Args:
        found: The predictions.
        shape: `json` for all probabilities, `csv` for a line an image, `table`.
    """
    {"json": _as_json, "csv": _as_csv, "table": _as_table}[shape](found)


def _as_json(found: list[Prediction]) -> None:
    """Prints all probabilities."""
    rows = [dataclasses.asdict(prediction) for prediction in found]
    print(json.dumps(rows, indent=2, ensure_ascii=False))


def _as_csv(found: list[Prediction]) -> None:
    """Prints one line an image; a bad image's line is empty but for its error."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "label", "probability", "known", "error"])
    for one in found:
        shown = "" if one.probability is None else f"{one.probability:.6f}"
        known = "" if one.error else str(one.known).lower()
        writer.writerow([one.path, one.label or "", shown, known, one.error or ""])


def _as_table(found: list[Prediction]) -> None:
    """Prints the best class of each image, and the next two.

    Of an image that is not known, all three are guesses.
    """
    table = Table(Column("Image", overflow="fold"), "Label", "Probability", "Then")
    for one in found:
        if one.error:
            continue
        order = sorted(one.probabilities.items(), key=lambda item: -item[1])
        shown = order[1:3] if one.known else order[:3]
        then = ", ".join(f"{name} {value:.2f}" for name, value in shown)
        label = Text(one.label) if one.known else Text(UNKNOWN, style="yellow")
        table.add_row(one.path, label, f"{one.probability:.3f}", then)
    if table.row_count:
        Console(markup=False).print(table)
