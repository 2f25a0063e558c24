"""Images of TensorFlow Datasets: a data set by its name, or a folder that holds one."""

import importlib
import logging
import os
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.sources import stored
from tl_keras.datasets.sources.given import standard_name
from tl_keras.datasets.sources.stored import Picture
from tl_keras.errors import DataError, UsageError
from tl_keras.progress import say
from tl_keras.sections import Data

PREFIX = "tfds:"
INFO_FILE = "dataset_info.json"
CATALOGUE_HOST = "www.tensorflow.org"
# Data sets mark what has no label so.
NO_LABEL = -1


def fits(source: Any) -> bool:
    """Tells whether the source is `tfds:…`, or a folder that TFDS has prepared."""
    return str(source).startswith(PREFIX) or _is_prepared(str(source))


def read(source: str | os.PathLike, data: Data) -> Manifest:
    """Lists the images of a data set; they are written as files once, not re-encoded.

    Its splits are kept. Images of splits with other names than `given.SPLIT_NAMES`
    become training images; images without a label are left out.

    Args:
        source: `tfds:NAME`, with a config and version behind it if wanted
            (`tfds:NAME/CONFIG:1.0.0`), `tfds:FOLDER`, or a folder with `INFO_FILE`.
        data: `data_dir` is where TFDS keeps its files, `cache_dir` where ours go.

    Raises:
        UsageError: If there is no such data set.
        DataError: If it is not prepared and cannot be downloaded, or is no
            classification of images.
    """
    # Ours shows the way.
    _library().disable_progress_bar()
    builder = _builder(str(source).removeprefix(PREFIX), data)
    image, label = _keys(builder)
    info = builder.info
    name = stored.digest("tfds", info.full_name, *_state(builder))
    unknown = [split for split in info.splits if standard_name(split) is None]
    if unknown:
        say(f"{info.full_name}: {', '.join(unknown)} is taken for training")
    total = sum(split.num_examples for split in info.splits.values())
    return stored.once(name, data, lambda: _pictures(builder, image, label), total)


def _library() -> ModuleType:
    """Imports TFDS, and with it TensorFlow: seconds that other sources do not need."""
    return importlib.import_module("tensorflow_datasets")


def _is_prepared(path: str) -> bool:
    """Tells whether a path is a folder that TFDS has prepared."""
    return Path(path, INFO_FILE).is_file()


def _builder(name: str, data: Data) -> Any:
    """Returns the builder of a data set that is on disk."""
    folder, tfds = os.path.expanduser(name), _library()
    try:
        if os.path.isdir(folder):
            return tfds.builder_from_directory(folder)
        builder = tfds.builder(name, data_dir=data.data_dir)
        if not builder.is_prepared():
            _download(builder)
    except tfds.core.registered.DatasetNotFoundError:
        raise UsageError(
            f"TensorFlow Datasets knows no data set {name!r}, and there is none in "
            f"{data.data_dir or 'its folder'} (data.data_dir)."
        ) from None
    except (DataError, UsageError):
        raise
    # TFDS lets through what its data sets and the network raise: anything.
    except Exception as error:
        raise DataError(
            f"The data set {name!r} cannot be read: {_first_line(error)}"
        ) from None
    return builder


def _download(builder: Any) -> None:
    """Has a data set downloaded and prepared by TFDS."""
    name, folder = builder.info.full_name, builder.data_dir_root
    cure = (
        f"On a machine with a network run "
        f"`tfds build {builder.name} --data_dir DIR`, copy DIR here and give it as "
        f"data.data_dir"
    )
    if not _online():
        raise DataError(
            f"The data set {name!r} is not in {folder}, and there is no network to "
            f"download it. {cure}."
        )
    say(f"Downloading {name} to {folder}")
    # A line for each of dozens of attempts.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise DataError(
            f"The data set {name!r} cannot be downloaded: {_first_line(error)} {cure}."
        ) from None


def _online() -> bool:
    """Tells whether a download can start: TFDS itself tries for many minutes."""
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo(CATALOGUE_HOST, 443)
    except OSError:
        return False
    return True


def _keys(builder: Any) -> tuple[str, str]:
    """Returns the names of the image and the label among the features."""
    features = dict(builder.info.features)
    kinds = _library().features
    wanted = (kinds.Image, kinds.ClassLabel)
    found = [
        [key for key, feature in features.items() if isinstance(feature, kind)]
        for kind in wanted
    ]
    supervised = builder.info.supervised_keys or ()
    keys = [
        next((key for key in supervised if key in names), names[0] if names else None)
        for names in found
    ]
    if None in keys:
        listed = ", ".join(f"{k} ({type(f).__name__})" for k, f in features.items())
        raise DataError(
            f"The data set {builder.info.full_name!r} is no classification of images: "
            f"an Image and a ClassLabel are needed. It holds: {listed}."
        )
    return keys[0], keys[1]


def _pictures(builder: Any, image: str, label: str) -> Iterator[Picture]:
    """Yields a data set's images, their bytes as they are."""
    names = builder.info.features[label].int2str
    unlabelled = 0
    for split in builder.info.splits:
        for example in _examples(builder, split, image):
            if example[label] == NO_LABEL:
                unlabelled += 1
                continue
            yield Picture(
                content=example[image],
                label=names(int(example[label])),
                split=standard_name(split) or "train",
            )
    if unlabelled:
        say(f"{unlabelled:,} images have no label and are left out")


def _examples(builder: Any, split: str, image: str) -> Iterator[dict[str, Any]]:
    """Yields the examples of a split in a fixed order, the images not decoded."""
    import tensorflow as tf

    tfds = _library()
    decoders = {image: tfds.decode.SkipDecoding()}
    examples = builder.as_dataset(split=split, decoders=decoders, shuffle_files=False)
    try:
        yield from tfds.as_numpy(examples)
    except tf.errors.OpError as error:
        raise DataError(
            f"The data set {builder.info.full_name!r} cannot be read: "
            f"{_first_line(error)}"
        ) from None


def _state(builder: Any) -> Iterator[str]:
    """Yields what tells a prepared data set from another of the same name."""
    folder = Path(builder.data_path)
    yield str(folder)
    for path in sorted(folder.iterdir()):
        status = path.stat()
        yield f"{path.name}:{status.st_size}:{status.st_mtime_ns}"


def _first_line(error: Exception) -> str:
    """Returns the first line of what an error says, with a full stop."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = said[0] if said else type(error).__name__
    return f"{line[:200].rstrip('.')}."
