"""What the frozen prefix computes, kept on disk: it runs once per image view.

A folder a (split, view): one array a file. Its name is a digest of everything that
the numbers depend on, so that a stale cache cannot be read: another weight, size,
cut, augmentation, picture or library version has another name.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tl_keras.backbones.backbone import Backbone
from tl_keras.config import Augment
from tl_keras.datasets import augmentation, batches
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.files import replacing, require_space, storage_errors
from tl_keras.progress import track
from tl_keras.training import heads
from tl_keras.training.engine import constant_graph

logger = logging.getLogger(__name__)

# Change it when the meaning of the files changes.
FORMAT = 2
BATCH_SIZE = 16
CUT = "cut"
# Feature maps are many: half precision. Pooled features are few and get solved.
DTYPES = {
    CUT: np.dtype(np.float16),
    "feature_map": np.dtype(np.float16),
    "flatten": np.dtype(np.float16),
    "avg": np.dtype(np.float32),
    "max": np.dtype(np.float32),
}


@dataclass(frozen=True)
class _Network:
    """A frozen network, and what runs it: made once, which takes seconds."""

    model: keras.Model

    @cached_property
    def engine(self) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        """From images to the model's outputs."""
        return constant_graph(self.model)


@dataclass(frozen=True)
class PrefixCache:
    """Computes and keeps the outputs of a backbone's frozen part.

    Attributes:
        backbone: The network.
        unfreeze: What is behind the cut, see `Backbone.split`; 0 where the whole
            backbone is frozen.
        folder: Where the arrays lie.
        square: What the images are made of before the network sees them.
    """

    backbone: Backbone
    unfreeze: int | float | str
    folder: Path
    square: Square

    def read(
        self,
        manifest: Manifest,
        outputs: tuple[str, ...],
        *,
        what: str,
        augment: Augment | None = None,
        view: int = batches.PLAIN_VIEW,
        seed: int = 0,
    ) -> dict[str, np.ndarray]:
        """Returns the outputs for a manifest's images, computed if they are not there.

        Args:
            manifest: The images of one split.
            outputs: Names of what is wanted: `cut`, the feature map where the frozen
                part ends, float16 `(images, height, width, channels)`; keys of
                `heads.FEATURES`, made of the last feature map: itself or pooled,
                float32 `(images, channels)`.
            what: What the images are, for the progress bar.
            augment: The policy of the views beyond the plain one.
            view: Which view.
            seed: Of the augmentation.

        Returns:
            Arrays by name, mapped from disk, in the manifest's order.

        Raises:
            StorageError: If the disk cannot hold them.
        """
        policy = augment.policy if augment and view != batches.PLAIN_VIEW else "none"
        flip = augment.flip if augment else True
        key = self._key(manifest, outputs, policy, view, seed, flip)
        folder = self.folder / key
        arrays = _open(folder, outputs, len(manifest.rows))
        if arrays is None:
            images = batches.images(
                manifest,
                self.square,
                BATCH_SIZE,
                policy=policy,
                view=view,
                seed=seed,
                flip=flip,
            )
            self._compute(folder, images, outputs, len(manifest.rows), what)
            arrays = _open(folder, outputs, len(manifest.rows))
        assert arrays is not None
        return arrays

    def _key(
        self,
        manifest: Manifest,
        outputs: tuple[str, ...],
        policy: str,
        view: int,
        seed: int,
        flip: bool = True,
    ) -> str:
        """Returns a digest of all that the numbers depend on."""
        cut = self.backbone.place_of_cut(self.unfreeze)
        unmirrored = augmentation.unmirrored(policy, flip)
        drawn = [policy, view, seed, *(["unmirrored"] if unmirrored else [])]
        parts = {
            "format": FORMAT,
            "backbone": self.backbone.fingerprint(),
            "square": asdict(self.square),
            "cut": cut if CUT in outputs else None,
            "outputs": outputs,
            "view": drawn if view != batches.PLAIN_VIEW else None,
            "images": [row.sha256 for row in manifest.rows],
            "versions": [tf.__version__, keras.__version__],
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def _compute(
        self,
        folder: Path,
        images: tf.data.Dataset,
        outputs: tuple[str, ...],
        total: int,
        what: str,
    ) -> None:
        """Runs the frozen part over the images and writes the arrays in one step."""
        # The engine holds the weights as they were when it was made.
        made = (outputs, self.backbone.fingerprint())
        if made not in self._networks:
            self._networks[made] = _Network(self._model(outputs))
        network = self._networks[made]
        shapes = {
            name: (total, *tensor.shape[1:])
            for name, tensor in zip(outputs, network.model.outputs)
        }
        needed = sum(
            int(np.prod(shape)) * DTYPES[name].itemsize
            for name, shape in shapes.items()
        )
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        require_space(self.folder, needed, f"The cache of {what}")
        run = network.engine
        results = (
            [part.numpy() for part in run(batch)] for batch in batches.read(images)
        )
        with replacing(folder) as temporary, storage_errors(folder):
            temporary.mkdir()
            _write(temporary, shapes, track(results, what, total, BATCH_SIZE))

    @cached_property
    def _networks(self) -> dict[tuple, "_Network"]:
        """The networks that were built so far, by their outputs and weights."""
        return {}

    def _model(self, outputs: tuple[str, ...]) -> keras.Model:
        """Builds the network from images to the wanted outputs, in their order."""
        inputs = x = self.backbone.inputs()
        ends, rest = {}, self.backbone.model
        if self.unfreeze:
            prefix, rest = self.backbone.split(self.unfreeze)
            ends[CUT] = x = prefix(inputs)
        features = [name for name in outputs if name != CUT]
        feature_map = rest(x) if features else None
        for name in features:
            ends[name] = heads.FEATURES[name](feature_map)
        return keras.Model(inputs, [ends[name] for name in outputs])


def _write(
    folder: Path,
    shapes: dict[str, tuple[int, ...]],
    results: Iterator[list[np.ndarray]],
) -> None:
    """Writes each output's batches behind one another into an `.npy` file.

    Plain writes, not a memory map: on a full disk a map kills the process.
    """
    with ExitStack() as stack:
        files = {}
        for name, shape in shapes.items():
            files[name] = stack.enter_context((folder / f"{name}.npy").open("wb"))
            descr = np.lib.format.dtype_to_descr(DTYPES[name])
            header = {"descr": descr, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(files[name], header)
        for arrays in results:
            for name, array in zip(shapes, arrays):
                files[name].write(array.astype(DTYPES[name]).tobytes())


def _open(
    folder: Path, outputs: tuple[str, ...], total: int
) -> dict[str, np.ndarray] | None:
    """Maps the arrays, or returns `None` where they are missing or damaged."""
    arrays = {}
    for name in outputs:
        path = folder / f"{name}.npy"
        try:
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError) as error:
            logger.warning("Computing %s anew: it is damaged (%s)", path, error)
            return None
        if len(arrays[name]) != total:
            return None
    return arrays
