"""Which rows of a global batch each replica makes, and how much they count.

Every replica gets equally many. Where a batch does not divide, its first row is put
behind the last one as often as it takes, with weight 0: no replica is ever without
rows, which would give it a loss of 0 / 0, and shapes never change. Keras averages over
a replica's rows, those that count nothing included, and then over the replicas. So the
others count a little more than 1, and the loss is the mean over the batch exactly.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Share:
    """The replicas that one process feeds.

    Attributes:
        replicas: In all processes.
        first: Number of this process's first one.
        here: How many are this process's.
    """

    replicas: int = 1
    first: int = 0
    here: int = 1

    def rows(self, batch: int) -> int:
        """Returns the rows that each replica gets of a batch."""
        return math.ceil(batch / self.replicas)

    def pads(self, batch: int) -> bool:
        """Tells whether a batch is filled up with rows that count nothing."""
        return batch % self.replicas > 0

    def places(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns which rows of a batch are made here, and their weights.

        Args:
            batch: Rows of the global batch.

        Returns:
            Places in the batch and float32 weights, `(here, rows)` both.
        """
        rows = self.rows(batch)
        numbers = np.arange(self.replicas * rows).reshape(self.replicas, rows)
        places = numbers[self.first : self.first + self.here]
        counts = places < batch
        weights = counts * np.float32(self.replicas * rows / batch)
        return np.where(counts, places, 0), weights.astype(np.float32)


ALL = Share()
