"""How good a classifier is: a run on its test images, or any model on other ones."""

import dataclasses
from typing import Any

import numpy as np

from tl_keras.datasets import sources
from tl_keras.datasets.checking import check
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.sources.finding import Source
from tl_keras.evaluation import (
    abstention,
    calibration,
    metrics,
    multi_label,
    plots,
    predictions,
    soundness,
    views,
)
from tl_keras.evaluation.decision import UNDECIDED, Decision
from tl_keras.export.loaded import Export
from tl_keras.files import write_json
from tl_keras.progress import say
from tl_keras.run import METRICS, Run
from tl_keras.sections import Data, Evaluation
from tl_keras.training import outputs
from tl_keras.training.outputs import MULTI_LABEL

CONFUSION_MATRIX, PREDICTIONS = "confusion_matrix.png", "predictions.csv"
RELIABILITY, ABSTENTION = "reliability.png", "abstention.png"


def assess(run: Run) -> None:
    """Evaluates a run on its test images, for the first and only time.

    Before that, fits the temperature and the threshold that the config asks for on the
    validation images (`decision.json`). Writes `metrics.json`, `predictions.csv` and
    pictures: the confusion matrix, the reliability diagram, coverage and accuracy.
    """
    asked = run.config.evaluation
    doubts = []
    if asked != Evaluation():
        decision, doubts = decide(run)
        run.decide(decision)
    for doubt in doubts:
        say(f"warning: {doubt}")
    test = run.manifest.split("test")
    predicted = run.probabilities(test)
    found = figures(test, predicted, run.class_names, run.decision)
    found["warnings"] = [*doubts, *found["warnings"]]
    predictions.save(run.folder / PREDICTIONS, test, predicted, run.class_names)
    if "confusion_matrix" in found:
        picture = run.folder / CONFUSION_MATRIX
        plots.confusion_matrix(found, run.class_names, picture)
    plots.reliability(found, run.folder / RELIABILITY)
    plots.coverage(found, run.folder / ABSTENTION)
    write_json(run.folder / METRICS, found)


def decide(run: Run) -> tuple[Decision, list[str]]:
    """Fits the temperature, then the threshold, on a run's validation images.

    Returns:
        What `run.config.evaluation` asks for, and warnings of what could not be had:
        then the probabilities stay as they are, or every image is known.
    """
    asked, kind = run.config.evaluation, run.outputs
    least = asked.min_confidence
    validation = run.manifest.split("validation")
    fitted = asked.calibrate or asked.target_accuracy is not None
    if not fitted or not validation.rows:
        missing = ["There are no validation images: nothing was fitted on them."]
        return Decision(threshold=least), missing if fitted else []
    logits = run.logits(validation).astype(float)
    targets = validation.targets(run.class_names)
    temperature, doubts = 1.0, []
    if asked.calibrate:
        temperature, doubts = calibration.fit(logits, targets, kind)
    if asked.target_accuracy is None:
        return Decision(temperature=temperature, threshold=least), doubts
    found = np.asarray(outputs.probabilities(logits / temperature, kind))
    threshold, more = abstention.fit(
        found,
        targets,
        run.class_names,
        target=asked.target_accuracy,
        per_class=asked.per_class,
        kind=kind,
    )
    return Decision(temperature=temperature, threshold=threshold), doubts + more


def evaluate(
    model: Run | Export, source: Source, *, bad_files: str = "error", tta: str = "none"
) -> dict[str, Any]:
    """Evaluates a run or an export on all images of a source.

    Args:
        model: What to evaluate.
        source: What `train` takes.
        bad_files: `error` refuses files that cannot be used as they are, `skip`
            leaves them out, `convert` makes PNGs of those that Pillow reads.
        tta: Test-time augmentation: `none`, `flips` or `ten_crop`, see
            `evaluation.views`. The last two mirror images.

    Returns:
        The figures, as `metrics.compute` gives them; with test-time augmentation
        they are of its predictions, and `tta` says what it gained and cost.

    Raises:
        UsageError: If `tta` is unknown, or nothing is trained in the run yet.
        DataError: If a file is bad or of a class that the model does not know, or
            there is none.
    """
    views.named(tta)
    if isinstance(model, Run):
        model.require_trained()
    data = judging(model, bad_files)
    findings = check.check(sources.find(source, data, training=False), data)
    check.tell(findings)
    several = model.outputs == MULTI_LABEL
    manifest = dataclasses.replace(findings.usable(), multi_label=several)
    # Before the long work: it refuses classes that the model does not know.
    targets, names = manifest.targets(model.class_names), model.class_names
    if tta == views.NONE:
        predicted = model.probabilities(manifest)
        return figures(manifest, predicted, names, model.decision)
    classify = model.classify if isinstance(model, Run) else model.pixels
    compared = views.compare(classify, manifest, model.square, tta)
    found = figures(manifest, compared.averaged, names, model.decision)
    gained = views.gain(compared, targets)
    return {**found, "tta": {**gained, "doubt": _doubt(model)}}


def _doubt(model: Run | Export) -> str | None:
    """Returns why mirrored images may mean something else to a model."""
    if not isinstance(model, Run) or model.config.augment.flip:
        return None
    return (
        "It was trained with augment.flip = false, as where mirrored images mean "
        "something else; these views mirror them."
    )


def judging(model: Run | Export, bad_files: str) -> Data:
    """Returns what images are judged by that are evaluated, not trained on.

    Where a run's files lie and what it accepts; all splits count alike, so that a
    picture may be in two of them.

    Args:
        model: What is evaluated.
        bad_files: See `evaluate`.
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
    manifest: Manifest,
    predicted: np.ndarray,
    class_names: tuple[str, ...],
    decision: Decision = UNDECIDED,
) -> dict[str, Any]:
    """Returns the figures of the predictions of a manifest's images.

    Args:
        manifest: The images.
        predicted: Their class probabilities, with the decision's temperature in them.
        class_names: In the order of the probabilities.
        decision: By which an image is known or not.
    """
    compute = multi_label.compute if manifest.multi_label else metrics.compute
    targets = manifest.targets(class_names)
    return compute(targets, predicted, class_names, decision=decision)


def right(
    manifest: Manifest, predicted: np.ndarray, class_names: tuple[str, ...]
) -> np.ndarray:
    """Tells of each image whether all that is said of it is right.

    Args:
        manifest: The images.
        predicted: Their class probabilities.
        class_names: In the order of the probabilities.

    Returns:
        bool `(images,)`.

    Raises:
        DataError: If the probabilities are none: the highest of NaN is no answer.
    """
    targets = manifest.targets(class_names)
    if manifest.multi_label:
        truth, found = soundness.any_classes(targets, predicted, class_names)
        return ((found > multi_label.THRESHOLD) == truth).all(axis=1)
    labels, _ = soundness.one_class(targets, predicted, class_names)
    return np.asarray(predicted).argmax(axis=1) == labels
