"""What to train and how: the only place where defaults stand.

Frozen dataclasses, one level of nesting. The command line's flags are made from the
fields; YAML files hold the same names; every run folder holds a copy.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_type_hints

import yaml

from tl_keras.errors import UsageError
from tl_keras.registry import suggestion

# YAML 1.1, which PyYAML reads, takes `1e-3` for text and only `1.0e-3` for a number.
EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?e[+-]?\d+", re.IGNORECASE)


def _require(condition: bool, name: str, rule: str, value: Any) -> None:
    """Refuses a field's value with the rule that it breaks."""
    if not condition:
        raise UsageError(f"`{name}` must be {rule}. Received: {value!r}")


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which images go where.

    Attributes:
        validation: Share of the images that chooses the best epoch.
        test: Share of the images that is touched only by the final evaluation.
        split_seed: Another seed deals the images out differently.
        bad_files: What to do with undecodable files: `error` names them and stops,
            `skip` leaves them out and says so.
        cache_dir: Folder of the computed feature maps.
    """

    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    bad_files: Literal["error", "skip"] = "error"
    cache_dir: str = "~/.cache/tl_keras"

    def __post_init__(self) -> None:
        for name in ("validation", "test"):
            value = getattr(self, name)
            _require(0 < value < 1, f"data.{name}", "between 0 and 1", value)
        held_out = round(self.validation + self.test, 6)
        _require(held_out < 1, "data.validation + data.test", "below 1", held_out)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of the training images.

    Attributes:
        policy: Name of the policy: `none` or `light`.
        views: Of each training image: the plain one, and others drawn once.
    """

    policy: str = "light"
    views: int = 2

    def __post_init__(self) -> None:
        _require(self.views >= 1, "augment.views", "at least 1", self.views)


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
        _require(size is None or size > 0, "backbone.image_size", "positive", size)


@dataclass(frozen=True, kw_only=True)
class Head:
    """What turns the last feature map into logits.

    Attributes:
        dropout: Share of the pooled features that a training step leaves out.
    """

    dropout: float = 0.2

    def __post_init__(self) -> None:
        _require(0 <= self.dropout < 1, "head.dropout", "in [0, 1)", self.dropout)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One run of training.

    Attributes:
        epochs: Times that every training image is seen; 0 leaves the phase out.
        batch_size: Images a step, over all replicas.
        learning_rate: Of AdamW, at the end of the warm-up; a cosine takes it to 0.
        warmup_epochs: Epochs in which the learning rate rises from 0.
        weight_decay: Of AdamW, on kernels only.
        label_smoothing: Share of the target that is spread over all classes.
        mixup: Parameter of the Beta distribution by which pairs of training inputs
            and their targets are mixed; 0 mixes nothing.
        ema_momentum: Momentum of the averaged weights that are evaluated and kept;
            0 takes the weights as they are.
        patience: Epochs below the best validation accuracy before the phase ends.
    """

    _section: ClassVar[str] = ""
    epochs: int
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup_epochs: int = 0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    ema_momentum: float = 0.0
    patience: int = 5

    def __post_init__(self) -> None:
        at_least = dict(epochs=0, batch_size=1, warmup_epochs=0, patience=1, mixup=0)
        for name, least in at_least.items():
            value = getattr(self, name)
            _require(value >= least, self._section + name, f"at least {least}", value)
        for name in ("weight_decay", "label_smoothing", "ema_momentum"):
            value = getattr(self, name)
            _require(0 <= value < 1, self._section + name, "in [0, 1)", value)
        rate, name = self.learning_rate, f"{self._section}learning_rate"
        _require(0 < rate < math.inf, name, "positive", rate)


@dataclass(frozen=True, kw_only=True)
class HeadPhase(Phase):
    """Training of the head on features computed once.

    Attributes:
        solver: `lbfgs` solves the head as a logistic regression in one go (the
            fields of `Phase` then have no effect); `gradient` trains it by epochs.
        l2: Strength of the logistic regression's penalty, on standardised features.
    """

    _section: ClassVar[str] = "head_phase."
    epochs: int = 20
    solver: Literal["lbfgs", "gradient"] = "lbfgs"
    l2: float = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.epochs >= 1, "head_phase.epochs", "at least 1", self.epochs)
        _require(self.l2 > 0, "head_phase.l2", "positive", self.l2)


@dataclass(frozen=True, kw_only=True)
class FineTune(Phase):
    """Training of the backbone's last stages together with the head.

    Attributes:
        unfreeze: Number of stages to train, counted from the end; 0 trains the
            head only.
    """

    _section: ClassVar[str] = "fine_tune."
    epochs: int = 8
    learning_rate: float = 1e-3
    warmup_epochs: int = 1
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    mixup: float = 0.3
    ema_momentum: float = 0.98
    unfreeze: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.unfreeze >= 0, "fine_tune.unfreeze", "at least 0", self.unfreeze)


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
        _require(images >= 1, "export.verify_images", "at least 1", images)
        _require(self.tolerance > 0, "export.tolerance", "positive", self.tolerance)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole transfer-learning run.

    Attributes:
        seed: Of the augmentation, the order of the images and the dropout.
        deterministic: Same weights bit for bit in a second run on the same machine.
    """

    seed: int = 0
    deterministic: bool = False
    data: Data = field(default_factory=Data)
    augment: Augment = field(default_factory=Augment)
    backbone: Backbone = field(default_factory=Backbone)
    head: Head = field(default_factory=Head)
    head_phase: HeadPhase = field(default_factory=HeadPhase)
    fine_tune: FineTune = field(default_factory=FineTune)
    export: Export = field(default_factory=Export)

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
        return _override(cls(), values or {}, "")

    def to_yaml(self) -> str:
        """Returns the config as text that `from_yaml` reads."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)

    def override(self, **changes: Any) -> Self:
        """Returns a config with some fields changed.

        Args:
            **changes: New values. A section takes a dict of its fields; the section
                `backbone` also takes a name alone.

        Raises:
            UsageError: If a name is unknown or a value is of the wrong kind.
        """
        return _override(self, changes, "")


def _override(section: Any, changes: Mapping[str, Any], prefix: str) -> Any:
    """Returns `section` with `changes`, sections below it included."""
    hints = get_type_hints(type(section))
    values = {}
    for name, value in changes.items():
        if name not in hints:
            known = suggestion(name, hints)
            raise UsageError(f"Unknown config key '{prefix}{name}'.{known}")
        current = getattr(section, name)
        if dataclasses.is_dataclass(current):
            if name == "backbone" and isinstance(value, str):
                value = {"name": value}
            if not isinstance(value, Mapping):
                raise UsageError(
                    f"`{prefix}{name}` must be a dict of fields. Received: {value!r}"
                )
            value = _override(current, value, f"{prefix}{name}.")
        else:
            value = _checked(value, hints[name], prefix + name)
        values[name] = value
    return dataclasses.replace(section, **values)


def _checked(value: Any, hint: Any, name: str) -> Any:
    """Returns `value` where it is of the field's type; an int may stand for a float."""
    allowed = getattr(hint, "__args__", (hint,))
    if hint is float and isinstance(value, str) and EXPONENT.fullmatch(value):
        return float(value)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = any(
        value == kind if isinstance(kind, str) else type(value) is kind
        for kind in allowed
    )
    readable = " or ".join(getattr(kind, "__name__", repr(kind)) for kind in allowed)
    _require(fits, name, readable, value)
    return value
