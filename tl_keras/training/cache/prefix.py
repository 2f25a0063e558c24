"""What the frozen prefix computes, kept on disk: it runs once per image view.

One entry an output and view of a manifest's images. Its name is a digest of
everything that the numbers depend on, so that a stale cache cannot be read: another
weight, size, cut, augmentation, picture or library version has another name.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tl_keras.backbones.backbone import Backbone
from tl_keras.datasets import augmentation, batches
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.files import replacing
from tl_keras.progress import track
from tl_keras.sections import Augment, Cache
from tl_keras.training import heads
from tl_keras.training.cache.rows import Rows
from tl_keras.training.engines import choice

# Change it when the meaning of the files changes.
FORMAT = 3

# View, and name of the output: a key of `heads.FEATURES`, or what `cut` gives.
Wanted = tuple[int, str]


@dataclass(frozen=True)
class PrefixCache:
    """Computes and keeps the outputs of a backbone's frozen part.

    Attributes:
        backbone: The network.
        folder: Where the entries lie.
        square: What the images are made of before the network sees them.
        augment: What the views beyond the plain one are.
        seed: Of these views.
        settings: The config's section.
    """

    backbone: Backbone
    folder: Path
    square: Square
    augment: Augment = field(default_factory=Augment)
    seed: int = 0
    settings: Cache = field(default_factory=Cache)

    def cut(self, unfreeze: int | float | str) -> str:
        """Returns the output's name of the feature map where the frozen part ends."""
        return f"cut{self.backbone.place_of_cut(unfreeze)}"

    def read(
        self, manifest: Manifest, wanted: Sequence[Wanted], *, what: str
    ) -> dict[Wanted, Rows]:
        """Returns outputs for a manifest's images, computed if they are not there.

        All that is missing is computed in one pass: each image is decoded once.

        Args:
            manifest: The images of one split.
            wanted: Pairs of a view, 0 for the plain images, and an output's name: a
                cut, `(images, height, width, channels)`, or a key of
                `heads.FEATURES`, made of the last feature map.
            what: What the images are, for the progress bar.

        Returns:
            The rows in the manifest's order, by pair.

        Raises:
            StorageError: If the disk cannot hold them.
        """
        return {one: self._read(manifest, *one, what) for one in wanted}

    def _read(self, manifest: Manifest, view: int, output: str, what: str) -> Rows:
        path = self.folder / f"{self._key(manifest, view, output)}.npy"
        if not path.exists():
            policy = self.augment.policy if view else "none"
            data = batches.images(
                manifest,
                self.square,
                16,
                policy=policy,
                view=view,
                seed=self.seed,
                flip=self.augment.flip,
            )
            model = self._model(output)
            sample = next(iter(data)).numpy()
            engine = choice.choose(model, sample, total=len(manifest.rows))
            total = len(manifest.rows)
            found = [
                engine(batch.numpy())[0]
                for batch in track(batches.read(data), what, total, 16)
            ]
            with replacing(path) as temporary:
                np.save(temporary, np.concatenate(found).astype(self._dtype(output)))
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return Rows((array,), len(array))

    def _dtype(self, output: str) -> np.dtype:
        """Feature maps are many; pooled features are few and get solved."""
        pooled = output in ("avg", "max")
        return np.dtype("float32" if pooled else self.settings.dtype)

    def _key(self, manifest: Manifest, view: int, output: str) -> str:
        """Returns a digest of all that the numbers depend on."""
        policy = self.augment.policy
        unmirrored = augmentation.unmirrored(policy, self.augment.flip)
        drawn = [policy, view, self.seed, *(["unmirrored"] if unmirrored else [])]
        parts = {
            "format": FORMAT,
            "backbone": self.backbone.fingerprint(),
            "square": asdict(self.square),
            "output": output,
            "dtype": str(self._dtype(output)),
            "view": drawn if view != batches.PLAIN_VIEW else None,
            "images": [row.sha256 for row in manifest.rows],
            "versions": [tf.__version__, keras.__version__],
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def _model(self, output: str) -> keras.Model:
        """Builds the network from images to an output."""
        inputs = self.backbone.inputs()
        if output in heads.FEATURES:
            feature_map = self.backbone.model(inputs)
            return keras.Model(inputs, heads.FEATURES[output](feature_map))
        place = int(output.removeprefix("cut"))
        return self.backbone.prefix(self.backbone.end_of_cut(place))
