"""A run of mixed precision is exported in float32."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tl_keras.errors import UsageError
from tl_keras.export.precision import in_float32
from tl_keras.run import Run


@pytest.fixture
def mixed(trained):
    """The run, opened where Keras computes in bfloat16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    run = Run(trained.folder)
    assert run.classifier.model.layers[-1].compute_dtype != "float32"
    yield run
    keras.config.set_dtype_policy(before)


def test_run_of_float32_is_taken_as_it_is(trained):
    assert in_float32(trained, Run) is trained


def test_run_of_mixed_precision_is_built_anew(mixed, trained):
    run = in_float32(mixed, Run)
    policies = {layer.compute_dtype for layer in run.classifier.model._flatten_layers()}
    assert policies == {"float32"}
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    images = tf.random.stateless_uniform((4, 32, 32, 3), (1, 2), 0, 255)
    found, expected = run.classify(images), trained.classify(images)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_run_that_is_not_evaluated_is_not_exported(trained, tmp_path):
    copy = Run(shutil.copytree(trained.folder, tmp_path / "run"))
    (copy.folder / "metrics.json").unlink()
    with pytest.raises(UsageError, match="tl-keras resume"):
        copy.export(tmp_path / "out")
    (copy.folder / "model.weights.h5").unlink()
    with pytest.raises(UsageError, match="Nothing is trained"):
        Run(copy.folder).export(tmp_path / "out")
    assert not (tmp_path / "out").exists()
