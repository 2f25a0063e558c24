"""What to train and how: with `sections.py` the only place where defaults stand.

Frozen dataclasses, one level of nesting. The command line's flags are made from the
fields; YAML files hold the same names; every run folder holds a copy.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml

from tl_keras import durations
from tl_keras.errors import UsageError
from tl_keras.fields import override, require
from tl_keras.sections import Augment, Cache, Data, Evaluation, Head


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """The pretrained network.

    Attributes:
        name: Name in the catalogue.
        weights: `imagenet`, or `None` for random weights.
        image_size: Side of the images in pixels; `None` takes the native size, or
            less where the pictures themselves are small.
    """

    name: str = "efficientnet_lite0"
    weights: str | None = "imagenet"
    image_size: int | None = None

    def __post_init__(self) -> None:
        size = self.image_size
        require(size is None or size > 0, "backbone.image_size", "positive", size)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One run of training.

    Attributes:
        epochs: Times that every training image is seen; 0 leaves the phase out.
        batch_size: Images a step, over all replicas.
        learning_rate: Of AdamW, the highest.
        schedule: `cosine` rises to it from 0 in `warmup_epochs` and falls to 0;
            `one_cycle` rises for the first three tenths of all steps and falls far
            lower, with the momentum the other way round.
        warmup_epochs: Epochs in which the learning rate of `cosine` rises.
        clip_norm: Greatest norm of all gradients together; 0 clips nothing.
        weight_decay: Of AdamW, on kernels only.
        label_smoothing: Share of the target that is spread over all classes.
        mixup: Parameter of the Beta distribution by which pairs of training inputs
            and their targets are mixed; 0 mixes nothing.
        cutmix: Parameter of the Beta distribution of the share that a training input
            keeps where a box of another takes the rest; 0 cuts nothing. Where both
            are on, each batch takes one of the two at random.
        ema_momentum: Momentum of the averaged weights that are evaluated and kept;
            0 takes the weights as they are.
        patience: Epochs worse than the best on validation before the phase ends.
        profile: Whether a few steps are traced for TensorBoard.
    """

    _section: ClassVar[str] = ""
    epochs: int
    batch_size: int = 32
    learning_rate: float = 1e-3
    schedule: Literal["cosine", "one_cycle"] = "cosine"
    warmup_epochs: int = 0
    clip_norm: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    ema_momentum: float = 0.0
    patience: int = 5
    profile: bool = False

    def __post_init__(self) -> None:
        at_least = dict(epochs=0, batch_size=1, warmup_epochs=0, patience=1)
        for name, least in (at_least | dict(mixup=0, cutmix=0, clip_norm=0)).items():
            value = getattr(self, name)
            fits = value is None or value >= least
            require(fits, self._section + name, f"at least {least}", value)
        for name in ("weight_decay", "label_smoothing", "ema_momentum"):
            value = getattr(self, name)
            require(0 <= value < 1, self._section + name, "in [0, 1)", value)
        rate, name = self.learning_rate, f"{self._section}learning_rate"
        require(0 < rate < math.inf, name, "positive", rate)


@dataclass(frozen=True, kw_only=True)
class HeadPhase(Phase):
    """Training of the head on features computed once.

    Attributes:
        solver: `lbfgs` solves the head as a logistic regression in one go (the
            fields of `Phase` then have no effect); `gradient` trains it by epochs;
            `auto` solves a head that is one: linear, no weights before it, one class
            an image.
        l2: Strength of the logistic regression's penalty, on standardised features;
            `None` chooses it by cross-validation.
    """

    _section: ClassVar[str] = "head_phase."
    epochs: int = 20
    solver: Literal["auto", "lbfgs", "gradient"] = "auto"
    l2: float | None = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.epochs >= 1, "head_phase.epochs", "at least 1", self.epochs)
        l2 = self.l2
        require(l2 is None or l2 > 0, "head_phase.l2", "positive or null", l2)


@dataclass(frozen=True, kw_only=True)
class FineTune(Phase):
    """Training of the backbone's last stages together with the head.

    Attributes:
        unfreeze: What of the backbone trains, counted from its end: a number of
            stages, a share of the blocks below 1, a block or layer by name and all
            behind it, or `all`. 0 trains the head only.
        gradual: Whether stages are unfrozen one after another, from the end, with an
            equal share of the epochs each.
        layer_decay: Each block learns at this share of the learning rate of the block
            behind it; the head and the last block at the whole one.
        start_size: Side of the images in pixels in the first epochs, from which it
            grows to `backbone.image_size`; `None` trains on that throughout. Only
            where `unfreeze` is `all`.
        train_batch_norm: Whether the batch normalization of what trains does, too.
            A pretrained one is better left as it is where images are few.
        epochs: `None` takes 16 for up to 1,000 training images, fewer for more.
    """

    _section: ClassVar[str] = "fine_tune."
    epochs: int | None = None
    learning_rate: float = 1e-3
    warmup_epochs: int = 1
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    mixup: float = 0.3
    ema_momentum: float = 0.98
    unfreeze: int | float | str = 1
    gradual: bool = False
    layer_decay: float = 1.0
    start_size: int | None = None
    train_batch_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        name, value = "fine_tune.unfreeze", self.unfreeze
        if isinstance(value, float):
            require(0 < value < 1, name, "a share between 0 and 1", value)
        elif isinstance(value, int):
            require(value >= 0, name, "at least 0", value)
        decay = self.layer_decay
        require(0 < decay <= 1, "fine_tune.layer_decay", "in (0, 1]", decay)
        size, rule = self.start_size, "positive, with unfreeze: all"
        grows = size is None or (size > 0 and value == "all")
        require(grows, "fine_tune.start_size", rule, size)


@dataclass(frozen=True, kw_only=True)
class Scratch(Phase):
    """Training of a whole network from random weights, in the place of both phases.

    Attributes:
        name: Name of the architecture; `None` trains a pretrained backbone instead.
        options: Of the architecture's builder, such as `{"variant": "original"}`.
    """

    _section: ClassVar[str] = "scratch."
    name: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 30
    warmup_epochs: int = 1
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    patience: int = 15

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.epochs >= 1, "scratch.epochs", "at least 1", self.epochs)
        for option in ("num_classes", "input_shape"):
            ours = "free of what the images decide"
            require(option not in self.options, "scratch.options", ours, option)


@dataclass(frozen=True, kw_only=True)
class Export:
    """The SavedModel.

    Attributes:
        folder: Where the numbered version goes; `None` writes none by itself.
        tolerance: Greatest difference of a probability from the Keras model's.
        verify_images: Test images that the comparison runs on.
    """

    folder: str | None = None
    tolerance: float = 1e-4
    verify_images: int = 100

    def __post_init__(self) -> None:
        images = self.verify_images
        require(images >= 1, "export.verify_images", "at least 1", images)
        require(self.tolerance > 0, "export.tolerance", "positive", self.tolerance)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole transfer-learning run.

    Attributes:
        seed: Of the augmentation, the order of the images and the dropout.
        deterministic: Same weights bit for bit in a second run on the same machine,
            and in one that was killed and resumed.
        strategy: Which devices train: `auto` takes all GPUs of this machine, and of all
            processes where `TF_CONFIG` names several; `none` one device, `mirrored`
            all of this process, `multi-worker` all of all processes.
        time_budget: How long all may take, as `90s`, `5m` or `1h`: views, freeze
            boundary and epochs are chosen to end by then. `None` takes what is set.
    """

    seed: int = 0
    deterministic: bool = False
    strategy: Literal["auto", "none", "mirrored", "multi-worker"] = "auto"
    time_budget: str | None = None
    data: Data = field(default_factory=Data)
    augment: Augment = field(default_factory=Augment)
    cache: Cache = field(default_factory=Cache)
    backbone: Backbone = field(default_factory=Backbone)
    head: Head = field(default_factory=Head)
    head_phase: HeadPhase = field(default_factory=HeadPhase)
    fine_tune: FineTune = field(default_factory=FineTune)
    scratch: Scratch = field(default_factory=Scratch)
    evaluation: Evaluation = field(default_factory=Evaluation)
    export: Export = field(default_factory=Export)

    def __post_init__(self) -> None:
        if self.time_budget is not None:
            durations.seconds(self.time_budget, "time_budget")
            scratch, rule = self.scratch.name, "null with a time_budget"
            require(scratch is None, "scratch.name", rule, scratch)
        solver, more = self.head_phase.solver, self.head.unsolvable
        rule = f"auto or gradient with {more}"
        require(solver != "lbfgs" or not more, "head_phase.solver", rule, solver)
        # Pooled features have no places of which a box could be cut.
        cutmix, pooled = self.head_phase.cutmix, self.head.pools_first
        rule = f"0 with head.pooling = {self.head.pooling} before all weights"
        require(not cutmix or not pooled, "head_phase.cutmix", rule, cutmix)
        # Labels that go together cannot be drawn, or weighed, each by itself.
        imbalance, kind = self.data.imbalance, self.head.outputs
        single = imbalance == "none" or kind != "multi_label"
        rule = f"none with head.outputs = {kind}"
        require(single, "data.imbalance", rule, imbalance)
        self.evaluation.require_validation(self.data.validation)
        if self.deterministic:
            self.cache.require_repeatable()
            rule = "null with deterministic: a clock would plan the training"
            require(self.time_budget is None, "time_budget", rule, self.time_budget)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Reads a config; fields that are not in the file keep their defaults.

        Raises:
            UsageError: If the file cannot be read or holds an unknown key.
        """
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UsageError(f"Config {str(path)!r} cannot be read: {error}") from None
        if values is not None and not isinstance(values, dict):
            raise UsageError(f"Config {str(path)!r} holds no `name: value` lines.")
        return override(cls(), values or {}, "")

    def to_yaml(self) -> str:
        """Returns the config as text that `from_yaml` reads."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)

    def override(self, **changes: Any) -> Self:
        """Returns a config with some fields changed.

        Args:
            **changes: New values. A section takes a dict of its fields; the sections
                `backbone` and `scratch` also take a name alone.

        Raises:
            UsageError: If a name is unknown or a value is of the wrong kind.
        """
        return override(self, changes, "")
