"""The model card: what a classifier is for, how it was tested, where it ends.

After Mitchell et al., "Model Cards for Model Reporting", 2019,
https://arxiv.org/abs/1810.03993: its sections, as far as a program can know what
belongs into them. What only people know is asked for instead of made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tl_keras.evaluation.report import verdict

# Of ImageNet weights whose licence we know, by the start of the network's name.
LICENCES = {"efficientnet_lite": "Apache-2.0"}
# Of built-in sources.
SOURCE_LICENCES = {
    "twemoji": "CC-BY 4.0, © Twitter, Inc and other contributors",
}
NAMED = 20
PRETRAINED = ("imagenet", "package")


@dataclass(frozen=True, kw_only=True)
class Made:
    """How a classifier was made.

    Attributes:
        source: What it was trained on.
        network: Name of the backbone or architecture.
        weights: What it started from; `None` for random weights.
        trained: What of it was trained, as the end of a sentence.
        image_size: Side of its images in pixels.
        grouped: Whether groups of images were kept on one side of the split.
        multi_label: Whether an image has any number of classes.
    """

    source: str
    network: str
    weights: str | None
    trained: str
    image_size: int
    grouped: bool = False
    multi_label: bool = False


def sections(
    made: Made, metrics: Mapping[str, Any], splits: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    """Returns the card's paragraphs by heading.

    Args:
        made: How the classifier was made.
        metrics: As `metrics.json` holds them.
        splits: Images by split.
    """
    return {
        "Model details": _details(made),
        "Intended use": _use(made, [row["class"] for row in metrics["per_class"]]),
        "Metrics": (
            verdict.sentence(metrics, multi_label=made.multi_label),
            "Intervals of the accuracy are Wilson's, at 95 %. They speak of images "
            "drawn as the test images were, not of other cameras, places or times.",
        ),
        "Evaluation data": (_evaluation(made, splits),),
        "Training data": (
            f"{splits.get('train', 0):,} images to learn from and "
            f"{splits.get('validation', 0):,} to choose the epoch by, of the source "
            f"{made.source}. Licence: "
            f"{SOURCE_LICENCES.get(made.source, 'to be filled in by its makers')}.",
        ),
        "Limits": (*verdict.warnings(metrics, splits), *_weakest(metrics)),
        "Ethical considerations": (
            "To be filled in by its makers: who is in the images, whether they agreed, "
            "who is harmed by a wrong answer, and how groups of people fare apart.",
        ),
    }


def _details(made: Made) -> tuple[str, ...]:
    """Returns how it was made, and under which licence it started."""
    size = f"{made.image_size} × {made.image_size}"
    how = f"Made with tl_keras: {made.network}, images of {size} pixels, "
    if made.weights is None:
        return (f"{how}from random weights; {made.trained}.",)
    return (
        f"{how}from the weights {made.weights}; {made.trained}.",
        f"Licence of these weights: {licence(made.network, made.weights)}.",
    )


def licence(network: str, weights: str) -> str:
    """Returns under which licence weights are, as far as it is known.

    Args:
        network: Name in the catalogue.
        weights: As the config names them.
    """
    if weights not in PRETRAINED:
        return "not known here; ask whoever made them"
    for start, known in LICENCES.items():
        if network.startswith(start):
            return (
                f"{known} (trained on ImageNet, whose images have terms of their own)"
            )
    return (
        "not known here; ask their publisher. They were trained on ImageNet, whose "
        "images have terms of their own"
    )


def _use(made: Made, names: list[str]) -> tuple[str, ...]:
    """Returns what it is for, and what not."""
    what, beyond = "Telling apart", "it always names one of its classes, also for what"
    if made.multi_label:
        what, beyond = "Finding", "it looks for its classes alone, also in what"
    return (
        f"{what} {_named(names)} in images like those of the source {made.source}.",
        f"Not for images of anything else: {beyond} shows none of them. Not for "
        f"decisions about people unless its makers tested it for that and say so here.",
    )


def _named(names: list[str]) -> str:
    """Returns the classes, or the first of very many."""
    shown = ", ".join(names[:NAMED])
    more = len(names) - NAMED
    return f"{shown} and {more:,} more classes" if more > 0 else shown


def _evaluation(made: Made, splits: Mapping[str, int]) -> str:
    """Returns what it was tested on."""
    groups = (
        "groups of images that belong together and copies"
        if made.grouped
        else "copies of an image"
    )
    return (
        f"{splits.get('test', 0):,} images of the same source, set aside before "
        f"training and used once; {groups} stay on one side of the split."
    )


def _weakest(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns which classes are found worst."""
    rows = [row for row in metrics["per_class"] if row["images"]]
    rows = sorted(rows, key=lambda row: row["recall"])[:3]
    missed = [row for row in rows if row["recall"] < 1]
    if not missed:
        return ()
    said = ", ".join(f"{row['class']} ({row['recall']:.2f})" for row in missed)
    return (f"Classes that are found worst (recall): {said}.",)
