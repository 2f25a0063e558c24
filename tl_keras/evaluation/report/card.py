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
    """

    source: str
    network: str
    weights: str | None
    trained: str
    image_size: int
    grouped: bool = False


def sections(
    made: Made, metrics: Mapping[str, Any], splits: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    """Returns the card's paragraphs by heading.

    Args:
        made: How the classifier was made.
        metrics: As `metrics.json` holds them.
        splits: Images by split.
    """
    names = [row["class"] for row in metrics["per_class"]]
    return {
        "Model details": _details(made),
        "Intended use": (
            f"Telling apart {_named(names)} in images like those of {made.source}.",
            "Not for images of anything else: it always names one of its classes, "
            "also for what is none of them. Not for decisions about people unless its "
            "makers tested it for that and say so here.",
        ),
        "Metrics": (
            verdict.sentence(metrics),
            "Intervals of the accuracy are Wilson's, at 95 %. They speak of images "
            "drawn as the test images were, not of other cameras, places or times.",
        ),
        "Evaluation data": (_evaluation(made, splits),),
        "Training data": (
            f"{splits.get('train', 0):,} images for training and "
            f"{splits.get('validation', 0):,} for the choice of the epoch, of "
            f"{made.source}. Licence: {_source_licence(made.source)}.",
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


def _source_licence(source: str) -> str:
    """Returns under which licence images are, as far as it is known."""
    return SOURCE_LICENCES.get(source, "to be filled in by its makers")


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
