"""A reader of PyTorch files that runs nothing."""

import io
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest

from tl_keras.backbones.torch_file import MAGIC, PROTOCOL, read_tensors
from tl_keras.errors import WeightsError

MACHINE = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}


class Storage:
    """Stands for one of PyTorch's storages in the files written here."""

    def __init__(self, key, values, kind="FloatStorage"):
        self.key, self.kind = key, kind
        self.values = np.asarray(values, {"FloatStorage": "<f4"}.get(kind, "<i8"))


class Tensor:
    """Stands for a tensor: a view into a storage."""

    def __init__(self, storage, shape, strides=None, offset=0):
        if strides is None:
            strides = [int(np.prod(shape[n + 1 :])) for n in range(len(shape))]
        self.parts = (storage, offset, tuple(shape), tuple(strides))


class Harm:
    """Asks to run a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.fixture
def torch_names(monkeypatch):
    """Modules that the pickler finds PyTorch's names in; there is no PyTorch here."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*_):
        raise AssertionError("the reader calls its own")

    rebuild.__module__ = "torch._utils"
    rebuild.__name__ = rebuild.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


@pytest.fixture
def write(tmp_path, torch_names):
    """Writes a file in PyTorch's format from before 1.6."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Storage):
                return None
            kind = getattr(torch_names, value.kind)
            return ("storage", kind, value.key, "cpu", value.values.size, None)

        def reducer_override(self, value):
            if not isinstance(value, Tensor):
                return NotImplemented
            parts = (*value.parts, False, OrderedDict())
            return torch_names_rebuild(), parts

    def torch_names_rebuild():
        return sys.modules["torch._utils"]._rebuild_tensor_v2

    def write(state, *storages, magic=MAGIC, protocol=PROTOCOL, machine=MACHINE):
        file = io.BytesIO()
        for part in (magic, protocol, machine, state, [s.key for s in storages]):
            Pickler(file, protocol=2).dump(part)
        for storage in storages:
            file.write(struct.pack("<q", storage.values.size))
            file.write(storage.values.tobytes())
        path = tmp_path / "weights.pth"
        path.write_bytes(file.getvalue())
        return path

    return write


def ten():
    return Storage("1", np.arange(10) / 4)


def test_tensors_are_read_with_names_and_values(write):
    storage = ten()
    path = write(OrderedDict(a=Tensor(storage, (2, 5))), storage)
    expected = np.arange(10, dtype=np.float32).reshape(2, 5) / 4
    assert np.array_equal(read_tensors(path)["a"], expected)


def test_tensors_keep_the_files_order(write):
    storage = ten()
    names = ["b", "a", "c"]
    path = write(OrderedDict((n, Tensor(storage, (10,))) for n in names), storage)
    assert list(read_tensors(path)) == names


def test_transposed_tensor_is_read_by_its_strides(write):
    storage = ten()
    path = write({"a": Tensor(storage, (5, 2), strides=(1, 5))}, storage)
    expected = np.arange(10, dtype=np.float32).reshape(2, 5).T / 4
    assert np.array_equal(read_tensors(path)["a"], expected)


def test_tensor_may_start_inside_its_storage(write):
    storage = ten()
    path = write({"a": Tensor(storage, (3,), offset=7)}, storage)
    assert read_tensors(path)["a"].tolist() == [1.75, 2.0, 2.25]


def test_two_storages_keep_their_values_apart(write):
    first, second = Storage("x", [1.0, 2.0]), Storage("y", [3.0])
    path = write({"a": Tensor(first, (2,)), "b": Tensor(second, (1,))}, second, first)
    found = {name: value.tolist() for name, value in read_tensors(path).items()}
    assert found == {"a": [1.0, 2.0], "b": [3.0]}


def test_whole_numbers_and_scalars_are_read(write):
    storage = Storage("n", [2**40], "LongStorage")
    path = write({"steps": Tensor(storage, ())}, storage)
    assert read_tensors(path)["steps"] == np.array(2**40, np.int64)


def test_empty_tensor_is_read(write):
    storage = Storage("e", [])
    path = write({"a": Tensor(storage, (0, 3))}, storage)
    assert read_tensors(path)["a"].shape == (0, 3)


def test_tensors_can_be_written_to_without_touching_each_other(write):
    storage = ten()
    path = write({"a": Tensor(storage, (10,)), "b": Tensor(storage, (10,))}, storage)
    tensors = read_tensors(path)
    tensors["a"][:] = 0
    assert tensors["b"].any()


def harmful(write, tmp_path):
    return write({"a": Harm(f"touch {tmp_path}/harm")})


def test_file_that_asks_to_run_a_command_is_refused(write, tmp_path):
    with pytest.raises(WeightsError, match="it asks to run posix.system"):
        read_tensors(harmful(write, tmp_path))


def test_file_that_asks_to_run_a_command_runs_nothing(write, tmp_path):
    path = harmful(write, tmp_path)
    with pytest.raises(WeightsError):
        read_tensors(path)
    assert not (tmp_path / "harm").exists()


def test_harmful_file_would_run_its_command_in_a_plain_unpickler(tmp_path):
    # Shows that the two tests above guard against something.
    pickle.loads(pickle.dumps(Harm(f"touch {tmp_path}/harm"), protocol=2))
    assert (tmp_path / "harm").exists()


@pytest.mark.parametrize("part", ["magic", "protocol", "machine"])
def test_command_in_any_part_of_the_file_is_refused(write, tmp_path, part):
    path = write({}, **{part: Harm(f"touch {tmp_path}/harm")})
    with pytest.raises(WeightsError, match="it asks to run"):
        read_tensors(path)


@pytest.mark.parametrize(
    "name",
    [b"cbuiltins\neval\n", b"cnumpy\nload\n", b"ctorch\nload\n", b"ctorch\nTensor\n"]
    + [b"ccollections\nCounter\n", b"ctorch._utils\n_rebuild_parameter\n"],
)
def test_every_name_but_those_of_tensors_is_refused(tmp_path, name):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x02" + name + b".")
    with pytest.raises(WeightsError, match="it asks to run"):
        read_tensors(path)


def test_name_with_dots_in_a_newer_pickle_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x04\x8c\x02os\x8c\x0bpath.exists\x93.")
    with pytest.raises(WeightsError, match="it asks to run os.path.exists"):
        read_tensors(path)


def test_storage_of_an_unknown_kind_is_refused(write):
    storage = Storage("h", [1], "HalfStorage")
    with pytest.raises(WeightsError, match="torch.HalfStorage"):
        read_tensors(write({"a": Tensor(storage, (1,))}, storage))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.8, 0.95, 0.999])
def test_file_that_is_cut_off_is_refused(write, share):
    storage = Storage("1", np.arange(1000))
    path = write({"a": Tensor(storage, (1000,))}, storage)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsError):
        read_tensors(path)


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((11,), (1,), 0),
        ((10,), (1,), 1),
        ((2, 5), (6, 1), 0),
        ((2,), (1,), -1),
        ((2,), (-1,), 0),
        ((3, 3), (-4, 4), 1),
        ((2, 5), (1,), 0),
        ((2,), (2**61,), 0),
        ((), (), 10),
    ],
    ids=str,
)
def test_tensor_that_reaches_beyond_its_storage_is_refused(
    write, shape, strides, offset
):
    storage = ten()
    path = write({"a": Tensor(storage, shape, strides, offset)}, storage)
    with pytest.raises(WeightsError):
        read_tensors(path)


def test_tensor_whose_storage_is_not_in_the_file_is_refused(write):
    with pytest.raises(WeightsError, match="beyond its storage"):
        read_tensors(write({"a": Tensor(ten(), (10,))}))


def test_storage_of_another_size_than_said_is_refused(write):
    storage = ten()
    path = write({"a": Tensor(storage, (10,))}, storage)
    content = path.read_bytes()
    head = content[: -10 * 4 - 8]
    path.write_bytes(head + struct.pack("<q", 9) + content[-10 * 4 :])
    with pytest.raises(WeightsError, match="it is cut off"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"magic": 1}, "magic number is wrong"),
        ({"protocol": 1000}, "protocol is unknown"),
        ({"machine": {"little_endian": False}}, "big-endian"),
        ({"machine": []}, "not a PyTorch weights file"),
    ],
    ids=str,
)
def test_wrong_header_is_refused(write, parts, words):
    with pytest.raises(WeightsError, match=words):
        read_tensors(write({}, **parts))


@pytest.mark.parametrize("state", [[1, 2], {"a": 1}, {"a": "text"}, None], ids=str)
def test_file_that_holds_no_tensors_is_refused(write, state):
    with pytest.raises(WeightsError):
        read_tensors(write(state))


@pytest.mark.parametrize("content", [b"", b"PK\3\4 a newer file", b"\0" * 100, b"x"])
def test_other_file_is_refused_with_its_path(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="weights.pth"):
        read_tensors(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="gone.pth cannot be read: No such file"):
        read_tensors(tmp_path / "gone.pth")


def test_random_damage_is_refused_or_gives_tensors(write):
    storage = ten()
    path = write({"a": Tensor(storage, (2, 5))}, storage)
    content = path.read_bytes()
    random = np.random.default_rng(4)
    kinds = set()
    for _ in range(300):
        damaged = bytearray(content)
        damaged[random.integers(len(content))] = random.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            kinds.add(type(read_tensors(path)))
        except WeightsError as error:
            kinds.add(type(error))
    assert kinds == {dict, WeightsError}
