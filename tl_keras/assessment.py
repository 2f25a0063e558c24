"""How good a classifier is: a run on its test images, or any model on other ones."""

import dataclasses
from typing import Any

import numpy as np

from tl_keras.datasets import sources
from tl_keras.datasets.checking import check
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.sources.finding import Source
from tl_keras.evaluation import metrics, multi_label, plots, predictions
from tl_keras.export.loaded import Export
from tl_keras.files import write_json
from tl_keras.run import METRICS, Run
from tl_keras.sections import Data
from tl_keras.training.outputs import MULTI_LABEL

CONFUSION_MATRIX, PREDICTIONS = "confusion_matrix.png", "predictions.csv"


def assess(run: Run) -> None:
    """Evaluates a run on its test images, for the first and only time.

    Writes `metrics.json`, `predictions.csv` and the confusion matrix.
    """
    test = run.manifest.split("test")
    predicted = run.probabilities(test)
    found = figures(test, predicted, run.class_names)
    predictions.save(run.folder / PREDICTIONS, test, predicted, run.class_names)
    if "confusion_matrix" in found:
        picture = run.folder / CONFUSION_MATRIX
        plots.confusion_matrix(found, run.class_names, picture)
    write_json(run.folder / METRICS, found)


def evaluate(
    model: Run | Export, source: Source, *, bad_files: str = "error"
) -> dict[str, Any]:
    """Evaluates a run or an export on all images of a source.

    Args:
        model: What to evaluate.
        source: What `train` takes.
        bad_files: `error` refuses files that cannot be used as they are, `skip`
            leaves them out, `convert` makes PNGs of those that Pillow reads.

    Returns:
        The figures, as `metrics.compute` gives them.

    Raises:
        DataError: If a file is bad, or of a class that the model does not know.
    """
    data = _judging(model, bad_files)
    findings = check.check(sources.find(source, data, training=False), data)
    check.tell(findings)
    several = model.outputs == MULTI_LABEL
    manifest = dataclasses.replace(findings.usable(), multi_label=several)
    return figures(manifest, model.probabilities(manifest), model.class_names)


def _judging(model: Run | Export, bad_files: str) -> Data:
    """Returns what images are judged by that are evaluated, not trained on.

    Where a run's files lie and what it accepts; all splits count alike, so that a
    picture may be in two of them.
    """
    data = model.config.data if isinstance(model, Run) else Data()
    return Data(
        bad_files=bad_files,
        problems={**data.problems, "leak": "warn"},
        background=model.background,
        near_duplicates=False,
        data_dir=data.data_dir,
        cache_dir=data.cache_dir,
    )


def figures(
    manifest: Manifest, predicted: np.ndarray, class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Returns the figures of the predictions of a manifest's images."""
    compute = multi_label.compute if manifest.multi_label else metrics.compute
    return compute(manifest.targets(class_names), predicted, class_names)
