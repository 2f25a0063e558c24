"""Trains the same network on one split after another of the same images."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from tl_keras import preparation
from tl_keras.backbones.backbone import Backbone
from tl_keras.config import Config
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.evaluation import predictions
from tl_keras.training import phases, scratch
from tl_keras.training.cache import networks
from tl_keras.training.head import Classifier, attach
from tl_keras.training.history import History
from tl_keras.training.inputs import Inputs
from tl_keras.training.scratch import Network


@dataclass(frozen=True)
class Trainer:
    """Trains on splits as `train` would on each of them alone.

    Attributes:
        config: What is trained and how, the image size settled.
        whole: All images. The frozen part of the network runs on them once.
        backbone: The pretrained one; `None` where a network is trained from random
            weights.
        begun: Its weights before any training.
        drawn: State of Python's random numbers, of which Keras makes its seeds, after
            the backbone was built.
    """

    config: Config
    whole: Manifest
    backbone: Backbone | None
    begun: list[np.ndarray]
    drawn: Any

    @classmethod
    def of(cls, config: Config, whole: Manifest) -> Self:
        """Loads the backbone, from the seed that `train` starts from.

        Raises:
            WeightsError: If the pretrained weights are missing.
            UsageError: If the backbone has no such freeze boundary.
        """
        keras.utils.set_random_seed(config.seed)
        size = preparation.settled(config, whole).backbone.image_size
        config = config.override(backbone={"image_size": size})
        if config.scratch.name:
            return cls(config, whole, None, [], random.getstate())
        backbone = preparation.build(config, whole)
        begun = backbone.network.get_weights()
        return cls(config, whole, backbone, begun, random.getstate())

    @property
    def weights(self) -> str:
        """Returns a digest of the weights before any training; empty of random ones."""
        if self.backbone is None:
            return ""
        return networks.fingerprints(self.backbone)[-1]

    def probabilities(self, manifest: Manifest, folder: Path) -> np.ndarray:
        """Trains on a split, and returns what comes out for its test images.

        Args:
            manifest: Some or all of the images, with their splits.
            folder: For the history, its TensorBoard logs and checkpoints.

        Returns:
            Class probabilities of the test images in their order, float32
            `(images, classes)`.
        """
        config = preparation.settled(self.config, manifest)
        # What was drawn for the split before must not change this one.
        random.setstate(self.drawn)
        if config.scratch.name:
            network = scratch.build(config, self.whole.class_names)
            keras.utils.set_random_seed(config.seed)
            scratch.train(network, manifest, config, History(folder))
            return _of_images(network, manifest, config)
        self.backbone.network.set_weights(self.begun)
        classifier = attach(self.backbone, self.whole.class_names, config.head)
        return self._transferred(classifier, manifest, config, History(folder))

    def _transferred(
        self,
        classifier: Classifier,
        manifest: Manifest,
        config: Config,
        history: History,
    ) -> np.ndarray:
        """Runs the phases, and what trained on the test images."""
        keras.utils.set_random_seed(config.seed)
        history = phases.train_head(
            classifier, manifest, config, history, whole=self.whole
        )
        inputs = Inputs(classifier, manifest, config, self.whole)
        # Before the last stages train: the cache goes by the weights.
        unfreeze = config.fine_tune.unfreeze if phases.fine_tunes(config) else 0
        held_out = inputs.held_out(unfreeze)
        if phases.fine_tunes(config):
            keras.utils.set_random_seed(config.seed)
            phases.fine_tune(classifier, manifest, config, history, whole=self.whole)
        if held_out is None:
            return _of_images(classifier, manifest, config)
        model = classifier.trainable_part(unfreeze)
        classify = predictions.of_batch(model, classifier.outputs)
        batches = held_out.in_order(predictions.BATCH_SIZE)
        return np.concatenate([classify(rows) for rows in batches])


def _of_images(
    classifier: Classifier | Network, manifest: Manifest, config: Config
) -> np.ndarray:
    """Returns the class probabilities of the test images, through all of a network."""
    classify = predictions.of_batch(classifier.model, classifier.outputs)
    square = Square.of(config.data, classifier.image_size)
    return predictions.probabilities(classify, manifest.split("test"), square)
