"""Every architecture can be cut at its stages, whatever the size of its images."""

import keras
import numpy as np
import pytest

from tl_keras.architectures.names import ARCHITECTURES, build
from tl_keras.backbones.stages import cut_layers, stage_start, stages

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
STAGES = {
    "lenet5": ("c1_tanh", "c3_tanh", "c5_tanh"),
    "alexnet": ("conv1_pool", "conv4_relu", "conv5_pool"),
    **{f"vgg{depth}": VGG for depth in (11, 13, 16, 19)},
    "googlenet": (
        "conv1_norm",
        "inception3b_concat",
        "inception4e_concat",
        "inception5b_concat",
    ),
    "inception_v3": ("stem1_pool", "mixed2", "mixed7", "mixed10"),
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
QUICK = {"lenet5", "alexnet", "resnet20_cifar"}


def marked(name):
    """Returns a name as a parameter, slow unless it is built quickly."""
    return pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)


def built(name, side):
    shape = (side, side, ARCHITECTURES[name].channels)
    return build(name, num_classes=None, input_shape=shape)


@pytest.fixture(scope="module", params=[marked(name) for name in sorted(ARCHITECTURES)])
def backbone(request):
    """A backbone for small images, which leave its last maps more than one place."""
    side = max(64, ARCHITECTURES[request.param].minimum_size)
    yield request.param, built(request.param, side)
    keras.backend.clear_session()


def test_stages_are_written_down_for_every_architecture():
    assert set(STAGES) == set(ARCHITECTURES)


def test_stages_end_where_the_resolution_falls(backbone):
    name, network = backbone
    assert stages(network) == STAGES[name]


def test_last_stage_ends_at_the_feature_map(backbone):
    _, network = backbone
    assert stage_start(network, stages(network), 0) is network.output


def test_stages_can_be_cut(backbone):
    _, network = backbone
    assert set(stages(network)) <= set(cut_layers(network))


def test_prefix_then_suffix_equals_the_whole_network(backbone):
    _, network = backbone
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (2, *network.input_shape[1:])).astype(np.float32)
    whole = network(images).numpy()
    for unfreeze in range(1, len(stages(network))):
        cut = stage_start(network, stages(network), unfreeze)
        prefix, suffix = (
            keras.Model(network.input, cut),
            keras.Model(cut, network.output),
        )
        parts = suffix(prefix(images)).numpy()
        assert np.allclose(parts, whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max())


def test_feature_map_of_the_test_is_not_trivial(backbone):
    _, network = backbone
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (2, *network.input_shape[1:])).astype(np.float32)
    assert network(images).numpy().std() > 0


def test_every_stage_has_weights_to_train(backbone):
    _, network = backbone
    names = stages(network)
    counts = [
        len(keras.Model(stage_start(network, names, n), network.output).weights)
        for n in range(1, len(names))
    ]
    assert counts == sorted(set(counts)) and (not counts or counts[0] > 0)


@pytest.mark.parametrize("name", [marked(name) for name in sorted(ARCHITECTURES)])
def test_smallest_images_give_the_same_stages(name):
    # In them, several stages have maps of one place.
    assert stages(built(name, ARCHITECTURES[name].minimum_size)) == STAGES[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg11", "resnet18", "mobilenet", "alexnet"])
def test_images_of_the_default_size_give_the_same_stages(name):
    assert stages(built(name, ARCHITECTURES[name].image_size)) == STAGES[name]
