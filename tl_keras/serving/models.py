"""The versions of an export: found, loaded, swapped and freed while requests run."""

import contextlib
import gc
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_keras.errors import ExportError, UsageError
from tl_keras.export.loaded import EXPORT_FILE, MODEL_FILE
from tl_keras.progress import say
from tl_keras.serving.refusals import MISSING, Refusal
from tl_keras.serving.versions import Version, load

logger = logging.getLogger(__name__)

LOADING, AVAILABLE, UNLOADING, END = "LOADING", "AVAILABLE", "UNLOADING", "END"


@dataclass
class Status:
    """What the status path says of a version."""

    state: str
    code: str = "OK"
    message: str = ""


class Shelf:
    """The versions in a folder; the newest that can be loaded is served.

    Attributes:
        name: The model's, which is the folder's.
        folder: It holds the numbered versions.
    """

    def __init__(self, folder: Path) -> None:
        """Finds the versions, and loads none yet.

        Args:
            folder: Holds the numbered versions; or one of them, which alone is served.

        Raises:
            UsageError: If its name would not fit into an address.
        """
        self.folder, self._only = _place(folder)
        self.name = self.folder.name
        if set(self.name) & set(":/"):
            raise UsageError(
                f"{str(folder)!r} cannot be served: its name would stand in an address "
                f"and must hold no colon. Rename the folder."
            )
        self._lock = threading.Lock()
        self._current: Version | None = None
        self._retired: list[Version] = []
        self._broken: dict[int, Any] = {}
        self._statuses: dict[int, Status] = {}

    @contextlib.contextmanager
    def using(self, name: str, number: str | None = None) -> Iterator[Version]:
        """Gives the version that is served, and keeps it loaded meanwhile.

        Raises:
            Refusal: If another model or version is asked for.
        """
        with self._lock:
            version = self._current
            if version is None or not self._is_asked_for(version, name, number):
                what = (
                    f"Latest({name})"
                    if number is None
                    else f"Specific({name}, {number})"
                )
                raise Refusal(MISSING, f"Servable not found for request: {what}")
            version.users += 1
        try:
            yield version
        finally:
            with self._lock:
                version.users -= 1

    def _is_asked_for(self, version: Version, name: str, number: str | None) -> bool:
        """Tells whether a version is the one of an address."""
        return name == self.name and number in (None, str(version.number))

    def refresh(self) -> None:
        """Loads the newest version if it is not served yet, and frees old ones.

        Called by one thread at a time, beside requests. What cannot be loaded is
        reported, not raised, and tried again when its files change.
        """
        for path in self._candidates():
            number = int(path.name)
            if self._current and number == self._current.number:
                break
            try:
                mark = _mark(path)
            except OSError:
                # It is being moved or removed: the next look will tell.
                continue
            if self._broken.get(number) == mark:
                continue
            if self._replace_by(path):
                self._broken.pop(number, None)
                break
            self._broken[number] = mark
        self._free()

    def _candidates(self) -> list[Path]:
        """Returns the folders of versions, the newest first."""
        try:
            found = [
                path
                for path in self.folder.iterdir()
                if path.name.isdecimal()
                and self._only in (None, path.name)
                and (path / MODEL_FILE).is_file()
            ]
        except OSError as error:
            logger.warning("%s cannot be read: %s", self.folder, error)
            return []
        return sorted(found, key=lambda path: int(path.name), reverse=True)

    def _replace_by(self, path: Path) -> bool:
        """Serves another version; tells whether it could be loaded."""
        number = int(path.name)
        self._say(number, LOADING)
        try:
            version = load(path)
        # Whatever is wrong with a new version, the old one goes on.
        except Exception as error:
            why = str(error) if isinstance(error, ExportError) else repr(error)
            self._say(number, END, "INTERNAL", why)
            kept = f" Version {self._current.number} stays." if self._current else ""
            say(f"Version {number} of {self.name} is not served: {why}{kept}")
            return False
        with self._lock:
            old, self._current = self._current, version
            self._statuses[number] = Status(AVAILABLE)
            if old:
                self._retired.append(old)
                self._statuses[old.number] = Status(UNLOADING)
        if old:
            say(f"Version {number} of {self.name} takes the place of {old.number}.")
        return True

    def _say(
        self, number: int, state: str, code: str = "OK", message: str = ""
    ) -> None:
        """Notes how far a version is."""
        with self._lock:
            self._statuses[number] = Status(state, code, message)

    def _free(self) -> None:
        """Frees the versions that no request uses any more."""
        with self._lock:
            unused = [version for version in self._retired if not version.users]
            for version in unused:
                self._retired.remove(version)
                self._statuses[version.number] = Status(END)
                version.signatures.clear()
        if unused:
            del unused, version
            # What TensorFlow loads refers to itself.
            gc.collect()

    def statuses(self, name: str, number: str | None = None) -> dict[str, Any]:
        """Returns what TensorFlow Serving's status path gives.

        Raises:
            Refusal: If another model or version is asked for.
        """
        with self._lock:
            found = {
                version: status
                for version, status in sorted(self._statuses.items(), reverse=True)
                if number in (None, str(version))
            }
        if name != self.name or not found:
            version = "" if number is None else f" and version {number}"
            why = f"Could not find any versions of model {name}{version}"
            raise Refusal(MISSING, why)
        rows = [
            {
                "version": str(version),
                "state": status.state,
                "status": {
                    "error_code": status.code,
                    "error_message": status.message,
                },
            }
            for version, status in found.items()
        ]
        return {"model_version_status": rows}

    def metadata(self, version: Version) -> dict[str, Any]:
        """Returns what TensorFlow Serving's metadata path gives."""
        spec = {
            "name": self.name,
            "signature_name": "",
            "version": str(version.number),
        }
        signatures = {"signature_def": version.definitions}
        return {"model_spec": spec, "metadata": {"signature_def": signatures}}

    @property
    def current(self) -> Version | None:
        """The version that is served."""
        return self._current


def opened(folder: Path) -> Shelf:
    """Returns a folder's versions, one of them loaded.

    Raises:
        UsageError: If there is no export in the folder.
        ExportError: If none of its versions can be loaded.
    """
    shelf = Shelf(folder)
    if not shelf._candidates():
        raise UsageError(
            f"{str(folder)!r} holds no SavedModel: expected numbered versions with "
            f"{MODEL_FILE} and {EXPORT_FILE}, as `tl-keras train` writes them."
        )
    shelf.refresh()
    if shelf.current is None:
        raise ExportError(
            f"No version in {folder} can be served. Export the run anew by `tl-keras "
            f"export`."
        )
    return shelf


def _place(folder: Path) -> tuple[Path, str | None]:
    """Returns the folder of the versions, and the only one to serve if one is named."""
    folder = Path(folder).resolve()
    if folder.name.isdecimal() and (folder / MODEL_FILE).is_file():
        return folder.parent, folder.name
    return folder, None


def _mark(path: Path) -> Any:
    """Returns what changes when a version's files do."""
    return sorted(
        (str(file), stat.st_size, stat.st_mtime_ns)
        for file in path.rglob("*")
        for stat in [file.stat()]
    )
