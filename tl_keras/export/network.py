"""What is exported of a classifier: one network that gives logits and features."""

import keras
from keras import layers

from tl_keras.training.head import Classifier
from tl_keras.training.scratch import Network


def with_features(classifier: Classifier | Network) -> keras.Model:
    """Returns a model that gives features beside the logits, both in one pass.

    The features are the mean over space of the backbone's last feature map; of a
    network that was trained from random weights, the input of its last dense layer.

    Args:
        classifier: Its layers are shared.

    Returns:
        From pixels in [0, 255], `(batch, side, side, 3)`, to logits `(batch, width)`
        and features `(batch, features)`; to logits alone where the network ends in no
        dense layer.
    """
    if isinstance(classifier, Classifier):
        inputs = classifier.backbone.inputs()
        feature_map = classifier.backbone.model(inputs)
        pooled = layers.GlobalAveragePooling2D(name="features")(feature_map)
        return keras.Model(inputs, [classifier.head(feature_map), pooled])
    model = classifier.model
    inner = model.layers[-1]
    dense = [layer for layer in inner.layers if isinstance(layer, layers.Dense)]
    if not dense:
        return keras.Model(model.input, [model.output])
    both = keras.Model(inner.input, [inner.output, dense[-1].input])
    return keras.Model(model.input, both(model.get_layer("preprocessing").output))
