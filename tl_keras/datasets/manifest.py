"""The list of images that a run works on: training reads it, never the folder again."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from tl_keras.errors import DataError
from tl_keras.files import write_text

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image.

    Attributes:
        path: Relative to the manifest's root.
        label: Name of the class.
        sha256: Of the file's bytes.
        pixels: sha256 of the decoded, upright pixels: equal for equal pictures.
        width: Of the upright image, in pixels.
        height: Of the upright image, in pixels.
        split: One of `SPLITS`, or empty before the split.
    """

    path: str
    label: str
    sha256: str = ""
    pixels: str = ""
    width: int = 0
    height: int = 0
    split: str = ""


@dataclass(frozen=True)
class Manifest:
    """The images of a source, in a fixed order.

    Attributes:
        root: Folder that the rows' paths are relative to.
        rows: The images.
    """

    root: Path
    rows: tuple[Row, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in natural order: `2` before `10`."""
        return tuple(sorted({row.label for row in self.rows}, key=natural_key))

    @property
    def paths(self) -> list[str]:
        """The image files' paths."""
        return [str(self.root / row.path) for row in self.rows]

    def labels(self, class_names: Iterable[str] | None = None) -> list[int]:
        """Returns each row's class index.

        Args:
            class_names: Order of the classes; `None` takes the manifest's own.

        Raises:
            DataError: If a label is not among `class_names`.
        """
        names = tuple(class_names or self.class_names)
        index = {name: number for number, name in enumerate(names)}
        unknown = sorted({row.label for row in self.rows} - set(index))
        if unknown:
            raise DataError(
                f"The images hold classes that the model does not know: "
                f"{', '.join(unknown[:5])}. It knows: {', '.join(names)}."
            )
        return [index[row.label] for row in self.rows]

    def split(self, name: str) -> Self:
        """Returns the rows of one split."""
        rows = tuple(row for row in self.rows if row.split == name)
        return type(self)(self.root, rows)

    def counts(self) -> Counter[str]:
        """Returns the number of images of each class."""
        return Counter(row.label for row in self.rows)

    def save(self, path: Path) -> None:
        """Writes the rows as CSV."""
        text = io.StringIO()
        names = [field.name for field in fields(Row)]
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.rows)
        write_text(path, text.getvalue())

    @classmethod
    def load(cls, path: Path, root: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            DataError: If the file is missing or damaged.
        """
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [_row(values) for values in csv.DictReader(file)]
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise DataError(f"Manifest {path} cannot be read: {error!r}.") from None
        if not rows:
            raise DataError(f"Manifest {path} cannot be read: it is empty.")
        return cls(root, tuple(rows))


def _row(values: dict[str, str]) -> Row:
    """Returns a row from a CSV line."""
    if None in values.values():
        raise ValueError("a line is cut off")
    sizes = {name: int(values[name]) for name in ("width", "height")}
    return Row(**{**values, **sizes})


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Returns a sort key that reads numbers as numbers: `img2` before `img10`."""
    parts = re.split(r"(\d+)", name)
    key = [
        (0, int(part), part) if part.isdecimal() else (1, 0, part.casefold())
        for part in parts
        if part
    ]
    return [*key, (2, 0, name)]
