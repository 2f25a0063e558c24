"""The SavedModel's signatures: what each gives, and what a bad image does to it."""

import numpy as np
import pytest
import tensorflow as tf

from tests.bad_files import FILES
from tl_keras.export import signatures
from tl_keras.export.exportable import Exportable
from tl_keras.export.frozen import freeze
from tl_keras.export.network import with_features

CLASSIFIED = {"label", "class_id", "probability", "probabilities", "known"}
BAD = {
    "empty.jpg": "the file is empty",
    "page.jpg": "not an image",
    "text.jpg": "not an image",
    "photo.tif": "not an image",
    "photo.avif": "not an image",
    "cut_half.jpg": "the JPEG is damaged",
    "cut_header.jpg": "the JPEG is damaged",
    "cut.png": "the PNG is damaged",
    "cut.gif": "the GIF is damaged",
    "cut.webp": "the WEBP is damaged",
    "cut.bmp": "the BMP is damaged",
    "moving.webp": "animated WebP",
    "palette.bmp": "BMP with a palette",
    "clear.gif": "transparent GIF",
    "bomb.png": "its header claims more than 200,000,000 pixels",
    "claims_much.png": "the PNG is damaged",
}


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory):
    """A SavedModel as a reader finds it."""
    path = tmp_path_factory.mktemp("signatures") / "1"
    exportable = Exportable.of(trained)
    frozen = freeze(with_features(trained.classifier), exportable.outputs, 1.0)
    signatures.write(path, exportable, frozen)
    return tf.saved_model.load(str(path))


def test_default_signature_answers_and_says_what_is_wrong(model):
    outputs = model.signatures["serving_default"].structured_outputs
    assert set(outputs) == CLASSIFIED | {"ok", "error"}


def test_signature_of_pixels_gives_the_same_without_errors(model):
    assert set(model.signatures["pixels"].structured_outputs) == CLASSIFIED


@pytest.mark.parametrize("name", BAD)
def test_bad_image_marks_its_own_row(model, red, name):
    good = red.read_bytes()
    classify = model.signatures["serving_default"]
    found = classify(image_bytes=tf.constant([good, FILES[name].content, good]))
    found = {key: value.numpy() for key, value in found.items()}
    (alone,) = classify(image_bytes=tf.constant([good]))["probabilities"].numpy()
    assert found["ok"].tolist() == [True, False, True]
    assert found["error"][1].decode().startswith(BAD[name])
    assert (found["label"][1], found["class_id"][1]) == (b"", -1)
    assert not found["known"][1] and found["probability"][1] == 0
    assert not found["probabilities"][1].any()
    assert found["error"][[0, 2]].tolist() == [b"", b""]
    np.testing.assert_allclose(found["probabilities"][[0, 2]], [alone] * 2, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 100])
@pytest.mark.parametrize("name", ["serving_default", "features"])
def test_batch_of_any_size_is_answered(model, red, count, name):
    given = tf.constant([red.read_bytes()] * count, tf.string)
    found = model.signatures[name](image_bytes=given)
    assert all(rows.shape[0] == count for rows in found.values())
    assert found["ok"].numpy().all()


def test_features_are_the_pooled_last_feature_map(model, red, trained):
    content = tf.constant([red.read_bytes(), b"no image"])
    found = model.signatures["features"](image_bytes=content)
    pixels = trained.square.fill(tf.io.decode_png(red.read_bytes(), 3))[tf.newaxis]
    feature_map = trained.classifier.backbone.model(pixels, training=False)
    expected = feature_map.numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(found["features"][:1], expected, atol=1e-5)
    assert not found["features"][1].numpy().any()
    assert found["ok"].numpy().tolist() == [True, False]
