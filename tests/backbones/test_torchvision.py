"""torchvision's ResNets: the same numbers from the same tensors, or a refusal."""

import json
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from tl_keras.architectures.resnet import resnet
from tl_keras.backbones.torchvision import load_resnet
from tl_keras.errors import WeightsError

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
CLASSES = 10
EPSILON = 1e-5


def torchvision_tensors(variant, seed=0):
    """Returns random tensors under the names that torchvision gives, a dictionary."""
    random = np.random.default_rng(seed)
    tensors = {}

    def conv(name, out, into, side):
        shape, deviation = (out, into, side, side), (2 / (into * side**2)) ** 0.5
        tensors[f"{name}.weight"] = random.normal(0, deviation, shape)

    def bn(name, width):
        tensors[f"{name}.weight"] = random.uniform(0.5, 1.0, width)
        tensors[f"{name}.bias"] = random.normal(0, 0.2, width)
        tensors[f"{name}.running_mean"] = random.normal(0, 0.2, width)
        tensors[f"{name}.running_var"] = random.uniform(0.5, 1.5, width)

    conv("conv1", 64, 3, 7)
    bn("bn1", 64)
    into = 64
    for layer, (width, count) in enumerate(
        zip((64, 128, 256, 512), BLOCKS[variant]), start=1
    ):
        for index in range(count):
            block = f"layer{layer}.{index}"
            conv(f"{block}.conv1", width, into, 3)
            bn(f"{block}.bn1", width)
            conv(f"{block}.conv2", width, width, 3)
            bn(f"{block}.bn2", width)
            if into != width:
                conv(f"{block}.downsample.0", width, into, 1)
                bn(f"{block}.downsample.1", width)
            into = width
    tensors["fc.weight"] = random.normal(0, 0.05, (CLASSES, 512))
    tensors["fc.bias"] = random.normal(0, 0.5, CLASSES)
    tensors = {name: value.astype(np.float32) for name, value in tensors.items()}
    counters = [name for name in tensors if name.endswith("running_var")]
    for name in counters:
        counter = name.replace("running_var", "num_batches_tracked")
        tensors[counter] = np.array(7, np.int64)
    return tensors


def torchvision_features(tensors, images, variant):
    """Computes torchvision's feature map from its tensors, step by step."""

    def conv(x, name, stride, pad):
        x = tf.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        kernel = np.moveaxis(tensors[f"{name}.weight"], (0, 1), (3, 2))
        return tf.nn.conv2d(x, kernel, stride, "VALID")

    def bn(x, name):
        mean, variance, scale, shift = (
            tensors[f"{name}.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(variance + EPSILON) * scale + shift

    x = tf.nn.relu(bn(conv(tf.constant(images), "conv1", 2, 3), "bn1"))
    frame = ((0, 0), (1, 1), (1, 1), (0, 0))
    x = tf.nn.max_pool2d(tf.pad(x, frame, constant_values=-np.inf), 3, 2, "VALID")
    for layer, count in enumerate(BLOCKS[variant], start=1):
        for index in range(count):
            block = f"layer{layer}.{index}"
            stride = 2 if layer > 1 and index == 0 else 1
            branch = conv(x, f"{block}.conv1", stride, 1)
            branch = tf.nn.relu(bn(branch, f"{block}.bn1"))
            branch = bn(conv(branch, f"{block}.conv2", 1, 1), f"{block}.bn2")
            if f"{block}.downsample.0.weight" in tensors:
                x = conv(x, f"{block}.downsample.0", stride, 0)
                x = bn(x, f"{block}.downsample.1")
            x = tf.nn.relu(x + branch)
    return x.numpy()


def torchvision_logits(tensors, images, variant):
    """Computes torchvision's logits from its tensors."""
    pooled = torchvision_features(tensors, images, variant).mean((1, 2))
    return pooled @ tensors["fc.weight"].T + tensors["fc.bias"]


def pixels(side, seed=3):
    random = np.random.default_rng(seed)
    return random.normal(0, 1, (2, side, side + 6, 3)).astype(np.float32)


def build(variant="resnet18", side=64, num_classes=CLASSES):
    return resnet(
        variant=variant, input_shape=(side, side + 6, 3), num_classes=num_classes
    )


@pytest.fixture(scope="module")
def tensors():
    return torchvision_tensors("resnet18")


@pytest.fixture(scope="module")
def file(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("torchvision") / "resnet18.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def network():
    return build()


@pytest.fixture(scope="module")
def backbone():
    return build(num_classes=None)


def close(found, expected):
    scale = np.abs(expected).max()
    return np.allclose(found / scale, expected / scale, rtol=1e-4, atol=1e-5)


def test_logits_are_those_of_torchvision(network, file, tensors):
    load_resnet(network, file)
    images = pixels(64)
    assert close(
        network(images).numpy(), torchvision_logits(tensors, images, "resnet18")
    )


def test_feature_map_is_that_of_torchvision(backbone, file, tensors):
    load_resnet(backbone, file)
    images = pixels(64)
    expected = torchvision_features(tensors, images, "resnet18")
    assert close(backbone(images).numpy(), expected)


def test_logits_depend_on_the_tensors(tensors):
    # Shows that the equality above is one of numbers that the weights made.
    images = pixels(64)
    first = torchvision_logits(tensors, images, "resnet18")
    other = torchvision_tensors("resnet18", seed=1)
    second = torchvision_logits(other, images, "resnet18")
    assert not close(first, second) and first.std() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "side"), [("resnet18", 97), ("resnet34", 64), ("resnet34", 224)]
)
def test_logits_are_those_of_torchvision_at_other_sizes(tmp_path, variant, side):
    tensors = torchvision_tensors(variant)
    save_file(tensors, tmp_path / "a.safetensors")
    network, images = build(variant, side), pixels(side)
    load_resnet(network, tmp_path / "a.safetensors")
    expected = torchvision_logits(tensors, images, variant)
    assert close(network(images).numpy(), expected)


def test_every_weight_is_loaded(network, file):
    for weight in network.weights:
        weight.assign(np.full(weight.shape, 77.0))
    load_resnet(network, file)
    untouched = [w.path for w in network.weights if (w.numpy() == 77.0).any()]
    assert untouched == []


ZEROS = np.zeros
UNFIT = {
    "missing": ({"layer3.1.bn2.bias": None}, r"missing \['layer3.1.bn2.bias'\]"),
    "missing projection": (
        {"layer2.0.downsample.0.weight": None},
        r"missing \['layer2.0.downsample.0.weight'\]",
    ),
    "missing head": ({"fc.weight": None}, r"missing \['fc.weight'\]"),
    "left over": (
        {"layer1.2.conv1.weight": ZEROS((64, 64, 3, 3), np.float32)},
        r"left over \['layer1.2.conv1.weight'\]",
    ),
    "bias of a convolution": (
        {"conv1.bias": ZEROS(64, np.float32)},
        r"left over \['conv1.bias'\]",
    ),
    "other shape": (
        {"layer1.0.conv1.weight": ZEROS((64, 64, 1, 1), np.float32)},
        "layer 'conv2_block1_1_conv' needs",
    ),
    "other classes": (
        {"fc.weight": ZEROS((9, 512), np.float32)},
        "layer 'predictions' needs",
    ),
    "whole numbers": (
        {"bn1.bias": ZEROS(64, np.int32)},
        "has int32 in 'bn1.bias'. Save its tensors as float32",
    ),
}


@pytest.fixture(params=UNFIT.values(), ids=UNFIT)
def unfit(request, tensors, tmp_path):
    """A file that does not fit, and what is said of it."""
    changes, words = request.param
    changed = {**tensors, **changes}
    kept = {name: value for name, value in changed.items() if value is not None}
    save_file(kept, tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors", words


def test_file_that_does_not_fit_is_refused_with_what_is_wrong(network, unfit):
    path, words = unfit
    with pytest.raises(WeightsError, match=f"a.safetensors .*{words}"):
        load_resnet(network, path)


def test_file_that_does_not_fit_changes_no_weight(network, unfit):
    marked = network.get_layer("conv1_bn")
    marked.set_weights(np.full((4, 64), 5.0))
    with pytest.raises(WeightsError):
        load_resnet(network, unfit[0])
    assert (np.array(marked.get_weights()) == 5.0).all()


def test_backbone_leaves_the_classifier_of_the_file_aside(backbone, file):
    load_resnet(backbone, file)
    assert "predictions" not in {layer.name for layer in backbone.layers}


def test_half_precision_is_read(backbone, tensors, tmp_path):
    halves = {
        name: value.astype(np.float16) if value.dtype == np.float32 else value
        for name, value in tensors.items()
    }
    save_file(halves, tmp_path / "half.safetensors")
    load_resnet(backbone, tmp_path / "half.safetensors")
    found = backbone.get_layer("conv1_bn").get_weights()[0]
    assert np.array_equal(found, halves["bn1.weight"].astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variant": "resnet34"}, r"missing \['layer1.2.conv1.weight'"),
        ({"variant": "resnet50"}, r"missing \['conv1.bias'"),
        ({"variant": "resnet18", "shortcut": None}, r"left over .*downsample"),
    ],
    ids=str,
)
def test_other_networks_of_the_family_are_refused(file, options, words):
    network = resnet(input_shape=(32, 32, 3), num_classes=CLASSES, **options)
    with pytest.raises(WeightsError, match=words):
        load_resnet(network, file)


def test_network_that_is_no_resnet_is_named(file):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Conv2D(2, 1, name="other")(inputs)
    network = keras.Model(inputs, outputs, name="small")
    with pytest.raises(WeightsError, match="small is no ResNet.*layer 'other'"):
        load_resnet(network, file)


def test_missing_file_is_named(network, tmp_path):
    with pytest.raises(WeightsError, match="gone.safetensors cannot be read"):
        load_resnet(network, tmp_path / "gone.safetensors")


@pytest.mark.parametrize("content", [b"", b"text", b"\xff" * 100, b"PK\3\4" * 9])
def test_other_file_is_refused(network, tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        load_resnet(network, path)


def test_file_that_is_cut_off_is_refused(network, file, tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(WeightsError, match="or is damaged"):
        load_resnet(network, path)


@pytest.mark.parametrize(("dtype", "size"), [("F8_E4M3", 1), ("BF16", 2)])
def test_type_that_numpy_lacks_is_refused(network, tmp_path, dtype, size):
    entry = {"dtype": dtype, "shape": [2], "data_offsets": [0, 2 * size]}
    header = json.dumps({"bn1.bias": entry}).encode()
    path = tmp_path / "a.safetensors"
    content = struct.pack("<Q", len(header)) + header + bytes(2 * size)
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="a.safetensors"):
        load_resnet(network, path)
