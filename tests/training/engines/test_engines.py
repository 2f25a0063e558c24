"""Each engine computes what Keras computes."""

import keras
import numpy as np
import parity
import pytest

from tl_keras.backbones import catalogue
from tl_keras.training.engines import graph, litert, onnx_runtime
from tl_keras.training.engines.contest import verify
from tl_keras.training.engines.engine import Workers

ENGINES = ("graph", "litert", "onnx")
KINDS = {"litert": litert, "onnx": onnx_runtime}
NETWORKS = (
    "efficientnet_lite0",
    "mobilenet_v2",
    "resnet50",
    "vgg16",
    "efficientnet_v2_b0",
)


def images(count, side, seed=0):
    """Returns random pixels, uint8 in [0, 255]."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def make(name, model, dtype, workers=2, threads=1):
    """Makes an engine by name, without measuring anything."""
    frozen = graph.constant_graph(model, dtype)
    if name == "graph":
        return graph.engine(frozen, 4)
    kind = KINDS[name]
    return Workers(name, kind.runs(kind.convert(frozen), workers, threads), 4)


def expected(model, inputs):
    """Computes the outputs by Keras."""
    outputs = model(inputs.astype("float32"), training=False)
    return [np.asarray(part) for part in keras.tree.flatten(outputs)]


def between_stages(backbone):
    """Returns a model with three outputs, those of later layers first."""
    network, stages = backbone.network, backbone.stages
    last = network.get_layer(stages[1]).output
    first = network.get_layer(stages[0]).output
    several = keras.Model(network.input, [network.output, last, first])
    inputs = backbone.inputs()
    return keras.Model(inputs, several(backbone.preprocess(inputs)))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("workers, threads", ((1, 2), (2, 1)))
def test_engine_computes_what_keras_does_for_any_batch_size(
    name, workers, threads, backbone
):
    engine = make(name, backbone.model, np.uint8, workers, threads)
    # Up, down, one alone, and a last batch that is odd.
    for count in (4, 9, 1, 4, 3):
        inputs = images(count, 32, seed=count)
        verify(engine, inputs, expected(backbone.model, inputs))


@pytest.mark.parametrize("name", ENGINES)
def test_outputs_are_float32_in_the_order_of_the_model(name, backbone):
    model = between_stages(backbone)
    inputs = images(5, 32)
    engine = make(name, model, np.uint8)
    verify(engine, inputs, expected(model, inputs))
    assert {part.dtype for part in engine(inputs)} == {np.dtype("float32")}
    assert [part.shape[-1] for part in engine(inputs)] == [8, 6, 4]


@pytest.mark.parametrize("name", ENGINES)
def test_many_outputs_are_not_sorted_as_text(name):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [inputs * number for number in range(2, 14)])
    given = np.ones((3, 4), np.float16)
    found = make(name, model, np.float16)(given)
    assert [part[0, 0] for part in found] == [*range(2, 14)]


def test_the_order_in_which_litert_lists_outputs_does_not_matter():
    names = ("Identity_2", "Identity", "Identity_1")
    details = [{"name": name, "index": place} for place, name in enumerate(names)]
    assert litert.in_order(details) == [1, 2, 0]


@pytest.mark.parametrize("name", ENGINES)
def test_a_part_between_two_cuts_takes_feature_maps_of_16_bits(name, backbone):
    part = backbone.between(backbone.stages[0], backbone.stages[1])
    shape = part.inputs[0].shape[1:]
    inputs = np.random.default_rng(0).normal(0, 1, (5, *shape)).astype(np.float16)
    verify(make(name, part, np.float16), inputs, expected(part, inputs))


@pytest.mark.parametrize("name", ENGINES)
def test_engine_holds_the_weights_as_they_were(name, backbone):
    inputs = images(2, 32)
    before = expected(backbone.model, inputs)
    engine = make(name, backbone.model, np.uint8)
    parity.blank(backbone.network)
    verify(engine, inputs, before)


@pytest.mark.parametrize("name", ENGINES)
def test_results_stay_as_they_are_when_the_engine_goes_on(name, backbone):
    engine = make(name, backbone.model, np.uint8, workers=1)
    first = engine(images(2, 32, seed=1))[0]
    kept = first.copy()
    engine(images(2, 32, seed=2))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("name", KINDS)
def test_making_an_engine_prints_nothing(name, backbone, capfd):
    engine = make(name, backbone.model, np.uint8)
    engine(images(3, 32))
    found = capfd.readouterr()
    assert found.out == "" and found.err == ""


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_engines_compute_what_keras_does_on_real_networks(network):
    backbone = catalogue.load(network, weights=None, image_size=96)
    inputs = images(5, 96)
    parity.fill(backbone.network, backbone.preprocess(inputs.astype("float32")))
    theirs = expected(backbone.model, inputs)
    for name in ENGINES:
        verify(make(name, backbone.model, np.uint8), inputs, theirs)
