"""The list of images that a run works on: training reads it, never the folder again."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from tl_keras.errors import DataError
from tl_keras.files import write_text

SPLITS = ("train", "validation", "test")
UNUSED = "unused"
LABEL_SEPARATOR = "|"
NUMBERS = ("width", "height", "orientation")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One image.

    Attributes:
        path: Relative to the manifest's root.
        label: Name of the class.
        sha256: Of the file's bytes.
        pixels: sha256 of the decoded, upright pixels: equal for equal pictures.
        width: Of the upright image, in pixels.
        height: Of the upright image, in pixels.
        format: By the file's first bytes: `JPEG`, `PNG`, `GIF`, `BMP` or `WEBP`; empty
            before the check.
        orientation: EXIF orientation in 1…8 by which the file is turned; 1 is upright.
        group: Images of one group stay on one side of the split; empty for none.
        split: One of `SPLITS`; `unused` where it is left out of training on purpose;
            empty before the split, unless the source says it.
        problems: Kinds of what is odd about the file, joined by `LABEL_SEPARATOR`.
    """

    path: str
    label: str
    sha256: str = ""
    pixels: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    orientation: int = 1
    group: str = ""
    split: str = ""
    problems: str = ""


@dataclass(frozen=True)
class Manifest:
    """The images of a source, in a fixed order.

    Attributes:
        root: Folder that the rows' paths are relative to; an absolute path stands
            for itself.
        rows: The images.
        classes: The classes in the order of the logits; empty takes natural order.
        multi_label: Whether a row's label is any number of classes, joined by
            `LABEL_SEPARATOR`.
    """

    root: Path
    rows: tuple[Row, ...]
    classes: tuple[str, ...] = ()
    multi_label: bool = False

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the given order, or in the natural one: `2` before `10`."""
        return self.classes or tuple(sorted(self.counts(), key=natural_key))

    def with_rows(self, rows: Iterable[Row]) -> Self:
        """Returns a manifest of other rows, all else the same."""
        return replace(self, rows=tuple(rows))

    def classes_of(self, row: Row) -> tuple[str, ...]:
        """Returns the classes of a row: one, or any number with `multi_label`."""
        if not self.multi_label:
            return (row.label,)
        return tuple(part for part in row.label.split(LABEL_SEPARATOR) if part)

    @property
    def paths(self) -> list[str]:
        """The image files' paths."""
        return [str(self.root / row.path) for row in self.rows]

    def labels(self, class_names: Iterable[str] | None = None) -> list[int]:
        """Returns each row's class index; each row is of one class.

        Args:
            class_names: Order of the classes; `None` takes the manifest's own.

        Raises:
            DataError: If a label is not among `class_names`.
        """
        index = self._places(class_names)
        return [index[row.label] for row in self.rows]

    def targets(self, class_names: Iterable[str] | None = None) -> np.ndarray:
        """Returns what a model is to say of each row.

        Args:
            class_names: Order of the classes; `None` takes the manifest's own.

        Returns:
            Class indices, int64 `(images,)`; with `multi_label` float32
            `(images, classes)`, 1 at each of a row's classes and 0 elsewhere.

        Raises:
            DataError: If a label is not among `class_names`.
        """
        if not self.multi_label:
            return np.array(self.labels(class_names), np.int64)
        index = self._places(class_names)
        found = np.zeros((len(self.rows), len(index)), np.float32)
        for place, row in enumerate(self.rows):
            found[place, [index[name] for name in self.classes_of(row)]] = 1
        return found

    def _places(self, class_names: Iterable[str] | None) -> dict[str, int]:
        """Returns each class's index, and refuses rows of other classes."""
        names = tuple(class_names or self.class_names)
        unknown = sorted(set(self.counts()) - set(names))
        if unknown:
            raise DataError(
                f"The images hold classes that the model does not know: "
                f"{', '.join(unknown[:5])}. It knows: {', '.join(names)}."
            )
        return {name: number for number, name in enumerate(names)}

    def split(self, name: str) -> Self:
        """Returns the rows of one split."""
        return self.with_rows(row for row in self.rows if row.split == name)

    def counts(self) -> Counter[str]:
        """Returns the number of images of each class."""
        return Counter(name for row in self.rows for name in self.classes_of(row))

    def save(self, path: Path) -> None:
        """Writes the rows as CSV."""
        text = io.StringIO()
        names = [field.name for field in fields(Row)]
        # A carriage return in a name is quoted only where everything is.
        writer = csv.DictWriter(text, names, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.rows)
        write_text(path, text.getvalue())

    @classmethod
    def load(
        cls,
        path: Path,
        root: Path,
        *,
        classes: tuple[str, ...] = (),
        multi_label: bool = False,
    ) -> Self:
        """Reads what `save` wrote.

        Args:
            path: The file.
            root: Folder that the rows' paths are relative to.
            classes: See the attribute.
            multi_label: See the attribute.

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
        return cls(root, tuple(rows), classes, multi_label)


def _row(values: dict[str, str]) -> Row:
    """Returns a row from a CSV line."""
    if None in values.values():
        raise ValueError("a line is cut off")
    numbers = {name: int(values[name]) for name in NUMBERS}
    return Row(**{**values, **numbers})


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Returns a sort key that reads numbers as numbers: `img2` before `img10`."""
    parts = re.split(r"(\d+)", name)
    key = [
        (0, int(part), part) if part.isdecimal() else (1, 0, part.casefold())
        for part in parts
        if part
    ]
    return [*key, (2, 0, name)]
