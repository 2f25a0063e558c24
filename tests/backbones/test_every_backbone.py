"""Every backbone of the catalogue: figures, stages, and cuts that change nothing.

Each network is built once, for small images: of all, figures and stages are looked at;
images run through those that stand for a family, which have random weights.
"""

import keras
import numpy as np
import pytest
from families import FAMILIES

from tl_keras.backbones import catalogue
from tl_keras.backbones.catalogue import CATALOGUE
from tl_keras.backbones.own import OWN
from tl_keras.backbones.stages import cut_layers

VGG = tuple(f"block{index}_pool" for index in range(1, 6))
CIFAR = {20: 3, 32: 5, 44: 7, 56: 9, 110: 18}
RESNETS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
    "plain18": (2, 2, 2, 2),
    "plain34": (3, 4, 6, 3),
}
LITES = {
    0: ("2b_add", "3b_add", "5c_add"),
    1: ("2c_add", "3c_add", "5d_add"),
    2: ("2c_add", "3c_add", "5d_add"),
    3: ("2c_add", "3c_add", "5e_add"),
    4: ("2d_add", "3d_add", "5f_add"),
}
OWN_STAGES = {
    "lenet5": ("c1_tanh", "c3_tanh", "c5_tanh"),
    "alexnet": ("conv1_pool", "conv4_relu", "conv5_pool"),
    **{f"vgg{depth}": VGG for depth in (11, 13, 16, 19)},
    "googlenet": (
        "conv1_norm",
        "inception3b_concat",
        "inception4e_concat",
        "inception5b_concat",
    ),
    "inception_v3": ("stem1_3_relu", "stem2_2_relu", "mixed2", "mixed7", "mixed10"),
    "xception": (
        "block1_conv2_act",
        "block2_add",
        "block3_add",
        "block12_add",
        "block14_sepconv2_act",
    ),
    "mobilenet": tuple(f"conv_pw_{index}_relu" for index in (1, 3, 5, 11, 13)),
    **{
        name: (
            "conv1_relu",
            *(f"conv{stage}_block{n}_out" for stage, n in enumerate(blocks, start=2)),
        )
        for name, blocks in RESNETS.items()
    },
    **{
        f"{kind}{depth}_cifar": tuple(f"conv{s}_block{n}_out" for s in (2, 3, 4))
        for kind in ("resnet", "plain")
        for depth, n in CIFAR.items()
    },
    **{
        f"efficientnet_lite{number}": (
            "block1a_project_bn",
            *(f"block{end}" for end in ends),
            "top_activation",
        )
        for number, ends in LITES.items()
    },
}
# The first block of each stage. Ends have names that Keras numbers anew.
DOWN = tuple(f"downsampling_block_{index}" for index in range(3))
EFFICIENTNET = ("stem", "block2a", "block3a", "block4a", "block6a")
KERAS_STARTS = {
    "vgg": tuple(f"block{index}" for index in range(1, 6)),
    "resnet": ("conv1", *(f"conv{index}_block1" for index in range(2, 6))),
    "inception_v3": ("stem", "mixed3", "mixed8"),
    "inception_resnet_v2": ("stem", "mixed_6a", "mixed_7a"),
    "xception": ("block1", "block2", "block3", "block4", "block13"),
    "mobilenet": ("conv1", "conv_dw_2", "conv_dw_4", "conv_dw_6", "conv_dw_12"),
    "mobilenet_v2": ("Conv1", "block_1", "block_3", "block_6", "block_13"),
    "mobilenet_v3_small": (
        "conv",
        "expanded",
        *(f"expanded_conv_{index}" for index in (1, 3, 8)),
    ),
    "mobilenet_v3_large": (
        "conv",
        *(f"expanded_conv_{index}" for index in (1, 3, 6, 12)),
    ),
    "densenet": ("conv1", "conv2_block1", "pool2", "pool3", "pool4"),
    # A cell reads the two cells before it: it can be cut only behind the stem.
    "nasnet": ("stem_conv1", "normal_concat"),
    "efficientnet": EFFICIENTNET,
    "convnext": ("stem", *DOWN),
    # Their stride is in the last block of a stage.
    **{
        f"{name}_v2": ("conv1", "conv2_block1", "conv2_block3", *rest)
        for name, rest in {
            "resnet50": ("conv3_block4", "conv4_block6"),
            "resnet101": ("conv3_block4", "conv4_block23"),
            "resnet152": ("conv3_block8", "conv4_block36"),
        }.items()
    },
}
QUICK = {"lenet5", "alexnet", "resnet20_cifar", "keras:mobilenet"}
SIDE = 64


def starts(name):
    """Returns the row of `KERAS_STARTS` whose name is the longest part of `name`."""
    name = name.removeprefix("keras:")
    return KERAS_STARTS[max(filter(name.startswith, KERAS_STARTS), key=len)]


def marked(names):
    """Returns names as parameters, slow unless they are built quickly."""
    slow = pytest.mark.slow
    return [pytest.param(name, marks=() if name in QUICK else slow) for name in names]


def zeros(initializer, shape, dtype=None):
    """Stands for the drawing of random weights, which takes most of a build."""
    return keras.ops.zeros(shape, dtype)


def load(name):
    """Returns a backbone for small images."""
    size = max(SIDE, CATALOGUE[name].minimum_size)
    return catalogue.load(name, weights=None, image_size=size)


@pytest.fixture(scope="module", params=marked(CATALOGUE))
def blank(request):
    """A backbone whose kernels are 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)
        backbone = load(request.param)
    yield backbone
    keras.backend.clear_session()


def test_stages_are_written_down_for_every_architecture():
    assert set(OWN_STAGES) == set(OWN)


def test_figures_are_the_networks(blank):
    entry = CATALOGUE[blank.name]
    assert blank.network.count_params() == entry.parameters
    assert blank.network.output_shape[-1] == entry.features


def test_stages_are_where_the_resolution_falls(blank):
    if blank.name in OWN:
        assert blank.stages == OWN_STAGES[blank.name]
    else:
        first = {block.stage: block.name for block in reversed(blank.blocks)}
        found = [first[stage] for stage in sorted(first)]
        expected = starts(blank.name)
        assert len(found) == len(expected)
        assert all(map(str.startswith, found, expected))


def test_every_block_ends_at_a_cut(blank):
    ends = [block.end for block in blank.blocks]
    cuts = cut_layers(blank.network)
    assert [name for name in cuts if name in ends] == ends
    assert ends[-1] == cuts[-1]


@pytest.fixture(scope="module", params=marked(FAMILIES))
def built(request):
    """A backbone with random weights, two images, and what it says of them."""
    backbone = load(request.param)
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (2, *backbone.model.input_shape[1:]))
    images = images.astype(np.float32)
    yield backbone, images, backbone.model(images).numpy()
    keras.backend.clear_session()


def test_feature_map_is_not_trivial(built):
    *_, feature_map = built
    assert np.isfinite(feature_map).all() and feature_map.std() > 0


@pytest.mark.parametrize("unfreeze", ["the last stage", "all but the first", 0.5])
def test_prefix_then_suffix_equals_the_whole_network(built, unfreeze):
    backbone, images, whole = built
    behind_the_first = len(backbone.stages) - 1
    named = {"the last stage": 1, "all but the first": behind_the_first}
    unfreeze = named.get(unfreeze, unfreeze)
    prefix, suffix = backbone.split(unfreeze)
    parts = suffix(prefix(images)).numpy()
    assert np.allclose(parts, whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max())
    total = prefix.count_params() + suffix.count_params()
    assert total == backbone.network.count_params()
    shared = {id(weight) for weight in prefix.weights + suffix.weights}
    assert shared == {id(weight) for weight in backbone.network.weights}
    assert suffix.weights


@pytest.mark.parametrize("name", marked(name for name in FAMILIES if name in OWN))
def test_smallest_images_give_the_same_stages(name):
    # In them, several stages have maps of one place.
    smallest = CATALOGUE[name].minimum_size
    backbone = catalogue.load(name, weights=None, image_size=smallest)
    assert backbone.stages == OWN_STAGES[name]
    keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg11", "resnet18", "mobilenet", "alexnet"])
def test_images_of_the_native_size_give_the_same_stages(name):
    assert catalogue.load(name, weights=None).stages == OWN_STAGES[name]
