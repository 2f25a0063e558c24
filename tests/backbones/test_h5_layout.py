"""HDF5: its types, its links, its files' oddities; both layouts of Keras."""

import h5py
import numpy as np
import parity
import pytest
from small_networks import draw, equal, small, values, write_weights_h5

from tl_keras.backbones.h5_layout import load_h5
from tl_keras.errors import WeightsError

# The kernel of `conv1` in each of the layouts.
KERNELS = {
    parity.write_keras_file: "conv1/conv1/kernel",
    write_weights_h5: "layers/conv2d/vars/0",
}


@pytest.fixture(scope="module")
def theirs():
    return draw(small())


@pytest.fixture(scope="module")
def ours():
    return small()


@pytest.fixture(params=KERNELS, ids=["legacy", "weights_h5"])
def written(request, tmp_path, theirs):
    """A file and the name of its first kernel."""
    return request.param(tmp_path / "file.h5", theirs), KERNELS[request.param]


def replace(path, name, value, **attributes):
    """Puts another array into a file."""
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = value
        file[name].attrs.update(attributes)


def texts(names):
    return [name if isinstance(name, str) else name.decode() for name in names]


def refused(network, path, words):
    """Asserts that a file is refused and the network left as it was."""
    before = values(network)
    with pytest.raises(WeightsError, match=words):
        load_h5(network, path)
    assert equal(before, values(network))


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", ">f8"])
def test_float_of_another_kind_is_cast(written, ours, dtype):
    value = np.arange(3 * 3 * 3 * 4).reshape(3, 3, 3, 4)
    replace(*written, value.astype(dtype))
    load_h5(ours, written[0])
    assert np.array_equal(ours.get_layer("conv1").kernel, value.astype("float32"))


def test_number_too_large_for_the_network_is_refused(written, ours):
    replace(*written, np.full((3, 3, 3, 4), 1e300))
    refused(ours, written[0], "not finite in 'conv1/kernel'")


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "complex64", "S4", "V2"])
def test_anything_but_floats_is_refused(written, ours, dtype):
    replace(*written, np.zeros((3, 3, 3, 4), dtype))
    refused(ours, written[0], r"'conv1' needs kernel .*, the file has .*\(3, 3, 3, 4\)")


def test_bfloat16_is_refused_by_its_name(written, ours):
    replace(*written, np.zeros((3, 3, 3, 4), "V2"), dtype="bfloat16")
    refused(ours, written[0], r"\(3, 3, 3, 4\) bfloat16")


def test_transposed_kernel_is_refused(written, ours):
    replace(*written, np.zeros((4, 3, 3, 3), "float32"))
    refused(ours, written[0], r"the file has .*\(4, 3, 3, 3\)")


def test_missing_array_is_refused(written, ours):
    path, name = written
    with h5py.File(path, "r+") as file:
        del file[name]
    refused(ours, path, "cut off or damaged|'conv1' needs kernel")


def test_array_without_values_is_refused(written, ours):
    replace(*written, h5py.Empty("f"))
    refused(ours, written[0], "is no array")


def test_group_in_the_place_of_an_array_is_refused(written, ours):
    path, name = written
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_group(name)
    refused(ours, path, "is no array")


@pytest.mark.parametrize("link", ["soft", "external"])
def test_link_to_another_place_is_refused(written, ours, tmp_path, link):
    path, name = written
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.zeros((3, 3, 3, 4), "float32")
    with h5py.File(path, "r+") as file:
        del file[name]
        file["secret"] = np.zeros((3, 3, 3, 4), "float32")
        file[name] = (
            h5py.SoftLink("/secret")
            if link == "soft"
            else h5py.ExternalLink(tmp_path / "other.h5", "secret")
        )
    refused(ours, path, "it has a link to another place")


def test_group_that_is_a_link_is_refused(written, ours, tmp_path):
    path, name = written
    parent = name.partition("/vars")[0].rpartition("/")[0] or "conv1"
    with h5py.File(path, "r+") as file:
        file.move(parent, "elsewhere")
        file[parent] = h5py.SoftLink("/elsewhere")
    refused(ours, path, "it has a link to another place")


def test_values_in_another_file_are_refused(written, ours, tmp_path):
    path, name = written
    (tmp_path / "passwords").write_bytes(bytes(3 * 3 * 3 * 4 * 4))
    with h5py.File(path, "r+") as file:
        del file[name]
        outside = [(str(tmp_path / "passwords"), 0, 3 * 3 * 3 * 4 * 4)]
        file.create_dataset(name, (3, 3, 3, 4), "float32", external=outside)
    refused(ours, path, "lie in another file")


def test_virtual_array_is_refused(written, ours, tmp_path):
    path, name = written
    layout = h5py.VirtualLayout((3, 3, 3, 4), "float32")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "a", (3, 3, 3, 4))
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_virtual_dataset(name, layout)
    refused(ours, path, "lie in another file")


def test_array_that_only_claims_to_be_huge_is_never_read(written, ours):
    path, name = written
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, (10**6, 10**6), "float32", chunks=(100, 100))
    refused(ours, path, r"\(1000000, 1000000\)")


def test_group_that_contains_itself_is_refused(tmp_path, theirs, ours):
    path = write_weights_h5(tmp_path / "file", theirs)
    with h5py.File(path, "r+") as file:
        file["layers/again"] = file["/"]
    refused(ours, path, "the file has 'again', the network no such layer")


def test_byte_that_changed_in_a_compressed_array_is_found(written, ours):
    path, name = written
    with h5py.File(path, "r+") as file:
        del file[name]
        random = np.random.default_rng(0).normal(size=(3, 3, 3, 4))
        options = {"data": random, "compression": "gzip", "fletcher32": True}
        place = file.create_dataset(name, **options).id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 20] ^= 255
    path.write_bytes(content)
    refused(ours, path, "cut off or damaged")


def test_long_list_of_layers_in_parts_is_read(tmp_path, theirs, ours):
    path = parity.write_keras_file(tmp_path / "file.h5", theirs)
    with h5py.File(path, "r+") as file:
        names = list(file.attrs.pop("layer_names"))
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:3], names[3:]
    load_h5(parity.blank(ours), path)
    assert equal(values(ours), values(theirs))


@pytest.mark.parametrize("dtype", ["S40", h5py.string_dtype()])
def test_names_in_either_way_of_writing_text_are_read(tmp_path, theirs, ours, dtype):
    path = parity.write_keras_file(tmp_path / "file.h5", theirs)
    with h5py.File(path, "r+") as file:
        names = [name.encode() for name in texts(file.attrs.pop("layer_names"))]
        file.attrs["layer_names"] = np.array(names, dtype)
    load_h5(parity.blank(ours), path)
    assert equal(values(ours), values(theirs))


def rename(path, layer, changes):
    """Gives a layer's arrays other names, as other versions of Keras do."""
    with h5py.File(path, "r+") as file:
        group = file[layer]
        names = texts(group.attrs["weight_names"])
        for old, new in changes.items():
            group.move(f"{layer}/{old}", f"{layer}/{new}")
            names[names.index(f"{layer}/{old}")] = f"{layer}/{new}"
        group.attrs["weight_names"] = [name.encode() for name in names]


def test_old_names_of_arrays_do_not_matter(tmp_path, theirs, ours):
    path = parity.write_keras_file(tmp_path / "file.h5", theirs)
    rename(path, "conv1", {"kernel": "conv1_W_1:0"})
    load_h5(parity.blank(ours), path)
    assert equal(values(ours), values(theirs))


@pytest.mark.parametrize("ending", ["", ":0"])
def test_arrays_in_another_order_find_their_places_by_name(
    tmp_path, theirs, ours, ending
):
    path = parity.write_keras_file(tmp_path / "file.h5", theirs)
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    if ending:
        rename(path, "block0_sepconv_bn", {x: f"{x}{ending}" for x in parts})
    with h5py.File(path, "r+") as file:
        attributes = file["block0_sepconv_bn"].attrs
        attributes["weight_names"] = attributes["weight_names"][::-1]
    load_h5(parity.blank(ours), path)
    assert equal(values(ours), values(theirs))


def test_file_without_the_layers_names_is_loaded_by_class(tmp_path, theirs, ours):
    # As Keras 3 wrote it before it noted the names.
    path = write_weights_h5(tmp_path / "file", theirs)
    with h5py.File(path, "r+") as file:
        for group in file["layers"].values():
            group["vars"].attrs.pop("name", None)
    load_h5(parity.blank(ours), path)
    assert equal(values(ours), values(theirs))


def test_state_of_the_optimizer_is_left_aside(tmp_path, ours):
    network = draw(small())
    network.compile("adam", "mse")
    network.fit(np.zeros((1, 8, 8, 3)), np.zeros((1, 8, 8, 4)), verbose=0)
    path = write_weights_h5(tmp_path / "file", network)
    load_h5(parity.blank(ours), path)
    assert equal(values(ours), values(network))


def test_frozen_network_is_loaded_like_another(written, theirs):
    network = parity.blank(small())
    network.trainable = False
    load_h5(network, written[0])
    assert equal(values(network), values(theirs))
