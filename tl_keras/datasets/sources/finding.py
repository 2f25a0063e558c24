"""Where labelled images come from, whatever it is: one call, one manifest."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.sources import arrays, folder, given, packages, table
from tl_keras.datasets.sources import tfds as tfds_source
from tl_keras.errors import DataError, UsageError
from tl_keras.registry import suggestion
from tl_keras.sections import Data

Source = str | os.PathLike | tuple[np.ndarray, np.ndarray] | Mapping[str, Any]

# What tells a kind of source → what lists it. The first that fits is taken.
KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Data], Manifest]], ...] = (
    (arrays.fits, arrays.read),
    (tfds_source.fits, tfds_source.read),
    (folder.fits, folder.read),
    (table.fits, table.read),
    (packages.fits, packages.read),
)
DEFAULTS = Data()
ARRAYS = "arrays"


def find(source: Source, data: Data = DEFAULTS, *, training: bool = True) -> Manifest:
    """Lists a source's images, not yet checked or split.

    Args:
        source: A folder with one sub-folder of images a class, or those below
            `train`, `validation` and `test`; a CSV table (see `table.read`); the
            name of a built-in source; a data set of TensorFlow Datasets,
            `tfds:NAME`; or arrays, `(images, labels)` (see `arrays.read`). A folder
            comes first where a built-in source has its name.
        data: Order of the classes, groups, and where TFDS and we keep files.
        training: Whether the images are trained on: then every class must have some,
            on both sides of given splits.

    Returns:
        The images, with the splits and groups that the source gives.

    Raises:
        UsageError: If `source` is nothing of that, or `data.group_by` is no pattern.
        DataError: If it holds no images, or not what it should.
    """
    if isinstance(source, str | os.PathLike):
        source = os.path.expanduser(source)
    read = next((read for fits, read in KINDS if fits(source)), None)
    if read is None:
        _refuse(source)
    manifest = read(source, data)
    if training:
        manifest = _ordered(manifest, data.classes or manifest.classes)
    if data.group_by is not None:
        manifest = _grouped(manifest, data.group_by)
    if training:
        given.require_classes(manifest)
        given.require_whole_groups(manifest)
    return manifest


def title(source: Source) -> str:
    """Returns what a source is called in a line of text."""
    return str(source) if isinstance(source, str | os.PathLike) else ARRAYS


def require_two_classes(manifest: Manifest) -> None:
    """Refuses to train on what has nothing to tell apart.

    Raises:
        DataError: If the images are of one class.
    """
    if len(manifest.class_names) < 2:
        raise DataError(
            f"{manifest.root} holds one class, {manifest.class_names[0]!r}: a "
            f"classifier needs at least two sub-folders with images."
        )


def _refuse(source: str) -> None:
    """Says what would have been a source."""
    if Path(source).exists():
        raise UsageError(
            f"Source {source!r} is a file, and no table (.csv, .tsv). Give the folder "
            f"that holds one sub-folder of images a class."
        )
    raise UsageError(
        f"Source {source!r} is no folder, no table and no built-in source."
        f"{suggestion(source, packages.BUILT_IN)}"
    )


def _ordered(manifest: Manifest, classes: tuple[str, ...]) -> Manifest:
    """Returns the manifest with the classes in a given order; empty for the natural.

    Raises:
        DataError: If the classes are others than the images'.
    """
    found, wanted = set(manifest.counts()), set(classes)
    if classes and found != wanted:
        differences = {
            "Not among them": found - wanted,
            "Without images": wanted - found,
        }
        named = ". ".join(
            f"{what}: {', '.join(sorted(names))}"
            for what, names in differences.items()
            if names
        )
        raise DataError(
            f"The classes given ({', '.join(classes)}) are not those of the images. "
            f"{named}."
        )
    return replace(manifest, classes=classes)


def _grouped(manifest: Manifest, pattern: str) -> Manifest:
    """Returns the manifest with the groups that a pattern finds in the paths.

    Raises:
        UsageError: If it is no pattern, or the source has groups already.
        DataError: If it is not found in a path.
    """
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UsageError(
            f"`data.group_by` must be a regular expression: {error}. "
            f"Received: {pattern!r}"
        ) from None
    if any(row.group for row in manifest.rows):
        raise UsageError(
            f"{manifest.root} has a column of groups. Leave it or data.group_by out."
        )
    groups = [_group(search(row.path)) for row in manifest.rows]
    missed: list[Row] = [row for row, group in zip(manifest.rows, groups) if not group]
    if missed:
        raise DataError(
            f"data.group_by {pattern!r} finds nothing in {len(missed)} of "
            f"{len(groups)} paths. The first: {missed[0].path!r}."
        )
    return manifest.with_rows(
        replace(row, group=group) for row, group in zip(manifest.rows, groups)
    )


def _group(found: re.Match[str] | None) -> str:
    """Returns the first group of a match, or the whole; empty for no match."""
    if found is None:
        return ""
    return (found[1] or "") if found.re.groups else found[0]
