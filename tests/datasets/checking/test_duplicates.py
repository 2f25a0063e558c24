"""Pictures that a person calls the same are found, and others are kept apart."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageEnhance

from tl_keras.datasets import sources
from tl_keras.datasets.checking import duplicates, looks
from tl_keras.datasets.checking.duplicates import Sets, equal, look_alikes
from tl_keras.datasets.checking.findings import Facts

PHOTOS = ("chelsea", "coffee", "astronaut", "rocket", "camera", "retina")


def fingerprint(image):
    """Returns the hash and the thumbnail of a picture."""
    pixels = np.asarray(image.convert("RGB"))
    result = looks.result_of(b"", Facts(), pixels, {})
    return result.phash, looks.thumbnail_of(pixels)


def grouped(images):
    """Returns the positions of the pictures that look alike."""
    hashes, thumbnails = zip(*map(fingerprint, images))
    table = np.stack([np.frombuffer(one, np.uint8) for one in thumbnails])
    return look_alikes(np.array(hashes, np.uint64), lambda places: table[places])


def photo(name):
    """Returns one of scikit-image's photographs."""
    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def recompressed(image, quality):
    """Returns a picture that went through JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def scaled(image, factor):
    """Returns a picture of another size."""
    return image.resize((int(image.width * factor), int(image.height * factor)))


def cropped(image, share):
    """Returns a picture without its rim."""
    x, y = int(image.width * share / 2), int(image.height * share / 2)
    return image.crop((x, y, image.width - x, image.height - y))


CHANGES = {
    "JPEG 30": lambda image: recompressed(image, 30),
    "JPEG 95": lambda image: recompressed(image, 95),
    "half": lambda image: scaled(image, 0.5),
    "double": lambda image: scaled(image, 2),
    "crop": lambda image: cropped(image, 0.02),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
}


@pytest.fixture(scope="module")
def photos():
    """The photographs, made smaller: hashes see no more."""
    images = {}
    for name in PHOTOS:
        images[name] = photo(name)
        images[name].thumbnail((512, 512))
    return images


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("change", CHANGES)
def test_changed_photograph_looks_like_itself(photos, name, change):
    assert grouped([photos[name], CHANGES[change](photos[name])]) == [[0, 1]]


def test_different_photographs_do_not_look_alike(photos):
    assert grouped(photos.values()) == []


def test_mirrored_photograph_is_another(photos):
    mirrored = photos["chelsea"].transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert grouped([photos["chelsea"], mirrored]) == []


def emoji(*names):
    """Returns pictures of twemoji, on white."""
    folder = Path(sources.find("twemoji").root)
    images = []
    for name in names:
        layer = Image.open(folder / f"{name}.png").convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        images.append(Image.alpha_composite(ground, layer))
    return images


HEARTS = ("1f499", "1f49a", "1f49b", "1f49c", "1f9e1", "2764", "1f5a4", "1f90e")
CLOCKS = [f"1f5{number:x}" for number in range(0x50, 0x68)]
CIRCLES = ("1f534", "1f535", "1f7e0", "1f7e1", "1f7e2", "1f7e3", "1f7e4")
FLAGS = ("1f1eb-1f1f7", "1f1ee-1f1f9", "1f1ee-1f1ea", "1f1e7-1f1ea", "1f1f7-1f1f4")


@pytest.mark.parametrize("names", [HEARTS, CLOCKS, CIRCLES, FLAGS])
def test_emoji_that_differ_in_colour_or_detail_stay_apart(names):
    assert grouped(emoji(*names)) == []


def test_digits_stay_apart():
    from sklearn.datasets import load_digits

    images = np.uint8(load_digits().images[:600] * 15.9)
    assert grouped(map(Image.fromarray, images)) == []


def test_picture_without_a_thumbnail_looks_like_none(photos):
    hashes = np.zeros(2, np.uint64)
    table = np.zeros((2, 768), np.uint8)
    assert look_alikes(hashes, lambda places: table[places]) == []


def test_thumbnails_that_differ_much_in_one_place_do_not_agree():
    one = np.random.default_rng(0).uniform(80, 120, (1, 768)).astype(np.float32)
    other = one.copy()
    other[0, :3] += 100
    assert not duplicates.thumbnails_agree(one, other)[0]


def same(places):
    """Returns equal thumbnails, so that the hashes alone decide."""
    return np.full((len(places), 768), 100, np.uint8)


def brute_force(hashes):
    """Returns the linked hashes, each compared with each."""
    sets = Sets(len(hashes))
    for one, other in itertools.combinations(range(len(hashes)), 2):
        distance = int(hashes[one] ^ hashes[other]).bit_count()
        if distance <= duplicates.HASH_DISTANCE:
            sets.join(one, other)
    return sets.groups()


@pytest.mark.parametrize("seed", range(5))
def test_every_near_pair_is_found(seed):
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, 60, np.uint64)
    bits = [random.choice(64, random.integers(0, 10), replace=False) for _ in hashes]
    changed = [
        one ^ np.bitwise_or.reduce(np.uint64(1) << np.uint64(places), initial=0)
        for one, places in zip(hashes, bits)
    ]
    both = np.concatenate([hashes, np.array(changed, np.uint64)])
    assert look_alikes(both, same) == brute_force(both)


def test_many_equal_hashes_are_linked_without_comparing_all_pairs(monkeypatch):
    compared = []
    agree = duplicates.thumbnails_agree

    def counted(one, other):
        compared.append(len(one))
        return agree(one, other)

    monkeypatch.setattr(duplicates, "thumbnails_agree", counted)
    groups = look_alikes(np.zeros(5_000, np.uint64), same)
    assert [len(group) for group in groups] == [5_000]
    assert sum(compared) <= 5_000 * duplicates.MOST_PICTURES


def test_pairs_in_many_pieces_are_the_same_pairs(monkeypatch):
    random = np.random.default_rng(0)
    hashes = np.repeat(random.integers(0, 2**64, 300, np.uint64), 2)
    expected = look_alikes(hashes, same)
    monkeypatch.setattr(duplicates, "PAIRS_AT_ONCE", 7)
    monkeypatch.setattr(duplicates, "PAIRS_OF_THUMBNAILS", 3)
    assert look_alikes(hashes, same) == expected


def test_equal_keys_are_grouped_in_order():
    assert equal("abcacb") == [[0, 3], [1, 5], [2, 4]]


def test_joined_sets_have_one_smallest_number():
    sets = Sets(5)
    sets.join(4, 2)
    sets.join(2, 1)
    assert [sets.find(one) for one in range(5)] == [0, 1, 1, 3, 1]
