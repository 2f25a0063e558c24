"""TensorFlow Serving's JSON, read and written."""

import base64
import json

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.serving import tensors
from tl_keras.serving.refusals import Refusal

FILES = {"image_bytes": tf.TensorSpec((None,), tf.string)}
PIXELS = {"images": tf.TensorSpec((None, 2, 2, 3), tf.uint8)}
RATIOS = {"ratios": tf.TensorSpec((None, 2), tf.float32)}
TWO = {**FILES, "side": tf.TensorSpec((None,), tf.int64)}
B64 = {"b64": base64.b64encode(b"\xff\x00").decode()}
IMAGE = [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [0, 0, 255]]]


def read(body, specs=FILES, most=10):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return tensors.inputs(tensors.parse(content), specs, most)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"image_bytes": B64}, {"image_bytes": "text"}]},
        {"instances": [B64, "text"]},
        {"inputs": {"image_bytes": [B64, "text"]}},
        {"inputs": [B64, "text"]},
    ],
)
def test_every_form_gives_the_same_bytes(body):
    assert read(body)["image_bytes"].tolist() == [b"\xff\x00", b"text"]


def test_several_inputs_are_read_by_row_and_by_column():
    rows = [{"image_bytes": "a", "side": 3}, {"image_bytes": "b", "side": 4}]
    columns = {"image_bytes": ["a", "b"], "side": [3, 4]}
    for body in ({"instances": rows}, {"inputs": columns}):
        found = read(body, TWO)
        assert found["image_bytes"].tolist() == [b"a", b"b"]
        assert found["side"].tolist() == [3, 4] and found["side"].dtype == np.int64


def test_pixels_become_an_array_of_their_type():
    found = read({"instances": [IMAGE, IMAGE]}, PIXELS)["images"]
    np.testing.assert_array_equal(found, np.array([IMAGE, IMAGE], np.uint8))
    assert found.dtype == np.uint8


def test_columns_may_be_empty():
    assert read({"inputs": {"image_bytes": []}})["image_bytes"].shape == (0,)
    assert read({"inputs": []}, PIXELS)["images"].shape == (0, 2, 2, 3)


def test_signature_is_named_or_the_default():
    body = tensors.parse(b'{"instances": [1], "signature_name": "features"}')
    assert body.signature == "features"
    assert tensors.parse(b'{"instances": [1]}').signature == "serving_default"


REFUSED = {
    "no JSON": (b"{", FILES, "JSON Parse error"),
    "empty": (b"", FILES, "JSON Parse error"),
    "no UTF-8": (b'{"instances": ["\xff"]}', FILES, "JSON Parse error"),
    "UTF-16": ('{"instances": ["a"]}'.encode("utf-16"), FILES, "JSON Parse error"),
    "deep": (b"[" * 100_000, FILES, "without end"),
    "a bomb of lists": (b"[" * 1_000_001, FILES, "more than 1,000,000 lists"),
    "a long number": (b'{"instances": [' + b"1" * 9999 + b"]}", PIXELS, "Parse error"),
    "a list": ([], FILES, "Is not object"),
    "nothing": ({}, FILES, "Missing 'inputs' or 'instances' key"),
    "both": ({"inputs": [], "instances": ["a"]}, FILES, "only one of"),
    "no list": ({"instances": {}}, FILES, "to be a list"),
    "no row": ({"instances": []}, FILES, "No values in 'instances' array"),
    "signature": ({"signature_name": 1, "instances": ["a"]}, FILES, "must be a string"),
    "another name": ({"instances": [{"images": "a"}]}, FILES, "equal to: image_bytes"),
    "mixed": ({"instances": ["a", {"image_bytes": "a"}]}, FILES, "object at item 1"),
    "plain rows": ({"instances": ["a"]}, TWO, "objects with the keys image_bytes"),
    "missing": ({"inputs": {"image_bytes": ["a"]}}, TWO, "Missing named input: side"),
    "uneven": (
        {"inputs": {"image_bytes": ["a"], "side": [1, 2]}},
        TWO,
        "different numbers of rows",
    ),
    "no column": ({"inputs": {"image_bytes": "a"}}, FILES, "must be a list"),
    "bad base64": ({"instances": [{"b64": "QU*I="}]}, FILES, "Unable to base64 decode"),
    "padding": ({"instances": [{"b64": "abc"}]}, FILES, "Unable to base64 decode"),
    "no letters": ({"instances": [{"b64": "ä"}]}, FILES, "Unable to base64 decode"),
    "half a pair": (b'{"instances": ["\\ud800"]}', FILES, "no Unicode text"),
    "a number": ({"instances": [1]}, FILES, "or a string"),
    "null": ({"instances": [None]}, FILES, "or a string"),
    "more than base64": (
        {"instances": [{"image_bytes": {"b64": "", "x": 1}}]},
        FILES,
        "or a string",
    ),
    "too many": ({"instances": ["a"] * 11}, FILES, "11 rows are too many"),
    "shape": ({"instances": [[[[1, 2, 3]]]]}, PIXELS, "wrong at level 1"),
    "ragged": ({"instances": [[*IMAGE[:1], [[1, 2, 3], [4, 5]]]]}, PIXELS, "level 3"),
    "too deep": ({"instances": [[[[[1]] * 3] * 2] * 2]}, PIXELS, "numbers of the type"),
    "above": ({"instances": [[[[256] * 3] * 2] * 2]}, PIXELS, "beyond uint8"),
    "below": ({"instances": [[[[-1] * 3] * 2] * 2]}, PIXELS, "beyond uint8"),
    "huge": ({"instances": [[[[10**30] * 3] * 2] * 2]}, PIXELS, "beyond uint8"),
    "fraction": ({"instances": [[[[0.5] * 3] * 2] * 2]}, PIXELS, "of the type uint8"),
    "truth": ({"instances": [[[[True] * 3] * 2] * 2]}, PIXELS, "of the type uint8"),
    "words": ({"instances": [[[["1"] * 3] * 2] * 2]}, PIXELS, "of the type uint8"),
    "huge ratio": ({"instances": [[10**400, 1]]}, RATIOS, "beyond float32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_body_is_refused_with_a_reason(name):
    body, specs, said = REFUSED[name]
    with pytest.raises(Refusal, match=said) as refused:
        read(body, specs)
    assert refused.value.status == 400
    assert "\n" not in refused.value.reason and len(refused.value.reason) < 400


OUTPUTS = {
    "label": np.array([b"caf\xc3\xa9", b"\xff"], object),
    "probability": np.array([0.25, np.nan], np.float32),
    "known": np.array([True, False]),
    "thumbnail_bytes": np.array([b"\xff\x00", b""], object),
}


def test_rows_are_answered_by_an_object_each():
    found = json.loads(tensors.answer(OUTPUTS, by_row=True))["predictions"]
    assert found[0] == {
        "label": "café",
        "probability": 0.25,
        "known": True,
        "thumbnail_bytes": B64,
    }
    assert found[1]["label"] == "\ufffd" and np.isnan(found[1]["probability"])


def test_columns_are_answered_by_column():
    found = json.loads(tensors.answer(OUTPUTS, by_row=False))["outputs"]
    assert found["known"] == [True, False] and found["label"][0] == "café"


def test_name_of_an_only_output_is_left_out():
    features = {"features": np.array([[1.5, 2.0]], np.float32)}
    assert tensors.answer(features, True) == b'{"predictions": [[1.5, 2.0]]}'
    assert tensors.answer(features, False) == b'{"outputs": [[1.5, 2.0]]}'
