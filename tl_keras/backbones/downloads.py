"""Weights files from the net: known by their hash, retried, never half a file.

A download gets its name only when it is complete and right: a process that is killed
leaves nothing that a later one, or Keras itself, would take for the file.
"""

import contextlib
import hashlib
import io
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.error import ContentTooShortError, HTTPError, URLError
from urllib.parse import urlsplit

import h5py
import keras

from tl_keras.errors import StorageError, UsageError, WeightsError
from tl_keras.files import replacing
from tl_keras.progress import console, say

# Seconds before the second and the third try of a download that broke.
PAUSES = (1.0, 3.0)
# Seconds of silence after which a connection is dead.
TIMEOUT = 60.0
# Answers that say "later": the others stay as they are.
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
SHA256 = re.compile(r"sha256=([0-9a-fA-F]{64})")


@dataclass(frozen=True, kw_only=True)
class KerasFile:
    """A file that Keras publishes.

    Attributes:
        url: Where it is.
        file_hash: Its md5 or sha256 as Keras publishes it. `None` where Keras
            publishes none: then it is only checked that the file is whole.
        name: Its name in the cache folder, where Keras does not take that of the
            address.
    """

    url: str
    file_hash: str | None = None
    name: str | None = None

    def path(self) -> Path:
        """Returns the file in Keras's cache folder, downloaded where it is missing.

        Raises:
            WeightsError: If it is not there and cannot be downloaded, or the server
                has another file.
            StorageError: If the folder cannot be written.
        """
        path = cache_folder() / (self.name or _name(self.url))
        return _fetch(self.url, path, self.file_hash)


@dataclass(frozen=True)
class UrlWeights:
    """A user's file: see `parse_url`.

    Attributes:
        url: Where it is.
        sha256: Its sha256. Another file is refused before it is read.
    """

    url: str
    sha256: str

    def path(self) -> Path:
        """Returns the file in Keras's cache folder: see `KerasFile.path`."""
        name = f"{self.sha256[:16]}-{_name(self.url)}"
        return _fetch(self.url, cache_folder() / name, self.sha256)


def parse_url(text: str) -> UrlWeights:
    """Reads a setting of the form `https://host/file.h5#sha256=<64 hex digits>`.

    Raises:
        UsageError: If it is no web address of a file, or has no sha256.
    """
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or not _name(text):
        raise UsageError(
            f"`backbone.weights` must be a file's http or https address, such as "
            f"https://host/file.h5#sha256=<64 hex digits>. Received: {text!r}"
        )
    match = SHA256.fullmatch(parts.fragment)
    if match is None:
        raise UsageError(
            f"`backbone.weights` needs the file's sha256 behind its address, so that "
            f"no other file is loaded: https://host/file.h5#sha256=<64 hex digits> "
            f"(`sha256sum` prints it). Received: {text!r}"
        )
    return UrlWeights(parts._replace(fragment="").geturl(), match[1].lower())


def cache_folder() -> Path:
    """Returns the folder of Keras's weights files, which `KERAS_HOME` moves."""
    home = os.environ.get("KERAS_HOME") or Path("~") / ".keras"
    return Path(home).expanduser() / "models"


def _name(url: str) -> str:
    """Returns the name of the file at an address."""
    return PurePosixPath(urlsplit(url).path).name


def _fetch(url: str, path: Path, file_hash: str | None) -> Path:
    """Returns the file at `path`, downloaded where it is missing or a wrong one."""
    fault = _fault(path, file_hash) if path.is_file() else "is missing"
    if not fault:
        return path
    for pause in (*PAUSES, None):
        try:
            _download(url, path, file_hash)
            return path
        except StorageError as error:
            raise StorageError(
                f"{error} The environment variable KERAS_HOME names the folder above "
                f"it."
            ) from None
        except _FailedError as failed:
            if pause is None or not failed.again:
                raise WeightsError(
                    f"{path} {fault}, and {url} could not be downloaded: {failed}. "
                    f"Put the file there by hand; the backbone efficientnet_lite0 "
                    f"works offline."
                ) from None
            say(f"{path.name}: {failed}. Trying again in {pause:g} s.")
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


class _FailedError(Exception):
    """A download that failed, and whether another try may help."""

    def __init__(self, reason: str, again: bool):
        super().__init__(reason)
        self.again = again


def _download(url: str, path: Path, file_hash: str | None) -> None:
    """Downloads a file through Keras, and names it when it is whole and right."""
    with replacing(path) as temporary:
        try:
            with _quiet(url), _timeout():
                keras.utils.get_file(
                    temporary.name,
                    origin=url,
                    file_hash=file_hash,
                    cache_dir=temporary.parent,
                    cache_subdir="",
                )
        # `get_file` has a plain `Exception` for a server's refusal.
        except Exception as error:
            if temporary.is_file() and (fault := _fault(temporary, file_hash)):
                raise _FailedError(f"what came {fault}", again=False) from None
            raise _failure(error) from error
        if fault := _fault(temporary, file_hash):
            raise _FailedError(f"what came {fault}", again=False)


def _fault(path: Path, file_hash: str | None) -> str:
    """Returns what is wrong with a file, or an empty text."""
    if file_hash is None:
        try:
            h5py.File(path, "r").close()
        except OSError:
            return "is no HDF5 file, or is cut off"
        return ""
    algorithm = "sha256" if len(file_hash) == 64 else "md5"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found == file_hash:
        return ""
    return f"is not the known file ({algorithm} {found}, expected {file_hash})"


def _failure(error: Exception) -> Exception:
    """Returns what a download's error means; one that is none of it unchanged."""
    cause = error.__context__ if type(error) is Exception else error
    if isinstance(cause, HTTPError):
        reason = f"the server answered {cause.code} {cause.reason}"
        return _FailedError(reason, cause.code in TEMPORARY)
    if isinstance(cause, ContentTooShortError):
        return _FailedError(f"the connection broke off: {cause.reason}", True)
    if isinstance(cause, URLError):
        # No connection came about: offline, or no such server.
        again = isinstance(cause.reason, TimeoutError | ConnectionResetError)
        return _FailedError(f"no connection: {cause.reason}", again)
    if isinstance(cause, ConnectionError | TimeoutError | HTTPException):
        return _FailedError(f"the connection broke off: {cause!r}", True)
    return error


@contextlib.contextmanager
def _quiet(url: str) -> Iterator[None]:
    """Shows Keras's progress bar on a terminal, one line elsewhere."""
    if not console.is_terminal:
        say(f"Downloading {url}")
    # Keras writes to where results go.
    elsewhere = sys.stderr if console.is_terminal else io.StringIO()
    with contextlib.redirect_stdout(elsewhere):
        yield


@contextlib.contextmanager
def _timeout() -> Iterator[None]:
    """Ends connections that have gone silent, which `get_file` would wait for."""
    usual = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(usual)
