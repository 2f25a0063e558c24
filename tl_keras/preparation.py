"""What is done before training: images found, checked and dealt, the config settled."""

import dataclasses
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tl_keras.architectures.names import ARCHITECTURES
from tl_keras.backbones import catalogue
from tl_keras.backbones.backbone import Backbone
from tl_keras.config import Config
from tl_keras.datasets import augmentation, sources, split
from tl_keras.datasets.checking import check as checking
from tl_keras.datasets.checking.findings import Findings
from tl_keras.datasets.manifest import LABEL_SEPARATOR, Manifest
from tl_keras.datasets.sources.finding import Source, title
from tl_keras.errors import UsageError
from tl_keras.progress import say
from tl_keras.registry import lookup
from tl_keras.training import heads, memory, progressive, scratch
from tl_keras.training.outputs import MULTI_LABEL
from tl_keras.training.scratch import Network

# The usual recipe, chosen on 1,400 images (see "How good, how fast" in the README).
SMALL_SET, MOST_EPOCHS, EPOCHS_A_VIEW = 1000, 16, 4
LEAST_EPOCHS, LEAST_VIEWS = 4, 2


def prepare(source: Source, config: Config) -> tuple[Config, Manifest]:
    """Finds, checks and deals out the images, and settles what the config leaves open.

    Args:
        source: See `datasets.sources.find`.
        config: What is to be trained and how.

    Returns:
        The config with the classes' order and the image size, and the images with
        their splits.

    Raises:
        UsageError: If the config names what there is not.
        DataError: If the images cannot be trained on.
        WeightsError: If the pretrained weights are missing.
    """
    config, manifest = checked(source, config)
    manifest = split.deal(manifest, config.data)
    return settled(config, manifest), manifest


def checked(source: Source, config: Config) -> tuple[Config, Manifest]:
    """Finds and checks the images; none is dealt out yet.

    Args:
        source: See `datasets.sources.find`.
        config: What is to be trained and how.

    Returns:
        The config with the classes' order, and the images that can be used.

    Raises:
        UsageError: If the config names what there is not.
        DataError: If the images cannot be trained on.
        WeightsError: If the pretrained weights are missing.
    """
    manifest = _for_head(sources.find(source, config.data), config)
    sources.require_two_classes(manifest)
    # The order of the logits is a part of what a run has to remember.
    config = config.override(data={"classes": manifest.classes})
    _refuse_unknown(config, len(manifest.class_names))
    findings = checking.check(manifest, config.data)
    checking.tell(findings)
    return config, findings.usable()


def prepare_tensorflow(config: Config) -> None:
    """Sets seeds and memory, before both exact repetition where it is asked for."""
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    memory.keep_freed()


def build(config: Config, manifest: Manifest) -> Backbone | Network:
    """Loads the backbone, and refuses a freeze boundary that it does not have.

    Where the network is trained from random weights, builds that.
    """
    if config.scratch.name:
        return scratch.build(config, manifest.class_names)
    chosen = config.backbone
    backbone = catalogue.load(
        chosen.name, weights=chosen.weights, image_size=chosen.image_size
    )
    backbone.last_frozen(config.fine_tune.unfreeze)
    progressive.require(backbone, config)
    return backbone


def check(source: Source, **data: Any) -> Findings:
    """Checks the images of a source as training does before it starts.

    Args:
        source: See `datasets.sources.find`.
        **data: Fields of the config's section `data`, such as `bad_files="skip"`.

    Returns:
        What was found out: `.problems`, `.copies`, `.look_alikes`, `.conflicts`, and
        `.usable()`, the images that can be trained on.

    Raises:
        UsageError: If there is no such source or setting.
        DataError: If the source holds no images.
    """
    chosen = Config().override(data=data).data
    return checking.check(sources.find(source, chosen), chosen)


def default_name(source: Source) -> str:
    """Returns a run's name that no other has."""
    path = Path(title(source)).resolve()
    name = path.stem if path.is_file() else path.name
    # A data set's name holds colons, which are none of a folder's on Windows.
    stem = re.sub(r"[:*]+", "-", name) or "run"
    return f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"


def settled(config: Config, manifest: Manifest) -> Config:
    """Settles what the config leaves open and the images decide.

    Args:
        config: What is to be trained and how.
        manifest: The images with their splits.

    Returns:
        The config with the side of the images, the epochs of fine-tuning and the
        views of an image.
    """
    images = len(manifest.split("train").rows)
    epochs, views = config.fine_tune.epochs, config.augment.views
    return _with_image_size(config, manifest).override(
        fine_tune={"epochs": usual_epochs(images) if epochs is None else epochs},
        augment={"views": usual_views(images) if views is None else views},
    )


def usual_epochs(images: int) -> int:
    """Returns the epochs of fine-tuning for a number of training images.

    From 1,000 to 4,000 images they show as many in all.
    """
    epochs = round(MOST_EPOCHS * SMALL_SET / max(1, images))
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, epochs))


def usual_views(images: int) -> int:
    """Returns the views of each image, in proportion to the epochs that show them."""
    return max(LEAST_VIEWS, round(usual_epochs(images) / EPOCHS_A_VIEW))


def _with_image_size(config: Config, manifest: Manifest) -> Config:
    """Settles the side of the images, if the config leaves it open."""
    if config.backbone.image_size is not None:
        return config
    if config.scratch.name:
        size = ARCHITECTURES[config.scratch.name].image_size
        return config.override(backbone={"image_size": size})
    widths = [row.width for row in manifest.rows]
    heights = [row.height for row in manifest.rows]
    size = catalogue.image_size_for(config.backbone.name, widths, heights)
    say(f"Images are resized to {size}x{size} (backbone.image_size changes that)")
    return config.override(backbone={"image_size": size})


def _for_head(manifest: Manifest, config: Config) -> Manifest:
    """Returns the manifest with one label an image or several, as the head gives.

    Raises:
        UsageError: If images have several labels and the network gives one.
    """
    several = config.head.outputs == MULTI_LABEL
    if manifest.multi_label and not several:
        raise UsageError(
            f"{manifest.root} has images with several labels: `head.outputs` must be "
            f"multi_label. Received: {config.head.outputs!r}"
        )
    split = [name for name in manifest.class_names if LABEL_SEPARATOR in name]
    if several and not manifest.multi_label and split:
        raise UsageError(
            f"With head.outputs = multi_label a class must have no {LABEL_SEPARATOR!r} "
            f"in its name, which joins several. Received: {split[0]!r}"
        )
    if several and config.scratch.name:
        raise UsageError(
            f"`head.outputs` must be multi_class for a whole network from random "
            f"weights, which ends in one class an image. Received: {MULTI_LABEL!r}"
        )
    return dataclasses.replace(manifest, multi_label=several)


def _refuse_unknown(config: Config, classes: int) -> None:
    """Finds wrong names and missing weights before any long work."""
    augmentation.policy(config.augment.policy)
    if config.scratch.name:
        lookup(ARCHITECTURES, config.scratch.name, "architecture")
        return
    heads.require_classes(config.head, classes)
    chosen = config.backbone
    catalogue.require_size(chosen.name, chosen.image_size)
    catalogue.find_weights(chosen.name, chosen.weights)
