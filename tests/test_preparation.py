"""What is settled before training: the usual recipe for a number of images."""

import dataclasses

import pytest

from tl_keras import preparation
from tl_keras.config import Config


def of(manifest, images):
    """Returns a manifest with a number of training images."""
    row = dataclasses.replace(manifest.rows[0], split="train")
    return manifest.with_rows((row,) * images)


@pytest.mark.parametrize(
    ("images", "epochs", "views"),
    [(10, 16, 4), (1_000, 16, 4), (1_400, 11, 3), (4_000, 4, 2), (10**6, 4, 2)],
)
def test_more_images_are_seen_less_often(manifest, images, epochs, views):
    config = Config().override(backbone={"image_size": 32})
    found = preparation.settled(config, of(manifest, images))
    assert (found.fine_tune.epochs, found.augment.views) == (epochs, views)


def test_what_the_user_sets_stays(manifest):
    chosen = {"fine_tune": {"epochs": 0}, "augment": {"views": 7}}
    config = Config().override(backbone={"image_size": 32}, **chosen)
    assert preparation.settled(config, of(manifest, 4_000)) == config
