"""The real ImageNet weights see what is in real photographs."""

import keras
import numpy as np
import pytest
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

from tl_keras.architectures.names import build
from tl_keras.backbones.catalogue import CATALOGUE

# Photograph → the ImageNet classes that are right for it.
PHOTOGRAPHS = {
    # Tabby, tiger cat, Egyptian cat.
    "chelsea": (data.chelsea, {281, 282, 285}),
    # Coffee mug, espresso, cup.
    "coffee": (data.coffee, {504, 967, 968}),
    # Palace.
    "china": (lambda: load_sample_image("china.jpg"), {698}),
}
LITES = [f"efficientnet_lite{number}" for number in range(3)]


@pytest.fixture(scope="module", params=LITES)
def imagenet(request):
    """The catalogue's entry, and its network with the top and the real weights."""
    entry = CATALOGUE[request.param]
    network = build(request.param)
    entry.load_weights(network, entry.weights.path())
    yield entry, network
    keras.backend.clear_session()


def ranking(entry, network, pixels):
    """Returns the classes of a photograph's largest square, the likeliest first."""
    height, width, _ = pixels.shape
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    square = Image.fromarray(pixels).crop((left, top, left + side, top + side))
    size = (entry.image_size, entry.image_size)
    small = np.asarray(square.resize(size, Image.Resampling.BICUBIC), np.float32)
    logits = network(entry.preprocess(small[np.newaxis]))
    return np.argsort(logits.numpy()[0])[::-1].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_photographs_class_is_among_the_first_five(imagenet, photograph):
    load, right = PHOTOGRAPHS[photograph]
    assert right & set(ranking(*imagenet, load())[:5])


@pytest.mark.slow
def test_random_weights_do_not_know_the_photographs():
    # Shows that the classes above are what the weights have learnt.
    keras.utils.set_random_seed(0)
    entry, network = CATALOGUE[LITES[0]], build(LITES[0])
    first = [
        right & set(ranking(entry, network, load())[:5])
        for load, right in PHOTOGRAPHS.values()
    ]
    assert not any(first)
