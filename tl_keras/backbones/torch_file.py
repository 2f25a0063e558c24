"""Reads the tensors of a PyTorch weights file without PyTorch and without trust.

Format: the one that PyTorch wrote before 1.6 (`torch/serialization.py`,
`_legacy_load`): five pickles in a row (magic number, protocol, machine, the
state dict, the storages' keys), then each storage as a count of elements (int64)
and its raw little-endian values.

A pickle can name any function to call. The unpickler here knows exactly the names
that a file of tensors needs and refuses every other, so that a file can give wrong
numbers but run nothing.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tl_keras.errors import WeightsError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STORAGE_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Tensor:
    """A view into a storage that is filled after the pickles were read."""

    def __init__(self, storage: "_Storage", offset: int, shape: tuple, strides: tuple):
        self.storage, self.offset = storage, offset
        self.shape, self.strides = shape, strides

    def array(self) -> np.ndarray:
        """Returns the values in their shape, checked against the storage's size."""
        last = self.offset + sum(
            (side - 1) * step for side, step in zip(self.shape, self.strides)
        )
        empty = 0 in self.shape
        sound = len(self.shape) == len(self.strides) and self.offset >= 0
        sound = sound and all(step >= 0 for step in self.strides)
        if not sound or (not empty and last >= self.storage.values.size):
            raise WeightsError("a tensor reaches beyond its storage")
        return np.lib.stride_tricks.as_strided(
            self.storage.values[self.offset :],
            self.shape,
            [step * self.storage.values.itemsize for step in self.strides],
        ).copy()


class _Storage:
    """A flat run of numbers in the file."""

    def __init__(self, dtype: str, size: int):
        self.dtype, self.size = np.dtype(dtype), size
        self.values = np.empty(0, self.dtype)


class _TensorUnpickler(pickle.Unpickler):
    """Admits ordered dicts, tensor rebuilding and the storage types, nothing else."""

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in STORAGE_DTYPES:
            return name
        raise WeightsError(f"it asks to run {module}.{name}, which no tensor needs")

    def persistent_load(self, saved: Any) -> _Storage:
        kind, storage_type, key, _location, size, view = saved
        if kind != "storage" or view is not None:
            raise WeightsError(f"it holds a {kind!r}, not a storage")
        storage = _Storage(STORAGE_DTYPES[storage_type], size)
        return self.storages.setdefault(key, storage)


def _rebuild(storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: Any):
    """Stands for `torch._utils._rebuild_tensor_v2`."""
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a weights file in PyTorch's format from before 1.6.

    Args:
        path: The `.pth` file.

    Returns:
        The tensors by name, in the file's order, in PyTorch's layout
        (convolution kernels `(out, in, height, width)`).

    Raises:
        WeightsError: If the file is no such file, is cut off, or asks for anything
            but tensors.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read(file)
    except WeightsError as error:
        raise WeightsError(f"{path} was refused: {error}.") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from None
    # A damaged pickle can raise anything: each of these means that it is damaged.
    except Exception as error:
        raise WeightsError(
            f"{path} is not a PyTorch weights file, or is damaged: {error!r}."
        ) from None


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    """Reads the five pickles and the storages behind them."""
    if _TensorUnpickler(file).load() != MAGIC:
        raise WeightsError("its magic number is wrong")
    if _TensorUnpickler(file).load() != PROTOCOL:
        raise WeightsError("its protocol is unknown")
    machine = _TensorUnpickler(file).load()
    if machine.get("little_endian") is not True:
        raise WeightsError("it was written on a big-endian machine")
    unpickler = _TensorUnpickler(file)
    state = unpickler.load()
    for key in _TensorUnpickler(file).load():
        _fill(unpickler.storages[key], file)
    return {name: value.array() for name, value in state.items()}


def _fill(storage: _Storage, file: BinaryIO) -> None:
    """Reads one storage's values."""
    size = int.from_bytes(file.read(8), "little")
    data = file.read(storage.size * storage.dtype.itemsize)
    if size != storage.size or len(data) != storage.size * storage.dtype.itemsize:
        raise WeightsError("it is cut off")
    storage.values = np.frombuffer(data, storage.dtype)
