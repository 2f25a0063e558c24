"""Which engine is taken, when nothing is converted, and what is remembered."""

import importlib.util
import json

import keras
import numpy as np
import pytest

from tl_keras.config import Config
from tl_keras.errors import TlKerasError, UsageError
from tl_keras.training.engines import choice, contest, litert, onnx_runtime
from tl_keras.training.engines.choice import choose

MANY = 10_000_000


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Keeps contests short: which engine wins is not what is tested."""
    monkeypatch.setattr(choice, "MOST_MEASURED", 0.3)


@pytest.fixture
def model(backbone):
    """A network from pixels to a feature map."""
    return backbone.model


@pytest.fixture
def sample():
    """Sixteen random images."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def conversions(monkeypatch):
    """The names of the engines that were converted, in their order."""
    made = []
    for kind in (litert, onnx_runtime):

        def convert(frozen, kind=kind, real=kind.convert):
            made.append(kind.NAME)
            return real(frozen)

        monkeypatch.setattr(kind, "convert", convert)
    return made


@pytest.fixture
def contests(monkeypatch):
    """The names of the contestants of each contest; the last one wins."""
    held = []

    def last(engines, sample, expected, seconds):
        held.append([engine.name for engine in engines])
        for engine in engines:
            contest.verify(engine, sample, expected)
        engines[-1].batch_size = 4
        return engines[-1]

    monkeypatch.setattr(contest, "fastest", last)
    return held


def use(kind, changes, monkeypatch):
    """Changes what an engine computes from its outputs."""
    real = kind.runs

    def runs(converted, workers, threads):
        made = real(converted, workers, threads)
        return [lambda inputs, run=run: changes(run(inputs)) for run in made]

    monkeypatch.setattr(kind, "runs", runs)


def wrong(outputs):
    """Returns outputs that are off by a hundredth of the largest."""
    return [part + 0.01 * np.abs(part).max() for part in outputs]


def crash(*_):
    """Fails as a converter does."""
    raise RuntimeError("no such operation")


def expected(model, inputs):
    """Computes the output by Keras."""
    return [np.asarray(model(inputs.astype("float32"), training=False))]


def test_auto_takes_a_right_engine_of_a_real_contest(model, sample, tmp_path):
    engine = choose(model, sample, total=MANY, folder=tmp_path)
    contest.verify(engine, sample, expected(model, sample))
    (remembered,) = tmp_path.glob("choice-*.json")
    kept = json.loads(remembered.read_text())
    assert kept["engine"] == engine.name and kept["batch_size"] == engine.batch_size


def test_every_engine_and_number_of_workers_takes_part(
    model, sample, contests, monkeypatch
):
    monkeypatch.setattr(choice.cores, "usable", lambda: 4)
    engine = choose(model, sample, total=MANY)
    assert contests == [["graph", "litert", "litert", "onnx", "onnx"]]
    assert engine.workers == 4 and engine.name == "onnx"


def test_few_inputs_convert_and_measure_nothing(model, sample, conversions, contests):
    assert choose(model, sample, total=100).name == "graph"
    assert conversions == [] and contests == []


def test_conversion_has_to_save_more_than_it_costs(
    model, sample, conversions, contests, monkeypatch
):
    # Seconds of the graph an input: 3,000 s in all save 900 s.
    monkeypatch.setattr(choice, "_seconds_an_input", lambda engine, sample: 1.0)
    making = []
    monkeypatch.setattr(choice, "_making", lambda *_: making[0])
    for cost, chosen in ((1_000.0, "graph"), (500.0, "onnx")):
        making[:] = [cost]
        assert choose(model, sample, total=3_000).name == chosen


def test_where_tensorflow_sees_a_gpu_the_graph_is_taken(
    model, sample, conversions, monkeypatch
):
    config = choice.tf.config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: ["a GPU"])
    assert choose(model, sample, total=MANY).name == "graph"
    assert conversions == []


def test_a_second_run_measures_and_converts_nothing(
    model, sample, conversions, contests, tmp_path
):
    first = choose(model, sample, total=MANY, folder=tmp_path)
    second = choose(model, sample, total=MANY, folder=tmp_path)
    assert conversions == ["litert", "onnx"] and len(contests) == 1
    assert (second.name, second.workers, second.batch_size) == (
        first.name,
        first.workers,
        4,
    )
    contest.verify(second, sample, expected(model, sample))


def test_other_weights_are_converted_anew_but_not_measured(
    backbone, sample, conversions, contests, tmp_path
):
    choose(backbone.model, sample, total=MANY, folder=tmp_path)
    for weight in backbone.network.weights:
        weight.assign(weight * 1.1)
    engine = choose(backbone.model, sample, total=MANY, folder=tmp_path)
    assert conversions == ["litert", "onnx", "onnx"] and len(contests) == 1
    contest.verify(engine, sample, expected(backbone.model, sample))


def test_a_remembered_engine_that_became_wrong_is_found_out(
    model, sample, contests, tmp_path, monkeypatch, caplog
):
    choose(model, sample, total=MANY, folder=tmp_path)
    use(onnx_runtime, wrong, monkeypatch)
    monkeypatch.setattr(contest, "fastest", lambda engines, *_: engines[0])
    engine = choose(model, sample, total=MANY, folder=tmp_path)
    assert engine.name == "graph"
    assert "onnx is left out: NotEqual" in caplog.text


def test_a_damaged_converted_network_is_made_anew(
    model, sample, contests, conversions, tmp_path
):
    choose(model, sample, total=MANY, folder=tmp_path)
    (path,) = tmp_path.glob("network-*.onnx")
    path.write_bytes(b"damaged")
    for _ in range(2):
        engine = choose(model, sample, total=MANY, folder=tmp_path)
        contest.verify(engine, sample, expected(model, sample))
    assert conversions == ["litert", "onnx", "onnx"] and engine.name == "onnx"


@pytest.mark.parametrize("sabotage", ("wrong", "conversion", "opening"))
def test_a_sabotaged_engine_is_never_chosen(
    sabotage, model, sample, tmp_path, monkeypatch, caplog
):
    for kind in (litert, onnx_runtime):
        if sabotage == "wrong":
            use(kind, wrong, monkeypatch)
        else:
            part = {"conversion": "convert", "opening": "runs"}[sabotage]
            monkeypatch.setattr(kind, part, crash)
    engine = choose(model, sample, total=MANY, folder=tmp_path)
    assert engine.name == "graph"
    # One warning an engine, whatever the number of its ways.
    assert ["litert" in caplog.messages[0], "onnx" in caplog.messages[1]] == [True] * 2
    assert len(caplog.messages) == 2


@pytest.fixture
def without_onnx(monkeypatch):
    """A machine on which `tl_keras[onnx]` is not installed."""
    real = importlib.util.find_spec
    missing = {"tf2onnx", "onnx", "onnxruntime"}
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in missing else real(name, *rest),
    )


def test_auto_goes_without_packages_that_are_missing(
    model, sample, contests, without_onnx, caplog
):
    choose(model, sample, total=MANY)
    assert set(contests[0]) == {"graph", "litert"} and not caplog.records


def test_naming_onnx_without_its_packages_names_the_extra(model, sample, without_onnx):
    with pytest.raises(UsageError, match=r"tl_keras\[onnx\]"):
        choose(model, sample, total=10, name="onnx")


def test_an_unknown_engine_is_refused_with_the_known_ones(model, sample):
    with pytest.raises(UsageError, match="Did you mean 'litert'"):
        choose(model, sample, total=10, name="litret")


@pytest.mark.parametrize("name", ("graph", "litert", "onnx"))
def test_an_engine_by_name_is_taken_even_for_few_inputs(name, model, sample, tmp_path):
    engine = choose(model, sample, total=10, name=name, folder=tmp_path)
    assert engine.name == name
    contest.verify(engine, sample, expected(model, sample))


def test_an_engine_by_name_is_remembered_by_itself(
    model, sample, contests, conversions, tmp_path
):
    for name in ("litert", "onnx", "litert"):
        choose(model, sample, total=MANY, name=name, folder=tmp_path)
    assert [{*names} for names in contests] == [{"litert"}, {"onnx"}]
    assert conversions == ["litert", "onnx"]


@pytest.mark.parametrize("name", ("litert", "onnx"))
@pytest.mark.parametrize("sabotage", ("wrong", "conversion"))
def test_an_engine_by_name_that_cannot_do_it_is_an_error(
    sabotage, name, model, sample, monkeypatch
):
    kind = {"litert": litert, "onnx": onnx_runtime}[name]
    if sabotage == "wrong":
        use(kind, wrong, monkeypatch)
    else:
        monkeypatch.setattr(kind, "convert", crash)
    with pytest.raises(TlKerasError, match=f"cache.engine: {name}.*auto"):
        choose(model, sample, total=10, name=name)


def test_a_network_of_several_outputs_and_feature_maps_is_run(backbone, tmp_path):
    network, stages = backbone.network, backbone.stages
    start, inner, end = (
        network.get_layer(name).output for name in (stages[0], "block2_bn", stages[2])
    )
    several = keras.Model(start, [end, inner])
    random = np.random.default_rng(0)
    shape = (3, *several.inputs[0].shape[1:])
    sample = random.normal(0, 1, shape).astype(np.float16)
    engine = choose(several, sample, total=MANY, folder=tmp_path)
    outputs = several(sample.astype("float32"), training=False)
    contest.verify(engine, sample, [np.asarray(part) for part in outputs])


def test_no_clock_chooses_where_all_is_to_be_repeated():
    assert choice.name_for(Config()) == "auto"
    assert choice.name_for(Config(deterministic=True)) == "graph"
