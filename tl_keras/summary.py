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
from tl_keras.run import CONFIG, METRICS, Run


def print_summary(run: Run) -> None:
    """Prints a run's tables to standard output."""
    console = Console(highlight=False)
    console.print(_what(run))
    console.print(metrics_table(run.metrics))
    console.print(per_class_table(run.metrics))
    console.print(_where(run))


def metrics_table(metrics: dict[str, Any]) -> Table:
    """Returns the overall figures as a table."""
    low, high = metrics["accuracy_interval"]
    table = Table("Test figure", "Value", title=f"{metrics['images']:,} test images")
    accuracy = f"{metrics['accuracy']:.3f}  (95 % interval {low:.3f} to {high:.3f})"
    table.add_row("Accuracy", accuracy)
    if metrics["top_3"] is not None:
        table.add_row("Top-3 accuracy", f"{metrics['top_3']:.3f}")
    for kind, prefix in (("Macro", ""), ("Micro", "micro_")):
        for name in ("precision", "recall", "f1"):
            if prefix + name in metrics:
                title = f"{kind} {'F1' if name == 'f1' else name}"
                table.add_row(title, f"{metrics[prefix + name]:.3f}")
    table.add_row("Loss", f"{metrics['loss']:.3f}")
    return table


def per_class_table(metrics: dict[str, Any]) -> Table:
    """Returns each class's figures as a table."""
    table = Table("Class", "Images", "Precision", "Recall", "F1")
    for row in metrics["per_class"]:
        values = [f"{row[name]:.3f}" for name in ("precision", "recall", "f1")]
        table.add_row(Text(row["class"]), str(row["images"]), *values)
    return table


def _what(run: Run) -> Table:
    """Returns what was trained, and how long each step took."""
    config, state = run.config, run.state
    counts = [
        f"{len(run.manifest.split(name).rows):,} {name}"
        for name in ("train", "validation", "test")
    ]
    table = Table("Run", str(run.folder), title="What was trained")
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
    table.add_row("Figures", str(run.folder / METRICS))
    table.add_row("Predictions", str(run.folder / "predictions.csv"))
    if "confusion_matrix" in run.metrics:
        table.add_row("Confusion matrix", str(run.folder / "confusion_matrix.png"))
    table.add_row("Config", str(run.folder / CONFIG))
    table.add_row("TensorBoard", f"tl-keras board {run.folder.parent}")
    if run.state.export:
        table.add_row("SavedModel", run.state.export)
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
    writer.writerow(["path", "label", "probability", "error"])
    for one in found:
        shown = "" if one.probability is None else f"{one.probability:.6f}"
        writer.writerow([one.path, one.label or "", shown, one.error or ""])


def _as_table(found: list[Prediction]) -> None:
    """Prints the best class of each image, and the next two."""
    table = Table(Column("Image", overflow="fold"), "Label", "Probability", "Then")
    for one in found:
        if one.error:
            continue
        order = sorted(one.probabilities.items(), key=lambda item: -item[1])
        then = ", ".join(f"{name} {value:.2f}" for name, value in order[1:3])
        table.add_row(one.path, one.label, f"{one.probability:.3f}", then)
    if table.row_count:
        Console(markup=False).print(table)
