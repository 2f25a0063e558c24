"""The linear head as a logistic regression: solved at once, its penalty chosen."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from tl_keras.progress import say
from tl_keras.training import outputs

TINY = 1e-12
FOLDS = 3
# From the strongest on: each solution is where the search for the next one starts.
STRENGTHS = (10_000.0, 1_000.0, 100.0, 10.0)
USUAL = 100.0
# L-BFGS goes back and forth between the products of NumPy's BLAS and the short vectors
# of SciPy's: each library's idle threads spin and take the cores from the other's. With
# two threads 4,000 images cost 20 times the processor time that they cost with one.
ONE_THREAD = threadpool_limits.wrap(limits=1, user_api="blas")


@ONE_THREAD
def solve(
    features: np.ndarray,
    labels: np.ndarray,
    l2: float,
    kind: str,
    *,
    balanced: bool = False,
) -> list[np.ndarray]:
    """Solves the head as a logistic regression by L-BFGS.

    The problem is convex: this is the best linear head on these features, in a
    second, with no learning rate to choose.

    Args:
        features: Pooled features, `(images, channels)`.
        labels: Class indices, `(images,)`; every class occurs.
        l2: Strength of the penalty on the weights, on standardised features.
        kind: What the logits stand for: `multi_class` or `binary`.
        balanced: Whether every class weighs the same, whatever its size.

    Returns:
        Kernel `(channels, logits)` and bias `(logits,)` for the features as they are,
        the standardisation folded in.
    """
    mean, deviation = _scale(features)
    solver = LogisticRegression(
        C=1 / l2, max_iter=1000, class_weight=_weights(balanced)
    )
    solver.fit((features - mean) / deviation, labels)
    weights, bias = solver.coef_, solver.intercept_
    if len(weights) == 1 and kind != outputs.BINARY:
        # Of two classes scikit-learn gives the difference of the logits.
        weights = np.concatenate([-weights, weights]) / 2
        bias = np.concatenate([-bias, bias]) / 2
    kernel = weights.T / deviation[:, np.newaxis]
    return [kernel.astype(np.float32), (bias - mean @ kernel).astype(np.float32)]


@ONE_THREAD
def choose_l2(
    features: np.ndarray, labels: np.ndarray, *, balanced: bool = False
) -> float:
    """Returns the penalty under which the regression predicts held-out images best.

    By stratified cross-validation over `STRENGTHS`, and said on the screen.

    Args:
        features: Pooled features, `(images, channels)`.
        labels: Class indices, `(images,)`; every class occurs.
        balanced: Whether every class weighs the same, whatever its size: in the
            solutions and in the loss of the held-out images.
    """
    fewest = int(np.bincount(labels).min())
    if fewest < FOLDS:
        say(
            f"head_phase.l2 is {USUAL:g}: a class has {fewest} images to train on, and "
            f"cross-validation needs {FOLDS}"
        )
        return USUAL
    losses = np.zeros(len(STRENGTHS))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    mean, deviation = _scale(features)
    scaled = (features - mean) / deviation
    for fit, held_out in folds.split(scaled, labels):
        solver = LogisticRegression(
            max_iter=1000, warm_start=True, class_weight=_weights(balanced)
        )
        truth = labels[held_out]
        weights = compute_sample_weight("balanced", truth) if balanced else None
        for place, l2 in enumerate(STRENGTHS):
            solver.set_params(C=1 / l2).fit(scaled[fit], labels[fit])
            found = solver.predict_proba(scaled[held_out]).astype(float)
            # In float32 a row's sum misses 1 by more than scikit-learn accepts.
            found /= found.sum(axis=1, keepdims=True)
            loss = log_loss(truth, found, sample_weight=weights)
            losses[place] += loss / FOLDS
    best = STRENGTHS[losses.argmin()]
    say(f"head_phase.l2 is {best:g}, by cross-validation on {len(labels)} images")
    return best


def _weights(balanced: bool) -> str | None:
    """Returns scikit-learn's word for weights that make every class weigh the same."""
    return "balanced" if balanced else None


def _scale(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the deviation that standardise each feature."""
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    # A feature that hardly varies here must not come out magnified a thousand times.
    return mean, np.maximum(deviation, max(0.1 * deviation.mean(), TINY))
