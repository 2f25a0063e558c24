"""What every engine is: a function from a batch of inputs to a network's outputs."""

from typing import Protocol

import numpy as np


class Engine(Protocol):
    """A frozen network, ready to run.

    It holds the weights as they were when it was made.

    Attributes:
        name: `graph`, `litert` or `onnx`.
        batch_size: Inputs a call with which it is fastest.
    """

    name: str
    batch_size: int

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Computes the network's outputs.

        Args:
            inputs: A batch of any size: uint8 images in [0, 255],
                `(batch, side, side, 3)`, or float16 feature maps, as the network takes.

        Returns:
            Its outputs in their order, float32, `(batch, …)` each.
        """
