"""What a model is fed with: the order of the images, their views and weights."""

import dataclasses

import numpy as np
import pytest
from small_phase import PHASE, new_model, two_classes, uneven

from tl_keras.training import feeding
from tl_keras.training.distribution.sharing import Share
from tl_keras.training.examples import Cached
from tl_keras.training.feeding import Plan


def epoch_of(train, start, steps=3, batch_size=10):
    data = feeding.epochs(train, new_model(), Plan(PHASE, batch_size, steps, 0), start)
    return [inputs.numpy() for inputs, _ in data.take(steps)]


def numbered(images, views=1):
    labels = np.arange(images) % 3
    inputs = np.arange(images)[np.newaxis, :, np.newaxis] + np.zeros((views, 1, 3))
    inputs += 0.25 * np.arange(views)[:, np.newaxis, np.newaxis]
    return Cached.of(labels, *inputs.astype(np.float32))


def test_every_epoch_takes_each_image_once():
    seen = np.concatenate(epoch_of(numbered(30), start=0))[:, 0]
    np.testing.assert_array_equal(np.sort(seen), np.arange(30))


def test_order_of_an_epoch_depends_on_its_number_alone():
    both = feeding.epochs(numbered(30), new_model(), Plan(PHASE, 10, 3, 0), 0)
    second = [inputs.numpy() for inputs, _ in both.take(6)][3:]
    np.testing.assert_array_equal(epoch_of(numbered(30), start=1), second)


def test_two_epochs_have_two_orders():
    first, second = epoch_of(numbered(30), start=0), epoch_of(numbered(30), start=1)
    assert not np.array_equal(first, second)


def test_views_are_mixed_within_an_epoch():
    seen = np.concatenate(epoch_of(numbered(30, views=2), start=0))[:, 0]
    assert {0.0, 0.25} == set(seen % 1)


def test_validation_takes_the_last_partial_batch():
    images = feeding.PREDICT_BATCH_SIZE + 1
    data = feeding.in_order(numbered(images), new_model())
    sizes = [len(inputs) for inputs, _ in data]
    assert sizes == [feeding.PREDICT_BATCH_SIZE, 1]


def drawn(balance, steps=4, batch_size=10, start=0, **changes):
    phase = dataclasses.replace(PHASE, **changes)
    model = two_classes()
    plan = Plan(phase, batch_size, steps, 0, balance)
    data = feeding.epochs(uneven(), model, plan, start)
    return [[part.numpy() for part in batch] for batch in data.take(steps)]


def test_nothing_is_weighed_where_nothing_is_asked_for():
    assert all(len(batch) == 2 for batch in drawn("none"))


def test_weights_of_an_epoch_are_the_same_for_both_classes():
    batches = drawn("weights")
    targets = np.concatenate([batch[1] for batch in batches])
    weights = np.concatenate([batch[2] for batch in batches])
    np.testing.assert_allclose(weights @ targets, [20, 20], rtol=1e-5)


def test_weighing_takes_each_image_once():
    inputs = np.concatenate([batch[0] for batch in drawn("weights")])
    assert len(np.unique(inputs, axis=0)) == 40


def test_sampling_draws_both_classes_equally_often():
    targets = np.concatenate([batch[1] for batch in drawn("sampling")])
    assert targets.sum(axis=0).tolist() == [20, 20]


def test_sampled_epoch_depends_on_its_number_alone():
    model = two_classes()
    both = feeding.epochs(uneven(), model, Plan(PHASE, 10, 4, 0, "sampling"), 0)
    second = [batch[0].numpy() for batch in both.take(8)][4:]
    again = [batch[0] for batch in drawn("sampling", start=1)]
    np.testing.assert_array_equal(again, second)


def test_no_epoch_waits_for_the_tuner_of_tf_data():
    plan = Plan(PHASE, 10, 3, 0)
    for data in (
        feeding.epochs(numbered(30), new_model(), plan, 0),
        feeding.in_order(numbered(30), new_model()),
    ):
        assert data.options().autotune.enabled is False


def joined(images, replicas, size, **changes):
    """Returns an epoch as replicas get it, put together again, and their weights."""
    plan = Plan(dataclasses.replace(PHASE, **changes), size, images // size, 0)
    parts = [
        feeding.epochs(
            numbered(images, views=2), new_model(), plan, 0, Share(replicas, first, 1)
        ).take(plan.steps)
        for first in range(replicas)
    ]
    steps = zip(*(part.as_numpy_iterator() for part in parts))
    rows = [[np.concatenate(part) for part in zip(*step)] for step in steps]
    return [np.concatenate(part) for part in zip(*rows)]


@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.4}])
@pytest.mark.parametrize("replicas", [2, 3])
def test_replicas_get_the_rows_of_the_whole_batch(replicas, mixing):
    phase = dataclasses.replace(PHASE, **mixing)
    plan, train = Plan(phase, 10, 3, 0), numbered(30, views=2)
    whole = list(feeding.epochs(train, new_model(), plan, 0).take(3))
    inputs, targets, weights = joined(30, replicas, 10, **mixing)
    counts = weights > 0
    expected = np.concatenate([part.numpy() for part, _ in whole])
    np.testing.assert_array_equal(inputs[counts], expected)
    expected = np.concatenate([part.numpy() for _, part in whole])
    np.testing.assert_array_equal(targets[counts], expected)


def test_process_reads_only_what_its_rows_need(monkeypatch):
    asked = []
    drawn = Cached.drawn
    monkeypatch.setattr(
        Cached,
        "drawn",
        lambda self, places, *more: (
            asked.append(len(places)) or drawn(self, places, *more)
        ),
    )
    joined(30, 5, 10, mixup=0.0)
    # Two rows of each of three batches, in each process.
    assert set(asked) == {6}
    asked.clear()
    joined(30, 5, 10, mixup=0.4)
    # With at most one other a row.
    assert all(6 < amount <= 12 for amount in asked)


@pytest.mark.parametrize("images", [1, 63, 130])
def test_replicas_see_all_validation_images_once(images):
    parts, steps = [], feeding.shared_steps(images, Share(3, 0, 1))
    for first in range(3):
        share = Share(3, first, 1)
        data = feeding.in_shares(numbered(images), new_model(), share).take(steps)
        parts += list(data.as_numpy_iterator())
    weights = np.concatenate([weights for *_, weights in parts])
    seen = np.concatenate([inputs[:, 0] for inputs, *_ in parts])
    assert sorted(seen[weights > 0]) == list(range(images))
    # The mean over all rows is that over the images.
    assert (seen * weights).mean() == pytest.approx(np.arange(images).mean())
