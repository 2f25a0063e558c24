"""What every architecture of the table must do, one set of tests for all of them."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tl_keras.architectures import cost
from tl_keras.architectures.names import ARCHITECTURES, build, names
from tl_keras.errors import UsageError

DEPTHS = (20, 32, 44, 56, 110)
NAMES = {
    *("lenet5", "alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "googlenet"),
    *("inception_v3", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("plain18", "plain34", "xception", "mobilenet"),
    *(f"{kind}{depth}_cifar" for kind in ("resnet", "plain") for depth in DEPTHS),
    *(f"efficientnet_lite{number}" for number in range(5)),
}
# One of each structure. The others differ from these in depth and width, which their
# parameters and multiply-adds tell: those are counted of all.
STRUCTURES = {
    *("lenet5", "alexnet", "vgg11", "googlenet", "inception_v3", "resnet18"),
    *("resnet50", "plain18", "xception", "mobilenet", "resnet20_cifar"),
    *("plain20_cifar", "efficientnet_lite0"),
}
# Those that are built, and take a step, in about a second.
QUICK = {"lenet5", "resnet20_cifar"}
CLASSES = 5
BATCH = 4

# Parameters with the top, statistics of batch normalization included.
COUNTED = {
    # Caffe's network with its two groups has as many.
    "alexnet": 60_965_224,
    # Counted by hand from the 1998 paper's layers, C3 connected to all maps.
    "lenet5": 61_706,
    # torchvision's documentation.
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    # keras.applications, `count_params()`.
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "inception_v3": 23_851_784,
    "resnet50": 25_636_712,
    "resnet101": 44_707_176,
    "resnet152": 60_419_944,
    "xception": 22_910_480,
    "mobilenet": 4_253_864,
    # The tensors in the packages with the released weights.
    "efficientnet_lite0": 4_694_024,
    "efficientnet_lite1": 5_470_344,
    "efficientnet_lite2": 6_150_168,
}
TRAINABLE = {
    # torchvision's documentation.
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    # resnet34 less its three projections, with their batch normalization.
    "plain34": 21_797_672 - sum(2 * a * a + 4 * a for a in (64, 128, 256)),
    # The 2014 paper's Table 1, summed up, its 1000-way layer and all biases included.
    "googlenet": 6_998_552,
}
# In millions, as they are printed: the paper's Table 6, the release notes.
PRINTED = {
    "resnet20_cifar": 0.27,
    "resnet32_cifar": 0.46,
    "resnet44_cifar": 0.66,
    "resnet56_cifar": 0.85,
    "resnet110_cifar": 1.7,
    "efficientnet_lite3": 8.2,
    "efficientnet_lite4": 13.0,
}


def by_name():
    """Returns a name of each structure as a parameter, all but the quick ones slow."""
    return [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in sorted(STRUCTURES)
    ]


def shape(name, side):
    return (side, side, ARCHITECTURES[name].channels)


def small(name):
    """Returns a small image's shape that the architecture takes."""
    return shape(name, max(32, ARCHITECTURES[name].minimum_size))


def images(network, count=BATCH):
    random = np.random.default_rng(0)
    return random.uniform(-1, 1, (count, *network.input_shape[1:])).astype(np.float32)


@pytest.fixture(scope="module", params=by_name())
def name(request):
    yield request.param
    keras.backend.clear_session()


@pytest.fixture(scope="module")
def network(name):
    """The network with a top for a few classes, for small images."""
    keras.utils.set_random_seed(0)
    return build(name, num_classes=CLASSES, input_shape=small(name))


@pytest.fixture(scope="module")
def backbone(name):
    """The network without its top, for small images."""
    return build(name, num_classes=None, input_shape=small(name))


@pytest.fixture
def mixed():
    """The bfloat16 policy, for one test."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def test_table_has_the_names_that_are_promised():
    assert set(ARCHITECTURES) == NAMES


def test_names_are_those_of_the_table_in_order():
    assert names() == sorted(ARCHITECTURES)


def test_unknown_architecture_is_answered_with_the_nearest_one():
    with pytest.raises(
        UsageError, match="Unknown architecture 'resnet_18'. Did you mean 'resnet18'"
    ):
        build("resnet_18")


def test_unknown_option_is_answered_with_the_nearest_one():
    with pytest.raises(
        UsageError,
        match="Unknown option 'widths' of mobilenet. Did you mean 'width'. "
        "Known: input_shape, num_classes, width.",
    ):
        build("mobilenet", widths=0.5)


@pytest.mark.parametrize("option", ["variant", "shortcut"])
def test_option_that_the_name_decides_is_unknown(option):
    with pytest.raises(UsageError, match=f"Unknown option '{option}' of plain18"):
        build("plain18", **{option: "resnet34"})


def test_option_reaches_the_builder():
    half = build("mobilenet", num_classes=None, input_shape=(32, 32, 3), width=0.25)
    assert half.output_shape[-1] == 256


def test_model_has_the_name_that_it_is_known_by(name, network):
    # VGG's, GoogLeNet's and the others' names carry no options.
    assert network.name == name


def test_network_gives_one_logit_a_class(network):
    assert network.output_shape == (None, CLASSES)


def test_backbone_ends_at_a_feature_map(backbone):
    assert len(backbone.output_shape) == 4 and None not in backbone.output_shape[1:]


def test_backbone_has_fewer_parameters_than_the_network(network, backbone):
    assert 0 < backbone.count_params() < network.count_params()


def test_layer_names_are_unique(network):
    found = [layer.name for layer in network.layers]
    assert len(set(found)) == len(found)


def test_layer_names_are_the_same_in_every_build(network, backbone):
    # Numbers that Keras gives would go on from the first build to the second.
    own = {layer.name for layer in network.layers}
    assert [layer.name for layer in backbone.layers if layer.name not in own] == []


def test_layers_are_operations_with_names_of_their_own(network):
    # `x + y` would make an operation that Keras numbers, and that is no layer.
    assert len(network.operations) == len(network.layers)


def test_logits_are_no_probabilities(network):
    logits = network(images(network)).numpy()
    assert not np.allclose(logits.sum(1), 1)


def test_logits_of_random_pixels_are_finite(network):
    assert np.isfinite(network(images(network)).numpy()).all()


def test_logits_depend_on_the_image(network):
    logits = network(images(network)).numpy()
    assert (logits.std(0) > 0).all()


@pytest.fixture(scope="module")
def first_step(network):
    """The loss of a batch in training, and its gradients."""
    with tf.GradientTape() as tape:
        loss = training_loss(network)
    return float(loss), tape.gradient(loss, network.trainable_weights)


def training_loss(network):
    """Returns the loss of one batch in training mode, with one choice of dropout."""
    batch = images(network)
    weights = {id(weight) for weight in network.weights}
    for seed in (x for x in network.variables if id(x) not in weights):
        seed.assign(np.arange(np.prod(seed.shape)).reshape(seed.shape))
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        np.arange(BATCH), network(batch, training=True)
    )


def test_every_trainable_weight_gets_a_gradient(network, first_step):
    missing = [
        weight.path
        for weight, gradient in zip(network.trainable_weights, first_step[1])
        if gradient is None or not np.isfinite(gradient.numpy()).all()
    ]
    assert missing == []


def test_small_step_against_the_gradient_lowers_the_loss(network, first_step):
    loss, gradients = first_step
    before = network.get_weights()
    for weight, gradient in zip(network.trainable_weights, gradients):
        length, size = (float(tf.norm(x)) for x in (gradient, weight.value))
        # To first order all steps take a fiftieth of the loss away, each an equal
        # part, but none changes a weight by more than a hundredth.
        share = 0.02 * loss / len(gradients)
        if length:
            weight.assign_sub(min(share / length, 0.01 * size) / length * gradient)
    after = float(training_loss(network))
    network.set_weights(before)
    assert 0.96 * loss < after < 0.999 * loss


def test_saved_network_gives_the_same_logits(network, tmp_path):
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    batch = images(network)
    assert np.array_equal(loaded(batch).numpy(), network(batch).numpy())


def test_grouped_convolutions_have_gradients_in_a_graph_on_the_cpu():
    network = build("alexnet", num_classes=None, input_shape=(67, 67, 3), groups=2)

    @tf.function(jit_compile=False)
    def gradients(batch):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(batch, training=True))
        return tape.gradient(loss, network.trainable_weights)

    assert all(np.abs(x).max() > 0 for x in gradients(images(network)))


def test_logits_are_finite_in_mixed_precision(name, mixed):
    network = build(name, num_classes=CLASSES, input_shape=small(name))
    logits = network(images(network))
    assert np.isfinite(tf.cast(logits, tf.float32).numpy()).all()


def test_smallest_image_works(name):
    smallest = shape(name, ARCHITECTURES[name].minimum_size)
    network = build(name, num_classes=CLASSES, input_shape=smallest)
    assert np.isfinite(network(images(network)).numpy()).all()


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("side", [0, 1], ids=["height", "width"])
@pytest.mark.parametrize("num_classes", [CLASSES, None])
def test_smaller_image_is_refused_with_its_size(architecture, side, num_classes):
    received = list(shape(architecture, ARCHITECTURES[architecture].minimum_size))
    received[side] -= 1
    with pytest.raises(UsageError, match=re.escape(f"Received: {tuple(received)}")):
        build(architecture, input_shape=tuple(received), num_classes=num_classes)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_no_class_is_refused(architecture):
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        build(architecture, num_classes=0)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_record_names_its_paper(architecture):
    record = ARCHITECTURES[architecture]
    assert "http" in record.paper and 1998 <= record.year <= 2020


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def full(request):
    """Name, default network, and its number of trainable parameters."""
    network = build(request.param)
    trainable = sum(int(np.prod(w.shape)) for w in network.trainable_weights)
    yield request.param, network, trainable
    keras.backend.clear_session()


@pytest.mark.slow
def test_default_network_takes_the_images_of_the_table(full):
    name, network, _ = full
    assert network.input_shape[1:] == shape(name, ARCHITECTURES[name].image_size)


@pytest.mark.slow
def test_default_network_has_the_parameters_of_the_table(full):
    name, network, _ = full
    assert network.count_params() == ARCHITECTURES[name].parameters


@pytest.mark.slow
def test_default_network_has_the_multiply_adds_of_the_table(full):
    name, network, _ = full
    assert cost.total(network).multiply_adds == ARCHITECTURES[name].multiply_adds


@pytest.mark.slow
def test_default_network_has_the_published_parameters(full):
    name, network, trainable = full
    if name in COUNTED:
        assert network.count_params() == COUNTED[name]
    elif name in TRAINABLE:
        assert trainable == TRAINABLE[name]
    elif name in PRINTED:
        digits = len(str(PRINTED[name]).partition(".")[2])
        assert round(trainable / 1e6, digits) == PRINTED[name]
    else:
        assert name.startswith("plain")


@pytest.mark.slow
@pytest.mark.parametrize("depth", DEPTHS)
def test_plain_network_for_cifar_has_the_parameters_of_its_twin(depth):
    # Option A's shortcuts have none.
    twin, plain = (
        ARCHITECTURES[f"{kind}{depth}_cifar"] for kind in ("resnet", "plain")
    )
    assert plain.parameters == twin.parameters
