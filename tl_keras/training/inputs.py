"""What both phases learn from, asked for at once: each image is decoded once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from tl_keras.config import Config
from tl_keras.datasets.batches import PLAIN_VIEW
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.training import gradual, images
from tl_keras.training.cache.prefix import PrefixCache, Wanted
from tl_keras.training.cache.rows import Rows
from tl_keras.training.distribution.team import current
from tl_keras.training.engines import choice
from tl_keras.training.examples import Cached, Examples
from tl_keras.training.head import Classifier
from tl_keras.training.streamed import Streaming

# Of the training and of the validation images.
Pair = tuple[Examples, Examples]
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Inputs:
    """What the phases of a run learn from.

    What is asked of the cache does not depend on the phase, so that a resumed run finds
    what it left there.

    Attributes:
        classifier: Its backbone has the weights that it had before both phases.
        manifest: The images with their splits.
        config: What to do.
        whole: Images of which the manifest's are some. The frozen part then runs on
            all of them at once and each split takes its rows, so that other splits of
            the same images run nothing. `None` computes each split by itself.
    """

    classifier: Classifier
    manifest: Manifest
    config: Config
    whole: Manifest | None = None

    def of_head(self) -> Pair:
        """Returns what the head alone is trained on."""
        return self._pair(self.classifier.features)

    def at(self, unfreeze: int | float | str) -> Pair:
        """Returns what the part behind a freeze boundary is trained on.

        Args:
            unfreeze: `fine_tune.unfreeze`, or one of the parts of gradual unfreezing.

        Returns:
            Feature maps at the cut; images where nothing is frozen, in other views in
            every epoch.
        """
        if self.classifier.backbone.last_frozen(unfreeze) is None:
            return self._images
        return self._pair(self._cache.cut(unfreeze))

    def held_out(self, unfreeze: int | float | str) -> Cached | None:
        """Returns the test images as the part behind a freeze boundary takes them.

        Args:
            unfreeze: As in `at`; 0 for the head alone.

        Returns:
            Their plain view, with labels; `None` where the cache does not keep it, as
            nothing is frozen or nothing is kept.
        """
        backbone = self.classifier.backbone
        if unfreeze and backbone.last_frozen(unfreeze) is None:
            return None
        if self._reason_to_stream():
            return None
        output = self._cache.cut(unfreeze) if unfreeze else self.classifier.features
        return _cached(*self._read("test"), output)

    @cached_property
    def _pair(self) -> Callable[[str], Pair]:
        """From an output's name to its examples, from the cache or streamed."""
        reason = self._reason_to_stream()
        if reason:
            backbone = self.classifier.backbone
            return Streaming(backbone, *self._images, self.config, reason).pair
        found = [self._read(split) for split in SPLITS]

        def pair(output: str) -> Pair:
            train, validation = (
                _cached(rows, labels, output) for rows, labels in found
            )
            return train, validation

        return pair

    def _reason_to_stream(self) -> str:
        """Returns why nothing is kept on disk; empty where it is."""
        store, folder = self.config.cache.store, self.config.data.cache_dir
        if store == "none":
            return "cache.store is none"
        chosen = [(self._computed(split), self._wanted(split)) for split in SPLITS]
        if store == "auto" and not current().agreed(
            all(_fits(self._cache, *one) for one in chosen)
        ):
            return f"its feature maps do not fit on the disk of {folder}"
        return ""

    def _read(self, split: str) -> tuple[dict[Wanted, Rows], np.ndarray]:
        """Returns all that both phases want of a split, and its labels."""
        chosen = self.manifest.split(split)
        labels = chosen.targets(self.classifier.class_names)
        if not chosen.rows:
            return {}, labels
        wanted = self._wanted(split)
        if self.whole is None:
            return self._cache.read(chosen, wanted, what=split), labels
        found = self._cache.read(self.whole, self._wanted("train"), what="all images")
        known = {row.path: place for place, row in enumerate(self.whole.rows)}
        places = np.array([known[row.path] for row in chosen.rows])
        return {one: found[one].at(places) for one in wanted}, labels

    def _computed(self, split: str) -> Manifest:
        """Returns the images that go through the frozen part for a split."""
        return self.whole or self.manifest.split(split)

    def _wanted(self, split: str) -> list[Wanted]:
        """Returns views and outputs: plain features, and of each cut all views."""
        views = self.config.augment.views if split == "train" else 1
        backbone = self.classifier.backbone
        boundaries = [
            step.unfreeze for step in gradual.steps(backbone, self.config.fine_tune)
        ]
        cuts = [
            self._cache.cut(boundary)
            for boundary in boundaries
            if backbone.last_frozen(boundary) is not None
        ]
        pairs = [(view, cut) for cut in cuts for view in range(views)]
        return [(PLAIN_VIEW, self.classifier.features), *pairs]

    @cached_property
    def _images(self) -> tuple[images.Images, images.Images]:
        """The images of both splits; none is decoded yet."""
        classifier = self.classifier
        return images.of_splits(
            self.manifest, classifier.image_size, classifier.class_names, self.config
        )

    @cached_property
    def _cache(self) -> PrefixCache:
        """The cache of what the frozen part computes."""
        return PrefixCache(
            self.classifier.backbone,
            Path(self.config.data.cache_dir).expanduser() / "prefix",
            Square.of(self.config.data, self.classifier.image_size),
            self.config.augment,
            self.config.seed,
            replace(self.config.cache, engine=choice.name_for(self.config)),
            exact=self.config.deterministic,
        )


def _cached(found: dict[Wanted, Rows], labels: np.ndarray, output: str) -> Cached:
    """Returns examples of an output, the plain view first."""
    views = sorted(view for view, name in found if name == output)
    if not views:
        return Cached.of(labels, np.zeros((0, 0)))
    return Cached(tuple(found[view, output] for view in views), labels)


def _fits(cache: PrefixCache, manifest: Manifest, wanted: list[Wanted]) -> bool:
    """Tells whether the disk holds what is wanted, or has room for it."""
    return not manifest.rows or cache.fits(manifest, wanted)
