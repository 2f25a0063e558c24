"""Draws test images of a run with what its export says of them: `docs/predictions.png`.

python scripts/draw_predictions.py runs/demo docs/predictions.png
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

import tl_keras as tl
from tl_keras.datasets.images import decode

ROWS, COLUMNS = 3, 8


def main() -> None:
    """Draws a grid; a wrong answer is red, the true class below it."""
    run, picture = tl.load(sys.argv[1]), Path(sys.argv[2])
    export = tl.load(run.state.export)
    test = run.manifest.split("test")
    chosen = np.random.default_rng(0).permutation(len(test.rows))[: ROWS * COLUMNS]
    paths = [test.paths[place] for place in chosen]
    figure = Figure(figsize=(1.45 * COLUMNS, 1.75 * ROWS), dpi=100)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.9, hspace=0.5)
    for axes, place, guess in zip(
        figure.subplots(ROWS, COLUMNS).flat, chosen, export.predict(paths)
    ):
        axes.imshow(decode(tf.io.read_file(guess.path)).numpy())
        axes.axis("off")
        truth = test.rows[place].label
        right = guess.label == truth
        title = f"{guess.label}\n{guess.probability:.0%}"
        title += "" if right else f", is {truth}"
        axes.set_title(title, fontsize=7, color="black" if right else "crimson")
    picture.parent.mkdir(exist_ok=True)
    figure.savefig(picture)


if __name__ == "__main__":
    main()
