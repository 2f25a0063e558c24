"""Sections of the config that stand by themselves."""

from dataclasses import dataclass
from typing import Literal

from tl_keras.fields import require


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
