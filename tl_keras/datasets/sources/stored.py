"""Pictures of sources that are no files, written once as files."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.files import replacing
from tl_keras.progress import track
from tl_keras.sections import Data

MANIFEST = "manifest.csv"
# First bytes → suffix; other content gets a name that the check asks about.
SUFFIXES = {
    b"\xff\xd8": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
}
UNKNOWN_SUFFIX = ".image"
UNSPLIT, UNLABELLED = "images", "none"
# A file system's limit is 255 bytes a name.
LONGEST_FOLDER = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One image of a source that is no file.

    Attributes:
        content: An encoded image.
        label: As in `manifest.Row`.
        split: As in `manifest.Row`.
    """

    content: bytes
    label: str
    split: str = ""


def digest(*parts: str) -> str:
    """Returns the name of what some texts identify."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def once(
    name: str, data: Data, pictures: Callable[[], Iterable[Picture]], total: int
) -> Manifest:
    """Writes the pictures as files, unless they are there, and lists them.

    Args:
        name: Of the folder: a digest of what the pictures are.
        data: Says where: `<cache_dir>/sources/<name>`.
        pictures: Gives them one by one; they are not held in memory.
        total: How many there are, to show how far it is.

    Returns:
        The files in the order of the pictures.

    Raises:
        StorageError: If the folder cannot be written.
    """
    folder = Path(data.cache_dir).expanduser().resolve() / "sources" / name
    # It is written last, and the folder gets its name behind it.
    if not (folder / MANIFEST).is_file():
        with replacing(folder) as temporary:
            written = track(pictures(), "Writing images", total)
            rows = tuple(
                _write(temporary, number, picture)
                for number, picture in enumerate(written)
            )
            temporary.mkdir(exist_ok=True)
            Manifest(temporary, rows).save(temporary / MANIFEST)
    return Manifest.load(folder / MANIFEST, folder)


def _write(root: Path, number: int, picture: Picture) -> Row:
    """Writes a picture, its bytes as they are, and returns its row."""
    suffixes = (s for start, s in SUFFIXES.items() if picture.content.startswith(start))
    # A label may hold what no folder's name can; the manifest keeps it as it is.
    label = quote(picture.label, safe=" &+,()'")[:LONGEST_FOLDER].strip(". ")
    folder = f"{picture.split or UNSPLIT}/{label or UNLABELLED}"
    path = f"{folder}/{number:06d}{next(suffixes, UNKNOWN_SUFFIX)}"
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(picture.content)
    return Row(path=path, label=picture.label, split=picture.split)
