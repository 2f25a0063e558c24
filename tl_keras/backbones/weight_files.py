"""Loads a weights file of any kind that is safe, known by its content.

Weights alone: names, shapes and types are compared before anything is assigned.
Whatever can run code when it is read is refused, and whatever is no weights file at
all is called what it is.
"""

from pathlib import Path

import keras

from tl_keras.backbones.h5_layout import load_h5
from tl_keras.backbones.keras_archive import load_archive
from tl_keras.backbones.safetensors_layout import load_safetensors, save_safetensors
from tl_keras.errors import WeightsError

__all__ = ["load_file", "save_safetensors"]

HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK"
PICKLE_PROTOCOLS = tuple(bytes([0x80, number]) for number in range(2, 6))
PICKLE_SUFFIXES = (".pth", ".pt", ".pkl", ".pickle")
HTML = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")
LARGE_FILE_POINTER = b"version https://git-lfs"
# A safetensors file starts with the length of its header of JSON, in eight bytes.
HEADER = 8


def load_file(network: keras.Model, path: str | Path) -> None:
    """Loads a local weights file into a network.

    Kinds: `.weights.h5`, weights-only `.h5` in the layout of `keras.applications`,
    the weights of a `.keras` file without layers that hold code, `.safetensors` under
    Keras's names, or for a ResNet-18 or 34 under torchvision's. A network that ends
    in a feature map leaves a file's classifier aside. Layers are paired by name,
    where Keras made up the names by order. float16 and float64 are cast.

    Args:
        network: A functional or sequential network.
        path: The file, recognised by its content and not by its ending.

    Raises:
        WeightsError: If the file is missing, damaged, of a kind that is refused or
            unknown, does not fit, or has values that are not finite. The network's
            weights are then as before.
    """
    path = Path(path)
    start = _start(path)
    if path.suffix.lower() in PICKLE_SUFFIXES:
        raise _pickle(path)
    if start.startswith(HDF5):
        load_h5(network, path)
    elif start.startswith(ZIP):
        load_archive(network, path)
    # Before pickles: the length of a header can look like the start of one.
    elif start[HEADER : HEADER + 1] == b"{":
        load_safetensors(network, path)
    elif start.startswith(PICKLE_PROTOCOLS):
        raise _pickle(path)
    else:
        raise WeightsError(f"{path} is no weights file: {_what_else(path, start)}")


def _pickle(path: Path) -> WeightsError:
    """Returns the error for a file that can run code."""
    return WeightsError(
        f"{path} was refused: it is a pickle, which can run any code when it is read. "
        f"Where you trust it, save its tensors with safetensors.torch.save_file and "
        f"give that file."
    )


def _start(path: Path) -> bytes:
    """Returns a file's first bytes."""
    if path.is_dir():
        kind = "SavedModel, a program" if _is_saved_model(path) else "folder"
        raise WeightsError(
            f"{path} was refused: it is a {kind}, not a file of weights. Give a file "
            f"that model.save_weights('x.weights.h5') wrote."
        )
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from None


def _is_saved_model(path: Path) -> bool:
    """Returns whether a folder is a SavedModel."""
    return any((path / f"saved_model.{ending}").exists() for ending in ("pb", "pbtxt"))


def _what_else(path: Path, start: bytes) -> str:
    """Returns what an unknown file is instead, and the cure."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "it is empty. Get the file again."
    if text.startswith(HTML):
        return (
            "it is a web page, as a failed download leaves one. Open the address in a "
            "browser to see what it says."
        )
    if text.startswith(LARGE_FILE_POINTER):
        return "it only points to one. Fetch it with `git lfs pull`."
    if path.suffix.lower() in (".h5", ".hdf5", ".keras", ".safetensors"):
        return "it is cut off or damaged. Get the file again."
    return (
        "known are .weights.h5, weights-only .h5, .keras and .safetensors, and it "
        "starts like none of them."
    )
