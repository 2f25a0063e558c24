"""MixUp and CutMix: two inputs of a batch become one, and their targets alike.

On the inputs of the part that trains: images, or feature maps at the cut, where
nothing has to run again for it (manifold mixup: Verma et al., 2019,
https://arxiv.org/abs/1806.05236). Drawn from the epoch's generator, so that a resumed
epoch mixes the same; `keras.layers.MixUp` and `CutMix` take no generator but their own.
What is mixed with what is drawn before any input is read: where several processes share
a batch, each reads its own rows and those that are mixed into them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tl_keras.config import Phase


@dataclass(frozen=True)
class Mixture:
    """What each image of a batch is mixed with, and how.

    Attributes:
        other: Place in the batch of what an image is mixed with, `(images,)`.
        share: What each image keeps of its targets, float32 `(images, 1)`; with MixUp
            of its input, too.
        boxes: With CutMix, the places that are the other's: begins and ends, down and
            across, `(images, 1)` each. `None` with MixUp.
        sides: Height and width of what boxes are cut out of.
    """

    other: np.ndarray
    share: np.ndarray
    boxes: tuple[np.ndarray, ...] | None = None
    sides: tuple[int, ...] = ()

    def inputs(self, rows: np.ndarray, others: np.ndarray, places: Any) -> np.ndarray:
        """Returns some of a batch's inputs, mixed.

        Args:
            rows: Inputs, `(rows, ...)`.
            others: What each is mixed with; they are overwritten.
            places: Which images of the batch the rows are.
        """
        if self.boxes is None:
            return _blend(rows, others, self.share[places])
        inside = _inside([edge[places] for edge in self.boxes], self.sides)
        return np.where(inside[..., np.newaxis], others, rows)

    def targets(self, targets: np.ndarray) -> np.ndarray:
        """Returns the mixed targets of a whole batch, `(images, logits)`."""
        return _blend(targets, targets[self.other], self.share)


def draw(
    images: int, shape: tuple[int, ...], phase: Phase, random: np.random.Generator
) -> Mixture | None:
    """Draws how a batch is mixed; where the phase says both ways, one at random.

    Args:
        images: In the batch.
        shape: Of an input; for CutMix `(height, width, channels)`.
        phase: Its `mixup` and `cutmix` are read.
        random: What is drawn from.

    Returns:
        `None` where the phase mixes nothing.
    """
    both = phase.mixup > 0 and phase.cutmix > 0
    if phase.cutmix and not (both and random.random() < 0.5):
        return cutmix(images, shape, phase.cutmix, random)
    return mixup(images, phase.mixup, random) if phase.mixup else None


def mixup(images: int, beta: float, random: np.random.Generator) -> Mixture:
    """Draws shares of other inputs that are added to each (Zhang et al., 2018).

    https://arxiv.org/abs/1710.09412

    Args:
        images: In the batch.
        beta: Both parameters of the Beta distribution of the shares.
        random: What is drawn from.
    """
    share = random.beta(beta, beta, size=(images, 1)).astype(np.float32)
    # The larger share is the image's own: a pair is not mixed twice alike.
    share = np.maximum(share, 1 - share)
    return Mixture(random.permutation(images), share)


def cutmix(
    images: int, shape: tuple[int, ...], beta: float, random: np.random.Generator
) -> Mixture:
    """Draws boxes of other inputs that take the place of one's own (Yun et al., 2019).

    https://arxiv.org/abs/1905.04899. The paper draws one box a batch, here each image
    has its own. Targets share as the places do, whole ones only: on a feature map
    there are few.

    Args:
        images: In the batch.
        shape: Of an input, `(height, width, channels)`.
        beta: Both parameters of the Beta distribution of the share that stays.
        random: What is drawn from.
    """
    sides = np.sqrt(1 - random.beta(beta, beta, size=images))
    height, width = shape[:2]
    boxes = (*_stretch(sides, height, random), *_stretch(sides, width, random))
    other = random.permutation(images)
    inside = _inside(boxes, (height, width))
    share = 1 - inside.mean(axis=(1, 2), dtype=np.float32)[:, np.newaxis]
    return Mixture(other, share, boxes, (height, width))


def _blend(rows: np.ndarray, others: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Returns a share, `(rows, 1)`, of each row with the rest of another."""
    share = share.reshape(-1, *[1] * (rows.ndim - 1))
    # In place: large arrays are dear to make.
    others *= 1 - share
    others += share * rows
    return others


def _inside(boxes: Any, sides: tuple[int, ...]) -> np.ndarray:
    """Returns which places the boxes take, bool `(images, height, width)`."""
    height, width = (np.arange(side) for side in sides)
    top, bottom, left, right = boxes
    down = (height >= top) & (height < bottom)
    across = (width >= left) & (width < right)
    return down[:, :, np.newaxis] & across[:, np.newaxis, :]


def _stretch(
    sides: np.ndarray, length: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns where along an axis a box begins and ends, `(images, 1)` each.

    Its centre lies anywhere, as in the paper; what stands out is cut off.
    """
    sizes = np.rint(sides * length).astype(int)
    starts = random.integers(length, size=len(sides)) - sizes // 2
    return starts[:, np.newaxis], (starts + sizes)[:, np.newaxis]
