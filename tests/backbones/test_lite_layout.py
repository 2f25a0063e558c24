"""EfficientNet-Lite: the right weights, in the right places, or none."""

import numpy as np
import pytest

from tl_keras.architectures.efficientnet_lite import efficientnet_lite
from tl_keras.backbones import lite_layout
from tl_keras.backbones.catalogue import CATALOGUE
from tl_keras.backbones.lite_layout import load_efficientnet_lite
from tl_keras.errors import WeightsError

TORCH_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


class Fake:
    """A network at 32 pixels and the tensors of a file that fits it."""

    def __init__(self, num_classes):
        self.network = efficientnet_lite(
            input_shape=(32, 32, 3), num_classes=num_classes
        )
        random = np.random.default_rng(0)
        self.tensors = {
            name: random.normal(size=shape).astype(np.float32)
            for name, shape in torch_shapes(1000)
        }

    def load(self, monkeypatch, **changes):
        """Loads the tensors with some changed, or left out where `None`."""
        tensors = {**self.tensors, **changes}
        kept = {name: value for name, value in tensors.items() if value is not None}
        monkeypatch.setattr(lite_layout, "read_tensors", lambda path: kept)
        load_efficientnet_lite(self.network, "a.pth")


def torch_shapes(num_classes):
    """Yields names and shapes of the tensors, written down from the paper's table."""
    yield from conv_bn("_conv_stem", "_bn0", (32, 3, 3, 3))
    table = (
        (16, 1, 1, 3),
        (24, 2, 6, 3),
        (40, 2, 6, 5),
        (80, 3, 6, 3),
        (112, 3, 6, 5),
        (192, 4, 6, 5),
        (320, 1, 6, 3),
    )
    width, index = 32, 0
    for filters, blocks, expansion, side in table:
        for _ in range(blocks):
            block, wide = f"_blocks.{index}.", width * expansion
            if expansion > 1:
                shape = (wide, width, 1, 1)
                yield from conv_bn(f"{block}_expand_conv", f"{block}_bn0", shape)
            shape = (wide, 1, side, side)
            yield from conv_bn(f"{block}_depthwise_conv", f"{block}_bn1", shape)
            shape = (filters, wide, 1, 1)
            yield from conv_bn(f"{block}_project_conv", f"{block}_bn2", shape)
            width, index = filters, index + 1
    yield from conv_bn("_conv_head", "_bn1", (1280, 320, 1, 1))
    yield from (("_fc.weight", (num_classes, 1280)), ("_fc.bias", (num_classes,)))


def conv_bn(conv, bn, shape):
    yield f"{conv}.weight", shape
    for part in TORCH_BATCH_NORM:
        yield f"{bn}.{part}", shape[:1]
    yield f"{bn}.num_batches_tracked", ()


@pytest.fixture(scope="module")
def backbone():
    return Fake(num_classes=None)


@pytest.fixture(scope="module")
def with_top():
    return Fake(num_classes=1000)


def test_kernel_is_turned_from_pytorchs_axes(backbone, monkeypatch):
    backbone.load(monkeypatch)
    kernel = backbone.network.get_layer("block3a_expand_conv").get_weights()[0]
    expected = backbone.tensors["_blocks.3._expand_conv.weight"]
    assert kernel[0, 0, 5, 7] == expected[7, 5, 0, 0]


def test_depthwise_kernel_is_turned_from_pytorchs_axes(backbone, monkeypatch):
    backbone.load(monkeypatch)
    kernel = backbone.network.get_layer("block3a_dwconv").get_weights()[0]
    expected = backbone.tensors["_blocks.3._depthwise_conv.weight"]
    assert kernel[1, 2, 7, 0] == expected[7, 0, 1, 2]


def test_stem_kernel_keeps_height_and_width_apart(backbone, monkeypatch):
    backbone.load(monkeypatch)
    kernel = backbone.network.get_layer("stem_conv").get_weights()[0]
    expected = backbone.tensors["_conv_stem.weight"]
    assert kernel[0, 2, 1, 9] == expected[9, 1, 0, 2]


@pytest.mark.parametrize(
    ("layer", "torch"),
    [
        ("stem_bn", "_bn0"),
        ("block1a_bn", "_blocks.0._bn1"),
        ("block2b_expand_bn", "_blocks.2._bn0"),
        ("block7a_project_bn", "_blocks.15._bn2"),
        ("top_bn", "_bn1"),
    ],
)
def test_batch_normalization_gets_its_four_parts_in_order(
    backbone, monkeypatch, layer, torch
):
    backbone.load(monkeypatch)
    found = backbone.network.get_layer(layer).get_weights()
    expected = [backbone.tensors[f"{torch}.{part}"] for part in TORCH_BATCH_NORM]
    assert np.array_equal(found, expected)


def test_every_weight_of_the_network_is_loaded(backbone, monkeypatch):
    for weight in backbone.network.weights:
        weight.assign(np.full(weight.shape, 77.0))
    backbone.load(monkeypatch)
    untouched = [w.path for w in backbone.network.weights if (w.numpy() == 77.0).any()]
    assert untouched == []


def test_classifier_is_loaded_where_the_network_has_one(with_top, monkeypatch):
    with_top.load(monkeypatch)
    kernel, bias = with_top.network.get_layer("predictions").get_weights()
    expected = with_top.tensors["_fc.weight"]
    assert np.array_equal(kernel, expected.T) and (
        np.array_equal(bias, with_top.tensors["_fc.bias"])
    )


UNFIT = {
    "missing": {"_blocks.3._bn1.running_var": None},
    "missing at the end": {"_bn1.bias": None},
    "left over": {"_blocks.3._se_reduce.weight": np.zeros(3, np.float32)},
    "other shape": {"_conv_head.weight": np.zeros((1280, 321, 1, 1), np.float32)},
    "other number of axes": {"_conv_head.weight": np.zeros((1280,), np.float32)},
    "axes not turned": {"_conv_stem.weight": np.zeros((3, 3, 3, 32), np.float32)},
    "transposed depthwise": {
        "_blocks.0._depthwise_conv.weight": np.zeros((1, 32, 3, 3), np.float32)
    },
}


@pytest.mark.parametrize("changes", UNFIT.values(), ids=UNFIT)
def test_file_that_does_not_fit_is_refused(backbone, monkeypatch, changes):
    with pytest.raises(WeightsError, match="a.pth does not fit efficientnet_lite0"):
        backbone.load(monkeypatch, **changes)


@pytest.mark.parametrize("changes", UNFIT.values(), ids=UNFIT)
def test_file_that_does_not_fit_changes_no_weight(backbone, monkeypatch, changes):
    marked = backbone.network.get_layer("stem_bn")
    marked.set_weights(np.full((4, 32), 5.0))
    with pytest.raises(WeightsError):
        backbone.load(monkeypatch, **changes)
    assert (np.array(marked.get_weights()) == 5.0).all()


def test_classifier_of_another_number_of_classes_is_refused(with_top, monkeypatch):
    ten = {"_fc.weight": np.zeros((10, 1280)), "_fc.bias": np.zeros(10)}
    with pytest.raises(WeightsError, match="layer 'predictions' needs"):
        with_top.load(monkeypatch, **ten)


@pytest.mark.parametrize("name", ["_fc.weight", "_fc.bias"])
def test_missing_classifier_is_refused_where_the_network_has_one(
    with_top, monkeypatch, name
):
    with pytest.raises(WeightsError, match=f"missing .*{name}"):
        with_top.load(monkeypatch, **{name: None})


@pytest.fixture(scope="module")
def imagenet():
    """Lite0 with its top and the real weights, at its native size."""
    network = efficientnet_lite()
    load_efficientnet_lite(network, CATALOGUE["efficientnet_lite0"].weights.path())
    return network


@pytest.mark.slow
def test_imagenet_weights_see_a_palace_in_a_photo_of_one(imagenet):
    from PIL import Image
    from sklearn.datasets import load_sample_image

    palace = 698
    photo = Image.fromarray(load_sample_image("china.jpg")).crop((106, 0, 533, 427))
    pixels = np.asarray(photo.resize((224, 224), Image.Resampling.BICUBIC), np.float32)
    logits = imagenet((pixels[np.newaxis] - 127) / 128).numpy()[0]
    assert palace in np.argsort(logits)[-5:]


@pytest.mark.slow
def test_imagenet_statistics_are_no_fresh_ones(imagenet):
    variance = imagenet.get_layer("top_bn").moving_variance.numpy()
    assert not (variance == 1.0).any()
