"""How the weights of a head are distributed."""

import keras
from tensorboard.compat.proto.summary_pb2 import Summary

from tl_keras.training import events
from tl_keras.training.head import Classifier
from tl_keras.training.scratch import Network


def of_head(classifier: Classifier | Network) -> Summary:
    """Returns a histogram of each kernel and bias of the head.

    Args:
        classifier: Of a network with classifying layers of its own, its dense layers
            are taken for the head.
    """
    return events.joined(
        events.histogram(f"head/{weight.path}", weight.numpy())
        for layer in _layers(classifier)
        for weight in layer.weights
        if weight.dtype.startswith("float")
    )


def _layers(classifier: Classifier | Network) -> list[keras.layers.Layer]:
    """Returns the head's layers."""
    if isinstance(classifier, Classifier):
        return classifier.head.layers
    inner = classifier.model.layers[-1]
    return [layer for layer in inner.layers if isinstance(layer, keras.layers.Dense)]
