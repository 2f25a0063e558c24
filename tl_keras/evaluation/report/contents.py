"""What the page of a run shows: plain data, which know no run and no network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tl_keras.training.history import Epoch


@dataclass(frozen=True, kw_only=True)
class Miss:
    """A test image on which the classifier is far off.

    Attributes:
        path: As in the manifest.
        true: Its class, or classes.
        predicted: What the classifier says.
        probability: Of what it says, in [0, 1].
        loss: Cross-entropy.
        wrong: Whether it says something else than is true.
        picture: The image as a data URI; `None` where it cannot be drawn.
        overlay: The same with what the classifier looked at; `None` without one.
    """

    path: str
    true: str
    predicted: str
    probability: float
    loss: float
    wrong: bool = True
    picture: str | None = None
    overlay: str | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of the run.

    Attributes:
        name: As the run calls it.
        seconds: How long it took.
        epochs: How many it had; 0 for a step without any.
    """

    name: str
    seconds: float
    epochs: int = 0


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to use the classifier.

    Attributes:
        title: What it is for.
        code: To be copied.
    """

    title: str
    code: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that the page of a run shows. Every text may hold what anybody has named.

    Attributes:
        name: Of the run.
        metrics: As `metrics.json` holds them; keys may be missing.
        class_names: In the order of the logits.
        multi_label: Whether an image has any number of classes.
        facts: What was trained on what, by title.
        epochs: Of all phases.
        splits: Images by split.
        misses: The worst first.
        notes: What is odd about the images, a sentence each.
        steps: In order.
        ways: How the classifier is used.
        card: The model card: paragraphs by heading.
        config: YAML.
        made: When the page was made.
    """

    name: str
    metrics: Mapping[str, Any]
    class_names: tuple[str, ...]
    multi_label: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    epochs: tuple[Epoch, ...] = ()
    splits: Mapping[str, int] = field(default_factory=dict)
    misses: tuple[Miss, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    ways: tuple[Way, ...] = ()
    card: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    config: str = ""
    made: str = ""
