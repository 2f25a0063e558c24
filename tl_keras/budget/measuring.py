"""What a run costs on this machine, measured in seconds on its first images."""

import functools
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_keras.architectures import cost
from tl_keras.backbones.backbone import Backbone
from tl_keras.budget.costs import Costs, Cut
from tl_keras.config import Config, Phase
from tl_keras.datasets import batches
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.errors import TlKerasError, UsageError
from tl_keras.training import optimizers, outputs, products, regression
from tl_keras.training.engines import choice, stored
from tl_keras.training.engines.engine import OUT_OF_MEMORY
from tl_keras.training.head import Classifier

# Images that are measured on: several batches, and yet decoded in a second or two.
SAMPLE = 128
DECODED_AT_ONCE = 16
# Seconds for which each work is repeated; of the times the median counts.
ENOUGH = 0.7
# Features that the head is solved on; its time grows in proportion to the images.
SOLVED = 128
# An export traces the network, writes it, and has a fresh process load and run it: so
# many times as long as tracing it once took, measured on EfficientNet-Lite0.
EXPORTS_TRACES = 9


@dataclass(frozen=True)
class Measuring:
    """What is measured on, and how it will be trained.

    Attributes:
        classifier: The network; its weights are left as they are.
        classify: From a batch of pixels to probabilities, as the evaluation calls it.
        manifest: The images with their splits; only training images are read.
        config: What is to be done at most.
    """

    classifier: Classifier
    classify: Callable[[tf.Tensor], np.ndarray]
    manifest: Manifest
    config: Config

    def costs(self) -> Costs:
        """Measures everything; it takes a few seconds."""
        counts = {
            split: len(self.manifest.split(split).rows)
            for split in ("train", "validation", "test")
        }
        plain, decode = self._images(view=batches.PLAIN_VIEW)
        _, augmented = self._images(view=1)
        tracing, forward = _first_and_next(lambda: self.classify(plain), len(plain))
        exported = self.config.export.folder is not None
        converting, features, cuts, starting = self._network(plain)
        return Costs(
            **counts,
            decode=decode,
            augment=max(0.0, augmented - decode),
            features=features,
            forward=forward,
            head=self._head(counts["train"]),
            converting=converting,
            starting=starting,
            # The evaluation calls what is traced already; the features of the images
            # that TensorBoard shows are another network, and so are the page's heat
            # maps.
            finishing=(2 + exported * EXPORTS_TRACES) * tracing,
            cuts=cuts,
        )

    def _images(self, view: int) -> tuple[np.ndarray, float]:
        """Returns the first training images, and the seconds that one took."""
        config = self.config
        rows = self.manifest.split("train").rows[: SAMPLE + DECODED_AT_ONCE]
        data = batches.images(
            self.manifest.with_rows(rows),
            Square.of(config.data, self.classifier.image_size),
            DECODED_AT_ONCE,
            policy=config.augment.policy,
            view=view,
            seed=config.seed,
            flip=config.augment.flip,
        )
        read = batches.read(data)
        # The first batch waits for the graph to be traced.
        found, started = [next(read).numpy()], time.monotonic()
        found += [images.numpy() for images in read]
        later = sum(len(images) for images in found[1:])
        seconds = (time.monotonic() - started) / later if later else 0.0
        return np.concatenate(found), seconds

    def _network(
        self, images: np.ndarray
    ) -> tuple[float, float, tuple[Cut, ...], float]:
        """Measures the frozen part and what trains.

        Returns:
            Seconds to convert the frozen part and of the whole network an image; the
            cuts; seconds before the first epoch.
        """
        backbone, phase = self.classifier.backbone, self.config.fine_tune
        work = _Work.of(backbone)
        end = backbone.last_frozen(phase.unfreeze)
        # From a small part, the time of the whole cannot be told.
        most = work.before(end) > work.whole / 2
        measured = end if most else backbone.last_frozen(0)
        converting, prefix = self._engine(backbone.prefix(measured), images)
        features = prefix * work.whole / work.before(measured)
        if not phase.unfreeze or not phase.epochs:
            return converting, features, (), 0.0
        part = self.classifier.trainable_part(
            phase.unfreeze, train_batch_norm=phase.train_batch_norm
        )
        starting, step, check = self._training(part, phase)
        kept, asked = self.config.cache.store != "none", work.behind(end)
        cuts = []
        for unfreeze, place in candidates(backbone, phase.unfreeze):
            # Behind a last activation there may be nothing that counts.
            share = work.behind(place) / asked if asked else 1.0
            cut = Cut(
                unfreeze=unfreeze,
                prefix=features * work.before(place) / work.whole,
                step=step * share,
                check=check * share,
                streams=place is None or not kept,
            )
            cuts.append(cut)
        return converting, features, tuple(cuts), starting

    def _engine(self, prefix: keras.Model, images: np.ndarray) -> tuple[float, float]:
        """Returns the seconds that making an engine takes, and that an image takes."""
        started = time.monotonic()
        views = self.config.augment.views
        engine = choice.choose(
            prefix,
            images,
            total=views * len(self.manifest.split("train").rows),
            name=self.config.cache.engine,
            folder=Path(self.config.data.cache_dir).expanduser() / stored.FOLDER,
        )
        converting = time.monotonic() - started
        batch = images[: engine.batch_size]
        return converting, _first_and_next(lambda: engine(batch), len(batch))[1]

    def _training(self, part: keras.Model, phase: Phase) -> tuple[float, float, float]:
        """Returns seconds until the first step, of a step and of a check an image."""
        started = time.monotonic()
        quick = products.as_products(part)
        loss = outputs.loss(self.classifier.outputs, phase.label_smoothing)
        quick.compile(optimizers.build(quick, phase, 1), loss)
        size = min(phase.batch_size, len(self.manifest.split("train").rows))
        preparing = time.monotonic() - started
        first_step, step = _of_batches(quick.train_on_batch, quick, size)
        first_check, check = _of_batches(quick.test_on_batch, quick, size)
        # A step holds a check: what took longer was disturbed.
        return preparing + first_step + first_check, step, min(step, check)

    def _head(self, images: int) -> float:
        """Returns the seconds that the head phase takes, its features given."""
        phase, classifier = self.config.head_phase, self.classifier
        if phase.solver == "gradient" or classifier.config.unsolvable:
            starting, step, check = self._training(classifier.trainable_part(0), phase)
            return starting + phase.epochs * images * (step + check)
        size, classes = min(SOLVED, images), len(classifier.class_names)
        width = classifier.trainable_part(0).input.shape[-1]
        random = np.random.default_rng(0)
        features = random.normal(size=(size, width)).astype(np.float32)
        # Not those of some images: a rare class would be missing.
        labels = np.arange(size) % classes
        started, l2 = time.monotonic(), phase.l2
        l2 = l2 or regression.choose_l2(features, labels, balanced=False)
        regression.solve(features, labels, l2, classifier.outputs)
        return (time.monotonic() - started) * images / size


@dataclass(frozen=True)
class _Work:
    """How the multiply-adds of a network lie before and behind its layers."""

    backbone: Backbone
    of_layers: tuple[int, ...]

    @classmethod
    def of(cls, backbone: Backbone) -> "_Work":
        """Counts; where a layer's cannot be counted, all layers count alike."""
        network = backbone.network
        counts: dict[str, int] = defaultdict(int)
        try:
            for row in cost.per_layer(network):
                counts[row.name.split("/")[0]] += row.multiply_adds
        except UsageError:
            counts = defaultdict(lambda: 1)
        names = [operation.name for operation in network.operations]
        return cls(backbone, tuple(counts[name] for name in names))

    @property
    def whole(self) -> int:
        """Of the whole network."""
        return sum(self.of_layers)

    def before(self, end: str | None) -> int:
        """Up to a layer; of `None` there is nothing before."""
        names = [operation.name for operation in self.backbone.network.operations]
        place = names.index(end) + 1 if end else 0
        return sum(self.of_layers[:place])

    def behind(self, end: str | None) -> int:
        """Behind a layer."""
        return self.whole - self.before(end)


def candidates(
    backbone: Backbone, unfreeze: int | float | str
) -> list[tuple[int | float | str, str | None]]:
    """Returns freeze boundaries: the asked one, then half as many blocks, down to one.

    Args:
        backbone: The network.
        unfreeze: The deepest.

    Returns:
        Pairs of `fine_tune.unfreeze` and the layer before it, `None` where nothing is
        frozen.
    """
    blocks = backbone.blocks
    names = [operation.name for operation in backbone.network.operations]
    place = backbone.place_of_cut(unfreeze)
    found = [(unfreeze, backbone.last_frozen(unfreeze))]
    trained = sum(names.index(block.end) >= place for block in blocks) // 2
    while trained:
        end = blocks[-trained - 1].end
        name = blocks[-trained].name
        # A name that stands for several blocks cuts before the first of them.
        unique = backbone.last_frozen(name) == end
        # Half a block less than the share, which is rounded up.
        share = round((trained - 0.5) / len(blocks), 4)
        found.append((name if unique else share, end))
        trained //= 2
    return found


def _first_and_next(work: Callable[[], Any], images: int) -> tuple[float, float]:
    """Returns the seconds of the first call, and of the next ones for each image."""
    times = list(_repeated(work))
    return times[0], statistics.median(times[1:]) / images


def _of_batches(
    work: Callable[..., Any], model: keras.Model, size: int
) -> tuple[float, float]:
    """Returns `_first_and_next` of work on random batches of a model.

    Training cuts a batch that the memory does not hold into pieces; so does this.
    """
    random = np.random.default_rng(0)
    batch = [
        random.random((size, *tensor.shape[1:]), np.float32)
        for tensor in (model.input, model.output)
    ]
    try:
        return _first_and_next(functools.partial(work, *batch), size)
    except OUT_OF_MEMORY:
        if size == 1:
            raise TlKerasError(
                "The memory does not hold 1 image a step: choose a smaller "
                "backbone.image_size or backbone."
            ) from None
    return _of_batches(work, model, size // 2)


def _repeated(work: Callable[[], Any]) -> Iterator[float]:
    """Yields the duration of each call, until there are enough."""
    ends = math.inf
    calls = 0
    while calls < 2 or time.monotonic() < ends:
        started = time.monotonic()
        work()
        yield time.monotonic() - started
        calls += 1
        if calls == 1:
            ends = time.monotonic() + ENOUGH
