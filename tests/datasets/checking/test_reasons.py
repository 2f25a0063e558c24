"""TensorFlow's words are the same, and plain, wherever the decoder runs."""

import pytest
import tensorflow as tf

from tl_keras.datasets.checking.reasons import reason


def refuse(content):
    """Fails as the decoder does for what it refuses."""
    message = "animated WebP cannot be decoded rightly: convert it to PNG"
    failure = tf.debugging.Assert(tf.strings.length(content) == 0, [message])
    with tf.control_dependencies([failure]):
        return tf.identity(content)


def eager(function, content):
    function(content)


def compiled(function, content):
    tf.function(function)(content)


def mapped(function, content):
    list(tf.data.Dataset.from_tensors(content).map(function))


@pytest.mark.parametrize("run", [eager, compiled, mapped])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (tf.io.decode_image, "not an image (JPEG, PNG, GIF, BMP and WebP are)"),
        (refuse, "animated WebP cannot be decoded rightly: convert it to PNG"),
    ],
)
def test_reason_is_the_same_wherever_the_decoder_runs(run, function, expected):
    with pytest.raises(tf.errors.OpError) as error:
        run(function, tf.constant(b"just text"))
    assert reason(error.value) == expected
