"""Local response normalization against the paper's formula in NumPy."""

import keras
import numpy as np
import pytest

from tl_keras.architectures.lrn import LocalResponseNormalization


def paper(x, k, n, alpha, beta):
    """Computes section 3.3 of the AlexNet paper, channel by channel."""
    result = np.empty_like(x, dtype=np.float64)
    channels = x.shape[-1]
    for channel in range(channels):
        low, high = max(0, channel - n // 2), min(channels - 1, channel + n // 2)
        squares = (x[..., low : high + 1].astype(np.float64) ** 2).sum(-1)
        result[..., channel] = x[..., channel] / (k + alpha * squares) ** beta
    return result


@pytest.fixture
def maps():
    """Feature maps so large that the normalization changes them by half."""
    return np.random.default_rng(0).normal(0, 100, (2, 3, 4, 9)).astype("float32")


def test_defaults_compute_the_papers_formula(maps):
    expected = paper(maps, k=2, n=5, alpha=1e-4, beta=0.75)
    np.testing.assert_allclose(LocalResponseNormalization()(maps), expected, rtol=1e-5)


def test_other_constants_compute_the_papers_formula(maps):
    layer = LocalResponseNormalization(depth_radius=1, k=1.0, alpha=1e-3, beta=0.5)
    expected = paper(maps, k=1, n=3, alpha=1e-3, beta=0.5)
    np.testing.assert_allclose(layer(maps), expected, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "rtol"), [("bfloat16", 1e-2), ("float16", 2e-3)])
def test_low_precision_is_computed_in_float32(maps, dtype, rtol):
    # The square of 300 overflows in float16.
    layer = LocalResponseNormalization(dtype=f"mixed_{dtype}")
    result = layer(maps)
    expected = paper(maps, k=2, n=5, alpha=1e-4, beta=0.75)
    np.testing.assert_allclose(np.asarray(result, "float32"), expected, rtol=rtol)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_result_has_the_dtype_of_the_policy(maps, dtype):
    layer = LocalResponseNormalization(dtype=f"mixed_{dtype}")
    assert keras.backend.standardize_dtype(layer(maps).dtype) == dtype


def test_saved_network_has_the_layers_constants(maps, tmp_path):
    inputs = keras.Input(maps.shape[1:])
    layer = LocalResponseNormalization(depth_radius=1, k=1.5, alpha=1e-3, beta=0.5)
    network = keras.Model(inputs, layer(inputs))
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(maps), network(maps))


def test_shape_is_that_of_the_input():
    layer = LocalResponseNormalization()
    assert layer.compute_output_shape((None, 5, 6, 7)) == (None, 5, 6, 7)
