"""Sections of the config that stand by themselves."""

from dataclasses import dataclass, field
from typing import Literal

from tl_keras.fields import require


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which images are taken, which go where, and how they become squares.

    Attributes:
        validation: Share of the images that chooses the epoch to keep. With 0 there
            are none: more images train, and each phase's last epoch is kept.
        test: Share of the images that is touched only by the final evaluation.
        split_seed: Another seed deals the images out differently.
        classes: The classes in the order of the logits; empty takes natural order.
        group_by: Regular expression searched in each path: images with the same
            match (of its first group, where it has one) stay on one side of the
            split. For patients, cameras, videos.
        near_duplicates: Whether images that look alike stay on one side, too.
        few_shot: Training images of each class; `None` takes all.
        imbalance: What is done where classes differ in size: `none`, `weights` for a
            loss in which every class weighs the same, `sampling` for epochs in which
            every class is drawn equally often.
        resize: How an image becomes a square: `squash` changes its aspect ratio,
            `crop` cuts the longer side's ends off, `pad` fills up the shorter side.
        background: Red, green and blue in [0, 255] of what shows through transparent
            pixels and fills up what `pad` adds.
        bad_files: What to do with files that cannot be used as they are: `error`
            names them and stops, `skip` leaves them out and says so, `convert` makes
            PNGs of those that Pillow reads and stops at the others.
        problems: Policies of single kinds of problem, by name, before `bad_files`:
            `error`, `skip`, `convert` or `warn`. `tl-keras check` names the kinds.
        data_dir: Where TensorFlow Datasets keeps its files; `None` takes its default.
        cache_dir: Folder of the computed feature maps, the checks and the pictures
            of sources that are no files.
    """

    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    classes: tuple[str, ...] = ()
    group_by: str | None = None
    near_duplicates: bool = True
    few_shot: int | None = None
    imbalance: Literal["none", "weights", "sampling"] = "none"
    resize: Literal["squash", "crop", "pad"] = "squash"
    background: tuple[int, ...] = (255, 255, 255)
    bad_files: Literal["error", "skip", "convert"] = "error"
    problems: dict[str, str] = field(default_factory=dict)
    data_dir: str | None = None
    cache_dir: str = "~/.cache/tl_keras"

    def __post_init__(self) -> None:
        share = self.validation
        require(0 <= share < 1, "data.validation", "in [0, 1)", share)
        require(0 < self.test < 1, "data.test", "between 0 and 1", self.test)
        held_out = round(self.validation + self.test, 6)
        require(held_out < 1, "data.validation + data.test", "below 1", held_out)
        few = self.few_shot
        require(few is None or few >= 1, "data.few_shot", "at least 1", few)
        twice = len(set(self.classes)) < len(self.classes)
        require(not twice, "data.classes", "different names", self.classes)
        colour = self.background
        rgb = len(colour) == 3 and all(0 <= value <= 255 for value in colour)
        require(rgb, "data.background", "three numbers in [0, 255]", colour)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of the training images.

    Attributes:
        policy: Name of the policy; `tl-keras augment` draws what each one does.
        views: Of each training image: the plain one, and others drawn once. `None`
            takes 4 for up to 1,000 training images, fewer for more.
        flip: Whether a policy may mirror images. Digits, letters and signs are
            something else in the mirror.
    """

    policy: str = "light"
    views: int | None = None
    flip: bool = True

    def __post_init__(self) -> None:
        views = self.views
        require(views is None or views >= 1, "augment.views", "at least 1", views)


@dataclass(frozen=True, kw_only=True)
class Cache:
    """What the frozen part of the network computes once, and how it is kept.

    `data.cache_dir` says where.

    Attributes:
        store: `disk` keeps it on disk, and stops before it starts where it does not
            fit there; `auto` computes it anew in every epoch in that case; `none`
            always does.
        dtype: Of feature maps on disk. Pooled features are float32 anyway.
        engine: What runs the frozen part: `auto` takes the fastest here, and with
            `deterministic` the graph.
    """

    store: Literal["disk", "auto", "none"] = "disk"
    dtype: Literal["float16", "float32"] = "float16"
    engine: Literal["auto", "graph", "litert", "onnx"] = "auto"

    def require_repeatable(self) -> None:
        """Refuses what is settled by a clock or by how full the disk is."""
        rule = "disk or none with deterministic: free space would decide"
        require(self.store != "auto", "cache.store", rule, self.store)
        rule = "auto or graph with deterministic: a clock chooses how others run"
        require(self.engine in ("auto", "graph"), "cache.engine", rule, self.engine)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is made of the probabilities once the network is trained.

    Attributes:
        calibrate: Divides the logits by a temperature that fits the validation images:
            probabilities become honest, no answer changes.
        min_confidence: Least probability of an answer, below which it is "don't know";
            with several labels an image, least certainty of each label.
        target_accuracy: Chooses that threshold on the validation images instead: the
            lowest at which the answers that remain are right as often as this.
        per_class: Whether `target_accuracy` chooses one threshold for each class.
    """

    calibrate: bool = False
    min_confidence: float | None = None
    target_accuracy: float | None = None
    per_class: bool = False

    def __post_init__(self) -> None:
        least, target = self.min_confidence, self.target_accuracy
        for name, value in (("min_confidence", least), ("target_accuracy", target)):
            fits = value is None or 0 < value <= 1
            require(fits, f"evaluation.{name}", "in (0, 1]", value)
        rule = "null with a target_accuracy, which chooses it"
        one = least is None or target is None
        require(one, "evaluation.min_confidence", rule, least)
        rule = "false without a target_accuracy"
        fits = target is not None or not self.per_class
        require(fits, "evaluation.per_class", rule, self.per_class)

    def require_validation(self, share: float) -> None:
        """Refuses what is fitted on validation images where there are to be none."""
        fitted = self.calibrate or self.target_accuracy is not None
        rule = "above 0 with evaluation.calibrate or evaluation.target_accuracy"
        require(share > 0 or not fitted, "data.validation", rule, share)


@dataclass(frozen=True, kw_only=True)
class Head:
    """What turns the last feature map into logits.

    Attributes:
        pooling: How the places of the feature map become one vector: their mean,
            their maximum, their generalised mean with a trained power, or all of
            them behind one another.
        conv_filters: Of a convolution before the pooling; 0 leaves it out.
        conv_kernel_size: Side of that convolution's kernel.
        hidden: Width of each hidden layer between the pooling and the logits.
        activation: Behind the convolution and each hidden layer.
        batch_norm: Normalizes each batch before the activation.
        dropout: Share of its inputs that each dense layer misses in a training step.
        outputs: `multi_class` gives each image one class, `binary` tells the second
            of two classes from the first by one logit, `multi_label` finds any
            number of classes, each by itself.
    """

    pooling: Literal["avg", "max", "gem", "flatten"] = "avg"
    conv_filters: int = 0
    conv_kernel_size: Literal[1, 3] = 1
    hidden: tuple[int, ...] = ()
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    batch_norm: bool = False
    dropout: float = 0.2
    outputs: Literal["multi_class", "binary", "multi_label"] = "multi_class"

    def __post_init__(self) -> None:
        filters, widths = self.conv_filters, self.hidden
        require(filters >= 0, "head.conv_filters", "at least 0", filters)
        positive = all(width > 0 for width in widths)
        require(positive, "head.hidden", "positive widths", widths)
        require(0 <= self.dropout < 1, "head.dropout", "in [0, 1)", self.dropout)

    @property
    def pools_first(self) -> bool:
        """Tells whether the pooling comes before all weights."""
        return self.conv_filters == 0 and self.pooling != "gem"

    @property
    def unsolvable(self) -> str:
        """What makes the head more than a logistic regression; empty if nothing."""
        more = {
            "pooling": self.pooling == "gem",
            "conv_filters": self.conv_filters > 0,
            "hidden": len(self.hidden) > 0,
            "outputs": self.outputs == "multi_label",
        }
        found = [f"head.{name} = {getattr(self, name)}" for name in more if more[name]]
        return ", ".join(found)
