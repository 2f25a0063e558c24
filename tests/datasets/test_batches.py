"""Batches in the manifest's order, all images included."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tl_keras.datasets import batches
from tl_keras.datasets.augmentation import policies
from tl_keras.datasets.images import UPRIGHT_JPEG, decode_and_resize
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.square import Square
from tl_keras.errors import DataError, UsageError

COUNT = 11
SQUARE = Square(side=16)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Pictures that are told apart by their grey, from dark to bright."""
    folder = tmp_path_factory.mktemp("greys")
    for number in range(COUNT):
        random = np.random.default_rng(number)
        pixels = random.integers(0, 20, (20, 30, 3)) + 20 * number
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    rows = (
        Row(path=f"{n}.png", label="a", pixels=f"{n:064x}"[::-1]) for n in range(COUNT)
    )
    return Manifest(folder, tuple(rows))


def decode_simply(content, square, only=""):
    size = square.shape[:2]
    image = tf.image.resize(tf.io.decode_png(content, channels=3), size)
    return tf.ensure_shape(tf.cast(image, tf.uint8), square.shape)


@pytest.fixture
def simple_decoder(monkeypatch):
    """Decodes PNG only; a new graph of the real decoder takes seconds."""
    monkeypatch.setattr(batches, "decode_and_resize", decode_simply)
    # The real decoder may have been traced, and this one must not stay.
    batches._loader.cache_clear(), batches._loader_of_all.cache_clear()
    yield
    batches._loader.cache_clear(), batches._loader_of_all.cache_clear()


def read(manifest, **options):
    """Returns all images in one array."""
    dataset = batches.images(manifest, SQUARE, 4, **options)
    return np.concatenate([batch.numpy() for batch in dataset])


def test_batches_have_the_size_asked_for_and_the_last_one_the_rest(
    manifest, simple_decoder
):
    sizes = [len(batch) for batch in batches.images(manifest, SQUARE, 4)]
    assert sizes == [4, 4, 3]


def test_images_come_in_the_manifests_order(manifest, simple_decoder):
    brightness = read(manifest).mean(axis=(1, 2, 3))
    assert (np.diff(brightness) > 10).all()


def test_order_follows_the_rows_and_not_the_files_names(manifest, simple_decoder):
    turned = Manifest(manifest.root, manifest.rows[::-1])
    assert (read(turned) == read(manifest)[::-1]).all()


@pytest.mark.slow
def test_images_are_decoded_as_in_prediction(manifest):
    contents = [tf.io.read_file(path) for path in manifest.paths]
    alone = np.stack([decode_and_resize(content, SQUARE) for content in contents])
    assert (read(manifest) == alone).all()


def kinds(*rows):
    """Returns what all files are, of rows given by format and EXIF orientation."""
    rows = (
        Row(path="a", label="a", format=name, orientation=turn) for name, turn in rows
    )
    return batches._only_kind(Manifest(Path("/photos"), tuple(rows)))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("JPEG", 1), ("JPEG", 1)], UPRIGHT_JPEG),
        ([("JPEG", 1), ("JPEG", 6)], "JPEG"),
        ([("PNG", 1)], "PNG"),
        ([("PNG", 1), ("JPEG", 1)], ""),
        ([("", 1)], ""),
        ([("TIFF", 1)], ""),
    ],
    ids=str,
)
def test_graph_holds_one_decoder_where_all_files_are_known_to_be_of_its_kind(
    rows, expected
):
    assert kinds(*rows) == expected


def test_images_are_square_bytes(manifest, simple_decoder):
    specification = batches.images(manifest, SQUARE, 4).element_spec
    assert specification == tf.TensorSpec((None, 16, 16, 3), tf.uint8)


def ready(data):
    """Returns how many batches a data set keeps ready."""
    return int(data._input_dataset._buffer_size)


def test_memory_of_buffers_is_bounded(manifest, simple_decoder, monkeypatch):
    assert ready(batches.images(manifest, SQUARE, 4)) == batches.MOST_READY
    monkeypatch.setattr(batches, "READY_BYTES", 2 * 4 * SQUARE.bytes)
    assert ready(batches.images(manifest, SQUARE, 4)) == 2
    assert ready(batches.images(manifest, SQUARE, 100)) == 1


def test_no_data_set_waits_for_its_tuner(manifest, simple_decoder):
    assert batches.images(manifest, SQUARE, 4).options().autotune.enabled is False


def test_first_view_is_the_plain_image_under_every_policy(manifest, simple_decoder):
    assert (read(manifest, policy="light", view=0) == read(manifest)).all()


def test_policy_none_gives_plain_views(manifest, simple_decoder):
    assert (read(manifest, policy="none", view=3) == read(manifest)).all()


def test_same_view_is_the_same_twice(manifest, simple_decoder):
    views = [read(manifest, policy="light", view=1) for _ in range(2)]
    assert (views[0] == views[1]).all()


@pytest.mark.parametrize("other", [{"view": 2}, {"view": 1, "seed": 5}], ids=str)
def test_other_view_or_seed_changes_every_image(manifest, other, simple_decoder):
    first = read(manifest, policy="light", view=1)
    second = read(manifest, policy="light", **other)
    assert (first != second).any(axis=(1, 2, 3)).all()


def test_view_belongs_to_the_picture_and_not_to_its_place(manifest, simple_decoder):
    turned = Manifest(manifest.root, manifest.rows[::-1])
    first = read(manifest, policy="light", view=1)
    assert (read(turned, policy="light", view=1)[::-1] == first).all()


def test_pictures_of_one_batch_are_changed_differently(manifest, simple_decoder):
    rows = [Row(path="9.png", label="a", pixels=f"{n:064x}"[::-1]) for n in range(4)]
    views = read(Manifest(manifest.root, tuple(rows)), policy="light", view=1)
    assert len({view.tobytes() for view in views}) == 4


def test_unknown_policy_is_answered_with_the_known_ones(manifest, simple_decoder):
    with pytest.raises(UsageError, match="augmentation policy 'lite'. Did you mean"):
        batches.images(manifest, SQUARE, 4, policy="lite")


def test_file_that_is_damaged_after_the_check_stops_the_run(tmp_path, simple_decoder):
    (tmp_path / "0.png").write_bytes(b"no image")
    damaged = Manifest(tmp_path, (Row(path="0.png", label="a"),))
    with pytest.raises(DataError, match="changed or removed .*: not an image"):
        list(batches.read(batches.images(damaged, SQUARE, 4)))


def test_file_that_is_gone_after_the_check_is_named(tmp_path, simple_decoder):
    gone = Manifest(tmp_path, (Row(path="0.png", label="a"),))
    with pytest.raises(DataError, match="changed or removed .*0.png; No such file"):
        list(batches.read(batches.images(gone, SQUARE, 4)))


def test_reading_gives_the_batches_of_the_dataset(manifest, simple_decoder):
    found = batches.read(batches.images(manifest, SQUARE, 4))
    assert (np.concatenate(list(found)) == read(manifest)).all()


def test_unmirrored_views_are_those_of_the_policy_without_flips(
    manifest, simple_decoder
):
    plain = read(manifest)
    views = read(manifest, policy="alexnet", view=1, flip=False)
    for row, image, view in zip(manifest.rows, plain, views):
        seed = batches._seeds(manifest.with_rows([row]), 1, 0)[0]
        expected = policies.alexnet(tf.constant(image), seed, flip=False)
        np.testing.assert_array_equal(view, expected)


def test_plain_images_need_one_graph_with_flips_and_without(manifest, simple_decoder):
    for flip in (True, False):
        read(manifest, policy="light", view=0, flip=flip)
    assert batches._loader.cache_info().currsize == 1


def test_every_image_may_have_a_view_of_its_own(manifest, simple_decoder):
    numbers = np.arange(1, COUNT + 1)
    views = read(manifest, policy="light", view=numbers)
    for place in (0, 5):
        alone = read(manifest, policy="light", view=int(numbers[place]))
        np.testing.assert_array_equal(views[place], alone[place])


def test_views_of_decoded_images_are_unmirrored_too(manifest, simple_decoder):
    plain, options = read(manifest), dict(policy="light", view=3, flip=False)
    data = batches.views(plain, manifest, 4, **options)
    found = np.concatenate([batch.numpy() for batch in data])
    np.testing.assert_array_equal(found, read(manifest, **options))


def read_all(manifest, batch=4, **options):
    """Returns all images of each view, in one array a view."""
    found = zip(*batches.all_views(manifest, SQUARE, batch, **options))
    return [np.concatenate([one.numpy() for one in view]) for view in found]


@pytest.mark.parametrize("options", [{}, {"seed": 4, "flip": False}], ids=str)
@pytest.mark.parametrize("policy", ["light", "standard", "none"])
def test_all_views_are_what_each_view_is_alone(
    manifest, simple_decoder, policy, options
):
    numbers = (2, 0, 1)
    found = read_all(manifest, policy=policy, views=numbers, **options)
    for number, view in zip(numbers, found, strict=True):
        alone = read(manifest, policy=policy, view=number, **options)
        np.testing.assert_array_equal(view, alone)


def test_one_view_of_all_is_a_tuple_too(manifest, simple_decoder):
    (found,) = read_all(manifest, policy="light", views=[0])
    np.testing.assert_array_equal(found, read(manifest))


def test_image_is_decoded_once_for_all_its_views(manifest, monkeypatch, simple_decoder):
    def note(content, square, only=""):
        decoded = tf.py_function(lambda: times.append(1) or 0, [], tf.int32)
        with tf.control_dependencies([decoded]):
            return decode_simply(content, square, only)

    times = []
    monkeypatch.setattr(batches, "decode_and_resize", note)
    read_all(manifest, policy="light", views=(0, 1, 2))
    assert len(times) == COUNT


def test_all_views_are_bounded_in_memory_and_refuse_an_unknown_policy(
    manifest, simple_decoder, monkeypatch
):
    monkeypatch.setattr(batches, "READY_BYTES", 3 * 2 * 4 * SQUARE.bytes)
    data = batches.all_views(manifest, SQUARE, 4, policy="light", views=(0, 1))
    assert ready(data) == 3
    assert data.options().autotune.enabled is False
    with pytest.raises(UsageError, match="Did you mean 'light'"):
        batches.all_views(manifest, SQUARE, 4, policy="lite", views=(0, 1))
