"""The recipe of Keras's guide to transfer learning, as a reader would write it.

https://keras.io/guides/transfer_learning/: a frozen base called with `training=False`,
average pooling, dropout of 0.2 and a dense layer; Adam at 1e-3 for 20 epochs, then all
layers at 1e-5 for 10 epochs; batches of 64; `RandomFlip` and `RandomRotation(0.1)`.
With what its readers know besides: decoded images are cached in memory, shuffled in
every epoch, augmented anew, a batch at a time and in parallel, and fetched ahead. (The
guide's own lines cache augmented images, so that every epoch shows the same ones.)
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf
from keras import layers

from tl_keras.backbones import catalogue
from tl_keras.backbones.backbone import Backbone
from tl_keras.backbones.freezing import freeze
from tl_keras.config import FineTune
from tl_keras.datasets import batches
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square

BATCH_SIZE = 64
HEAD_RATE, ALL_RATE = 1e-3, 1e-5
EPOCHS = (20, 10)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What one of the two phases gave.

    Attributes:
        accuracy: On the test images, at its end.
        seconds: Its duration, without that evaluation.
    """

    accuracy: float
    seconds: float


def train(
    name: str,
    weights: str | None,
    square: Square,
    manifest: Manifest,
    *,
    seed: int,
    part: Literal["all", "last"] = "all",
    epochs: tuple[int, int] = EPOCHS,
) -> tuple[Phase, Phase]:
    """Trains by the guide's recipe; returns what each phase gave.

    Args:
        name: Of the backbone in the catalogue.
        weights: As `catalogue.load` takes them.
        square: What images become: the same as for all other ways.
        manifest: Images of the splits `train` and `test`.
        seed: Of all that is random.
        part: What the second phase trains: see `unfreeze`.
        epochs: Of the first and the second phase.
    """
    started = time.monotonic()
    keras.utils.set_random_seed(seed)
    backbone = catalogue.load(name, weights=weights, image_size=square.side)
    model = build(backbone, len(manifest.class_names))
    data = training_data(manifest, square)
    test = _test_data(manifest, square)

    def run(rate: float, total: int, since: float) -> Phase:
        _compile(model, rate)
        model.fit(data, epochs=total, shuffle=False, verbose=0)
        seconds = time.monotonic() - since
        return Phase(accuracy=model.evaluate(test, verbose=0)[1], seconds=seconds)

    first = run(HEAD_RATE, epochs[0], started)
    started = time.monotonic()
    UNFREEZE[part](backbone.network)
    return first, run(ALL_RATE, epochs[1], started)


def build(backbone: Backbone, classes: int) -> keras.Model:
    """Puts the guide's head on a frozen backbone."""
    base = backbone.network
    base.trainable = False
    inputs = backbone.inputs()
    x = base(backbone.preprocess(inputs), training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(classes)(x))


def all_layers(network: keras.Model) -> None:
    """Unfreezes the base with the guide's one line.

    In Keras 3.15 batch normalization then trains, against the guide's word: `fit`
    overrides the `training=False` of the call (keras#20285).
    """
    network.trainable = True


def last_stage(network: keras.Model) -> None:
    """Unfreezes what our defaults do, layer by layer, without batch normalization.

    The guide's text keeps that in inference mode: "set `layer.trainable = False` on
    those layers specifically".
    """
    freeze(network, FineTune().unfreeze)


UNFREEZE: dict[str, Callable[[keras.Model], None]] = {
    "all": all_layers,
    "last": last_stage,
}


def _compile(model: keras.Model, rate: float) -> None:
    """Compiles as the guide does, for any number of classes."""
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def training_data(manifest: Manifest, square: Square) -> tf.data.Dataset:
    """Gives the training images in another order, and other views, in each epoch."""
    chosen = manifest.split("train")
    augmentation = [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)]

    def augment(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.cast(images, tf.float32)
        for layer in augmentation:
            images = layer(images)
        return images, labels

    images = batches.images(chosen, square, BATCH_SIZE).unbatch()
    labels = tf.data.Dataset.from_tensor_slices(chosen.labels(manifest.class_names))
    # Taken apart, a data set has lost its length, which Keras wants to know.
    total = len(chosen.rows)
    images = images.apply(tf.data.experimental.assert_cardinality(total))
    data = tf.data.Dataset.zip(images, labels).cache().shuffle(total)
    data = data.batch(BATCH_SIZE).map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return data.prefetch(tf.data.AUTOTUNE)


def _test_data(manifest: Manifest, square: Square) -> tf.data.Dataset:
    """Gives the test images in order, decoded once."""
    chosen = manifest.split("test")
    images = batches.images(chosen, square, BATCH_SIZE)
    labels = tf.data.Dataset.from_tensor_slices(chosen.labels(manifest.class_names))
    data = tf.data.Dataset.zip(images, labels.batch(BATCH_SIZE))
    return data.map(lambda x, y: (tf.cast(x, tf.float32), y)).cache()
