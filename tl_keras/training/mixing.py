"""MixUp and CutMix: two inputs of a batch become one, and their targets alike.

On the inputs of the part that trains: images, or feature maps at the cut, where
nothing has to run again for it (manifold mixup: Verma et al., 2019,
https://arxiv.org/abs/1806.05236). Drawn from the epoch's generator, so that a resumed
epoch mixes the same; `keras.layers.MixUp` and `CutMix` take no generator but their own.
"""

import numpy as np

from tl_keras.config import Phase

Batch = tuple[np.ndarray, np.ndarray]


def mix(
    inputs: np.ndarray, targets: np.ndarray, phase: Phase, random: np.random.Generator
) -> Batch:
    """Mixes a batch as the phase says; where it says both, one of the two at random.

    Args:
        inputs: `(images, …)`; for CutMix `(images, height, width, channels)`.
        targets: `(images, logits)`.
        phase: Its `mixup` and `cutmix` are read.
        random: What is drawn from.
    """
    both = phase.mixup > 0 and phase.cutmix > 0
    if phase.cutmix and not (both and random.random() < 0.5):
        return cutmix(inputs, targets, phase.cutmix, random)
    return (
        mixup(inputs, targets, phase.mixup, random)
        if phase.mixup
        else (inputs, targets)
    )


def mixup(
    inputs: np.ndarray, targets: np.ndarray, beta: float, random: np.random.Generator
) -> Batch:
    """Adds to each input a share of another (Zhang et al., 2018).

    https://arxiv.org/abs/1710.09412

    Args:
        inputs: `(images, …)`.
        targets: `(images, logits)`.
        beta: Both parameters of the Beta distribution of the shares.
        random: What is drawn from.
    """
    share = random.beta(beta, beta, size=(len(inputs), 1)).astype(np.float32)
    # The larger share is the image's own: a pair is not mixed twice alike.
    share = np.maximum(share, 1 - share)
    other = random.permutation(len(inputs))
    return _blend(inputs, other, share), _blend(targets, other, share)


def _blend(rows: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Returns a share, `(rows, 1)`, of each row with the rest of another."""
    share = share.reshape(-1, *[1] * (rows.ndim - 1))
    blend = rows[other]
    # In place: large arrays are dear to make.
    blend *= 1 - share
    blend += share * rows
    return blend


def cutmix(
    inputs: np.ndarray, targets: np.ndarray, beta: float, random: np.random.Generator
) -> Batch:
    """Puts a box of another input in its own place (Yun et al., 2019).

    https://arxiv.org/abs/1905.04899. The paper draws one box a batch, here each image
    has its own. Targets share as the places do, whole ones only: on a feature map
    there are few.

    Args:
        inputs: `(images, height, width, channels)`.
        targets: `(images, logits)`.
        beta: Both parameters of the Beta distribution of the share that stays.
        random: What is drawn from.
    """
    sides = np.sqrt(1 - random.beta(beta, beta, size=len(inputs)))
    down, across = (_stretch(sides, length, random) for length in inputs.shape[1:3])
    inside = down[:, :, np.newaxis] & across[:, np.newaxis, :]
    other = random.permutation(len(inputs))
    share = inside.mean(axis=(1, 2), dtype=np.float32)[:, np.newaxis]
    return (
        np.where(inside[..., np.newaxis], inputs[other], inputs),
        (1 - share) * targets + share * targets[other],
    )


def _stretch(sides: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    """Returns which places of an axis a box takes, `(images, length)`.

    Its centre lies anywhere, as in the paper; what stands out is cut off.
    """
    sizes = np.rint(sides * length).astype(int)
    starts = random.integers(length, size=len(sides)) - sizes // 2
    places = np.arange(length)
    begins, ends = starts[:, np.newaxis], (starts + sizes)[:, np.newaxis]
    return (places >= begins) & (places < ends)
