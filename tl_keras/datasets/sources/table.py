"""Images in a table: a CSV file with a path and a label a line."""

import csv
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tl_keras.datasets.manifest import LABEL_SEPARATOR, Manifest, Row
from tl_keras.datasets.sources.given import SPLIT_NAMES, standard_name
from tl_keras.errors import DataError
from tl_keras.sections import Data

SUFFIXES = {".csv", ".tsv", ".txt"}
DELIMITERS = ",;\t"
# What is read → the column's names, the first that is there.
COLUMNS = {
    "path": ("path", "filename", "file", "image"),
    "label": ("label", "class", "category", "labels"),
    "split": ("split",),
    "group": ("group",),
}
NEEDED = ("path", "label")
NAMED = 5


def fits(source: Any) -> bool:
    """Tells whether the source is a file with the name of a table."""
    path = Path(source)
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read(source: str | os.PathLike, data: Data) -> Manifest:
    """Lists the images of a table.

    The first line names the columns: see `COLUMNS`. They are separated by commas,
    semicolons or tabs, in UTF-8. Paths are relative to the table's folder. Labels
    joined by `|` make the manifest one of several labels an image.

    Args:
        source: The file.
        data: Not needed here.

    Raises:
        DataError: With the number of the line, if a column, a file, a label or a
            cell is missing, a split is unknown, or lines contradict each other.
    """
    del data
    path = Path(source)
    lines = _Lines(path, path.parent.resolve())
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            reader = csv.reader(
                file, delimiter=max(DELIMITERS, key=header.count), strict=True
            )
            for cells, number in _cells(path, header, reader):
                lines.add(cells, number)
    except UnicodeDecodeError:
        raise DataError(
            f"Table {path} is not in UTF-8: save it as `CSV UTF-8`."
        ) from None
    except csv.Error as error:
        at = reader.line_num + 1
        raise DataError(f"Table {path}, line {at}: it is no CSV: {error}.") from None
    except OSError as error:
        raise DataError(f"Table {path} cannot be read: {error.strerror}.") from None
    return lines.manifest()


def _cells(path: Path, header: str, reader: Any) -> Iterator[tuple[dict, int]]:
    """Yields the cells of each line by what they are, and the line's number.

    Raises:
        DataError: If a column is missing, or a line has another number of cells.
    """
    (names,) = csv.reader([header], reader.dialect) if header.strip() else ([],)
    names = [name.strip().casefold() for name in names]
    places = {
        what: names.index(found)
        for what, known in COLUMNS.items()
        if (found := next((name for name in known if name in names), None))
    }
    for what in NEEDED:
        if what not in places:
            raise DataError(
                f"Table {path}, line 1: no column is named "
                f"{' or '.join(COLUMNS[what])}. Found: {', '.join(names) or 'nothing'}."
            )
    for cells in reader:
        # The header's line is read before the reader counts.
        number = reader.line_num + 1
        if cells and len(cells) != len(names):
            raise DataError(
                f"Table {path}, line {number}: {len(cells)} cells under "
                f"{len(names)} columns. Put quotes around what holds a separator."
            )
        if cells:
            yield {what: cells[place] for what, place in places.items()}, number


@dataclass
class _Lines:
    """The lines of a table so far, and what is wrong with them.

    Attributes:
        path: The table.
        root: Folder that the paths are relative to.
        rows: By path.
        numbers: Of each path's line.
        missing: Lines whose file does not exist, for the message.
        unlabelled: Images without a label by line: of no class, where a label may be
            several ones.
        multi_label: Whether a label is several ones.
    """

    path: Path
    root: Path
    rows: dict[str, Row] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unlabelled: dict[int, str] = field(default_factory=dict)
    multi_label: bool = False

    def add(self, cells: dict[str, str], number: int) -> None:
        """Takes a line."""
        name = posixpath.normpath(cells["path"])
        labels = [part.strip() for part in cells["label"].split(LABEL_SEPARATOR)]
        if labels == [""]:
            self.unlabelled.setdefault(number, name)
        elif not all(labels):
            self._refuse(number, f"{name!r} has an empty label")
        row = Row(
            path=name,
            label=LABEL_SEPARATOR.join(dict.fromkeys(labels)),
            split=self._split(cells.get("split", "").strip(), number),
            group=cells.get("group", "").strip(),
        )
        known = self.rows.setdefault(name, row)
        first = self.numbers.setdefault(name, number)
        if known != row:
            self._refuse(
                number,
                f"{name!r} is in line {first} with another label, split or group. "
                f"Several labels of an image go into one line, joined by "
                f"{LABEL_SEPARATOR!r}",
            )
        if not os.path.isfile(self.root / name):
            self.missing.append(f"line {number}: {name!r}")
        self.multi_label = self.multi_label or len(labels) > 1

    def _split(self, name: str, number: int) -> str:
        """Returns our name of a line's split."""
        found = standard_name(name) if name else ""
        if found is None:
            self._refuse(
                number, f"unknown split {name!r}. Known: {', '.join(SPLIT_NAMES)}"
            )
        return found

    def _refuse(self, number: int, why: str) -> None:
        """Raises the error of a line."""
        raise DataError(f"Table {self.path}, line {number}: {why}.")

    def manifest(self) -> Manifest:
        """Returns the images, if there are some and all are there."""
        if self.missing:
            shown = "; ".join(self.missing[:NAMED])
            more = len(self.missing) - NAMED
            raise DataError(
                f"Table {self.path} names files that do not exist below {self.root}: "
                f"{shown}{f'; and {more} more' if more > 0 else ''}."
            )
        if self.unlabelled and not self.multi_label:
            number, name = next(iter(self.unlabelled.items()))
            self._refuse(number, f"{name!r} has an empty label")
        if not self.rows:
            raise DataError(f"Table {self.path} has no line below its header.")
        return Manifest(
            self.root, tuple(self.rows.values()), multi_label=self.multi_label
        )
