"""The rows of the tables of figures, from metrics whose keys may be missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Key of the metrics → its name and what it says.
SCALARS = {
    "accuracy": ("Accuracy", "share of the images that are right"),
    "balanced_accuracy": ("Balanced accuracy", "mean of the classes' recalls"),
    "top_3": ("Top-3 accuracy", "the true class is among the three most probable"),
    "top_5": ("Top-5 accuracy", "the true class is among the five most probable"),
    "precision": ("Precision, macro", "of what is called a class, how much is of it"),
    "recall": ("Recall, macro", "of what is of a class, how much is found"),
    "f1": ("F1, macro", "harmonic mean of both, mean over the classes"),
    "weighted_precision": ("Precision, weighted", "classes count by their images"),
    "weighted_recall": ("Recall, weighted", "classes count by their images"),
    "weighted_f1": ("F1, weighted", "classes count by their images"),
    "micro_precision": ("Precision, micro", "all labels count alike"),
    "micro_recall": ("Recall, micro", "all labels count alike"),
    "micro_f1": ("F1, micro", "all labels count alike"),
    "roc_auc": ("ROC AUC", "one class against the others; 0.5 is chance"),
    "average_precision": ("Average precision", "area under precision and recall"),
    "kappa": ("Cohen's kappa", "agreement beyond chance; 0 is chance"),
    "matthews": ("Matthews correlation", "of truth and prediction; 0 is chance"),
    "label_ranking_precision": ("Label ranking", "true labels before false ones"),
    "hamming_loss": ("Hamming loss", "share of single labels that are wrong"),
    "loss": ("Loss", "cross-entropy, in nats; less is better"),
}
# With several labels an image, some words mean something else.
MULTI_LABEL = {
    "accuracy": ("Exact match", "share of the images whose every label is right"),
    "label_ranking_precision": ("Label ranking", "true labels before false ones"),
    "hamming_loss": ("Hamming loss", "share of single labels that are wrong"),
    "loss": ("Loss", "binary cross-entropy, mean over classes; less is better"),
}
# Key of a class's row → its title.
COLUMNS = {
    "images": "Images",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
}
PAIRS = 15


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that says how good the classifier is.

    Attributes:
        name: Of it.
        says: What it says.
        value: The number.
        interval: Where it lies with 95 %; `None` where that is not known.
    """

    name: str
    says: str
    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Images of one class that were taken for another.

    Attributes:
        true: Their class.
        predicted: What they were taken for.
        images: How many.
        share: Of the images of their class, in [0, 1].
    """

    true: str
    predicted: str
    images: int
    share: float


def scalars(metrics: Mapping[str, Any], *, multi_label: bool = False) -> list[Figure]:
    """Returns the figures that are known, in a fixed order.

    Those over all labels together are left out where an image has one: all of them are
    the accuracy.

    Args:
        metrics: As `metrics.json` holds them.
        multi_label: Whether an image has any number of classes.
    """
    words = SCALARS | (MULTI_LABEL if multi_label else {})
    intervals = dict(metrics.get("intervals") or {})
    intervals.setdefault("accuracy", metrics.get("accuracy_interval"))
    return [
        Figure(
            name=name,
            says=says,
            value=metrics[key],
            interval=tuple(intervals[key]) if intervals.get(key) else None,
        )
        for key, (name, says) in words.items()
        if metrics.get(key) is not None
        and (multi_label or not key.startswith("micro_"))
    ]


def class_columns(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Returns the columns of the table of classes that hold anything, by key."""
    rows = metrics["per_class"]
    return {
        key: title
        for key, title in COLUMNS.items()
        if any(row.get(key) is not None for row in rows)
    }


def confused(metrics: Mapping[str, Any]) -> list[Pair]:
    """Returns the pairs of classes that are confused most, the worst first."""
    names = ("true", "predicted", "images", "share")
    if metrics.get("confused") is not None:
        rows = metrics["confused"][:PAIRS]
        return [Pair(**{name: row[name] for name in names}) for row in rows]
    classes = [row["class"] for row in metrics["per_class"]]
    pairs = [
        Pair(
            true=classes[true],
            predicted=classes[predicted],
            images=images,
            share=images / sum(row),
        )
        for true, row in enumerate(metrics.get("confusion_matrix") or [])
        for predicted, images in enumerate(row)
        if images and true != predicted
    ]
    return sorted(pairs, key=lambda one: (-one.images, -one.share))[:PAIRS]
