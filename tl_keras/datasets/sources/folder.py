"""Images in folders: one sub-folder a class, with the splits above them or without."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tl_keras.datasets.checking.headers import BY_SUFFIX
from tl_keras.datasets.manifest import Manifest, Row, natural_key
from tl_keras.datasets.sources.given import standard_name
from tl_keras.errors import DataError
from tl_keras.progress import say
from tl_keras.sections import Data

# What computers leave in folders without being asked; names with a dot in front too.
CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}
NAMED = 5

# Device and number: what a folder is, under whatever name it is reached.
Identity = tuple[int, int]


def fits(source: Any) -> bool:
    """Tells whether the source is a folder."""
    return Path(source).is_dir()


def read(source: str | os.PathLike, data: Data) -> Manifest:
    """Lists a folder that has one sub-folder a class, or those of the splits above.

    Every file below a class's folder counts as one of its images, in sub-folders
    too, but for hidden files and `CLUTTER`. Links to files count as well, broken ones
    too: the check names them. Links to folders are followed, but not into a folder
    that they lie in.

    Where all sub-folders are named as splits (`given.SPLIT_NAMES`) and one of them
    holds folders, those are the classes, and the rows have their split.

    Args:
        source: The folder.
        data: Not needed here.

    Raises:
        DataError: If no file is found, a class is empty, or a folder cannot be read.
    """
    del data
    folder = Path(source).resolve()
    try:
        splits = _splits(folder)
        _tell_of_loose(folder, ["", *splits])
        rows = [
            row
            for prefix, split in splits.items()
            for row in _rows(folder, prefix, split)
        ]
    except PermissionError as error:
        raise DataError(f"No permission to read {error.filename}.") from None
    if not rows:
        raise DataError(
            f"Folder {folder} holds no images in sub-folders. Expected one sub-folder "
            f"a class, such as {folder.name}/cat/1.jpg and {folder.name}/dog/1.jpg."
        )
    return Manifest(folder, tuple(rows))


def _splits(folder: Path) -> dict[str, str]:
    """Returns the prefix of each split's classes; one that is empty if there is none.

    Raises:
        DataError: If one of several splits has no classes, or other folders lie beside
            splits.
    """
    names = _folders(folder)
    found = {f"{name}/": standard_name(name) for name in names}
    classes = {name: bool(_folders(folder / name)) for name in names}
    others = [name for name in names if standard_name(name) is None]
    splits = [name for name in names if classes[name] and name not in others]
    if others and len(splits) > 1:
        raise DataError(
            f"Folder {folder} holds splits ({', '.join(splits)}) and other folders "
            f"({', '.join(others[:NAMED])}). Move those elsewhere, or list the images "
            f"in a table."
        )
    if others or not splits:
        return {"": ""}
    without = [name for name, some in classes.items() if not some]
    if without:
        raise DataError(
            f"Folder {folder / without[0]} has the name of a split, but no sub-folders "
            f"of classes. Sort its images into them, or move it elsewhere."
        )
    return found


def _folders(folder: Path) -> list[str]:
    """Returns the names of the sub-folders that a person made, in natural order."""
    with os.scandir(folder) as entries:
        found = [e.name for e in entries if _wanted(e.name) and _is_folder(e)]
    return sorted(found, key=natural_key)


def _tell_of_loose(folder: Path, prefixes: Iterable[str]) -> None:
    """Says which images lie beside the classes' folders, where they are of no class."""
    loose = []
    for prefix in dict.fromkeys(prefixes):
        with os.scandir(folder / prefix) as entries:
            loose += [
                f"{prefix}{entry.name}"
                for entry in entries
                if _wanted(entry.name)
                and os.path.splitext(entry.name)[1].lower() in BY_SUFFIX
                and not _is_folder(entry)
            ]
    if loose:
        shown = ", ".join(sorted(loose, key=natural_key)[:NAMED])
        more = f" and {len(loose) - NAMED} more" if len(loose) > NAMED else ""
        say(
            f"Warning: images beside the classes' folders are of no class and are left "
            f"out: {shown}{more}"
        )


def _rows(folder: Path, prefix: str, split: str) -> Iterator[Row]:
    """Yields the images of a split, class by class.

    Raises:
        DataError: If a class has none while others do.
    """
    names, empty, some = _folders(folder / prefix), [], False
    for name in names:
        paths = sorted(_files(folder, f"{prefix}{name}"), key=natural_key)
        empty += [] if paths else [f"{prefix}{name}"]
        some = some or bool(paths)
        yield from (Row(path=path, label=name, split=split) for path in paths)
    if some and empty:
        raise DataError(
            f"Folder {folder} has classes without images: "
            f"{', '.join(empty[:NAMED])}. Fill or remove them."
        )


def _files(root: Path, below: str) -> Iterator[str]:
    """Yields the paths of the files below a folder, relative to the root."""
    start = _identity(root / below)
    waiting: list[tuple[str, frozenset[Identity]]] = [(below, frozenset({start}))]
    while waiting:
        folder, ancestors = waiting.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                if not _wanted(entry.name):
                    continue
                if not _is_folder(entry):
                    yield path
                    continue
                own = _identity(root / path)
                if own in ancestors:
                    say(f"{path} is a link to a folder that it lies in: not followed")
                else:
                    waiting.append((path, ancestors | {own}))


def _identity(folder: Path) -> Identity:
    """Returns what a folder is, under whatever name."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry) -> bool:
    """Tells a folder, or a link to one, from a file; a looping link is a file."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _wanted(name: str) -> bool:
    """Tells a name that a person gave from one that a computer left."""
    return not name.startswith(".") and name.casefold() not in CLUTTER
