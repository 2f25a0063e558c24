"""The sweep over backbones and formats: a few of them, and its table."""

import pytest
import sweep_exports

from tl_keras.export.artifacts import TABLE

FLOATS = [artifact.file for artifact in TABLE if not artifact.counted]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "mobilenet_v3_small", "resnet18"])
def test_backbone_runs_in_every_format(name):
    found = sweep_exports.differences(name)
    assert list(found) == [artifact.file for artifact in TABLE]
    assert all(isinstance(value, float) for value in found.values()), found
    assert all(found[file] < 1e-3 for file in FLOATS)


def test_what_is_refused_is_named_with_its_reason():
    results = {"a": dict.fromkeys(FLOATS, 1e-7), "b": {"model.onnx": "b cannot: why"}}
    shown = sweep_exports.table(results)
    assert "| `a` | 1e-07 |" in shown and "| `b` | refused |" in shown
    assert shown.endswith("- b cannot: why\n")
