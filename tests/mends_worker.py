"""Trains in one of two processes without one mend, then without the other.

python mends_worker.py FOLDER
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras.src.backend.tensorflow import trainer

from tl_keras.training.distribution import joining, mends


def fails(strategy):
    """Tells whether Keras's `fit` refuses to train."""
    with strategy.scope():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile("sgd", "mse")
    try:
        model.fit(np.ones((4, 3)), np.ones((4, 2)), batch_size=4, verbose=0)
    except ValueError:
        return "fails"
    return "trains"


def main(folder: Path) -> None:
    with joining.join("multi-worker") as team:
        build, reduce = trainer.TensorFlowTrainer, trainer.reduce_per_replica
        with mends.mended(team.strategy):
            mended = build._maybe_symbolic_build
            assert fails(team.strategy) == "trains"
        original = build._maybe_symbolic_build
        with mends.mended(team.strategy):
            build._maybe_symbolic_build = original
            found = [f"_maybe_symbolic_build: {fails(team.strategy)}"]
            build._maybe_symbolic_build = mended
            trainer.reduce_per_replica = reduce
            found += [f"reduce_per_replica: {fails(team.strategy)}"]
        if team.is_chief:
            Path(folder, "found.txt").write_text("\n".join(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
