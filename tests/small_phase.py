"""A phase that trains a small network on a few numbers, and dies when it is told to."""

import keras
import numpy as np

from tl_keras.config import Phase
from tl_keras.training import loop
from tl_keras.training.examples import Cached
from tl_keras.training.history import History
from tl_keras.training.keeper import Keeper

PHASE = Phase(epochs=4, batch_size=8, learning_rate=0.1, ema_momentum=0.9, patience=9)


def examples(images, views=1, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    inputs = np.eye(3)[labels] + random.normal(0, 0.3, (views, images, 3))
    return Cached.of(labels, *inputs.astype(np.float16))


def new_model():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((3,))
    x = keras.layers.Dropout(0.2)(keras.layers.Dense(6, "relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def run(
    folder, model, phase=PHASE, train=None, validation=None, history=None, **options
):
    return loop.train(
        model,
        train or examples(30, views=2),
        validation or examples(13, seed=1),
        name="fine_tune",
        phase=phase,
        seed=0,
        history=history or History(folder),
        save_to=folder / "checkpoints" / "fine_tune.npz",
        **options,
    )


def nobody():
    return Cached.of(np.zeros(0, int), np.zeros((0, 3), np.float16))


def uneven(images=40):
    """Two classes, one of them a tenth, that lie half over each other."""
    random = np.random.default_rng(0)
    labels = (np.arange(images) % 10 == 0).astype(int)
    inputs = np.repeat(2.0 * labels[:, np.newaxis], 3, axis=1)
    inputs += random.normal(0, 2, inputs.shape)
    return Cached.of(labels, inputs.astype(np.float32))


def two_classes():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))


class Killed(Exception):
    pass


def stop_at(number):
    """Returns what dies at the start of an epoch."""
    begin = Keeper.on_epoch_begin

    def stop(keeper, epoch, logs=None):
        if epoch == number:
            raise Killed
        begin(keeper, epoch, logs)

    return stop
