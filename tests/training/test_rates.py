"""Layer-wise rates: a share of the learning rate for each block."""

import dataclasses

import keras
import pytest

from tl_keras.config import Head
from tl_keras.training import products, rates
from tl_keras.training.head import attach


def test_each_block_has_a_share_of_the_one_behind_it(backbone):
    shares = rates.by_block(backbone, "all", 0.5)
    found = {name: share for name, share in shares.items() if name.endswith("conv")}
    assert found == {"block1_conv": 0.25, "block2_conv": 0.5, "block3_conv": 1.0}


def test_layers_of_a_block_have_one_share(backbone):
    shares = rates.by_block(backbone, "all", 0.5)
    assert shares["block2_bn"] == shares["block2_conv"]


def test_only_what_trains_has_a_share(backbone):
    assert set(rates.by_block(backbone, 1, 0.5)) == {"block3_conv", "block3_bn"}


def test_share_does_not_depend_on_where_the_network_is_cut(backbone):
    shares = rates.by_block(backbone, "all", 0.5)
    cut = rates.by_block(backbone, 2, 0.5)
    assert cut == {name: shares[name] for name in cut}


def test_without_decay_all_have_the_whole_rate(backbone):
    assert set(rates.by_block(backbone, "all", 1.0).values()) == {1.0}


@pytest.mark.parametrize("unfreeze", [1, 2, "all"])
def test_names_are_those_of_the_part_that_trains(backbone, unfreeze):
    classifier = attach(backbone, ("a", "b"), Head())
    part = products.as_products(classifier.trainable_part(unfreeze))
    names = {layer.name for layer in part._flatten_layers()}
    assert set(rates.by_block(backbone, unfreeze, 0.5)) <= names


def test_layer_within_a_layer_has_the_share_of_its_block(backbone):
    inputs = keras.Input((32, 32, 3))
    inner = keras.Sequential([keras.layers.Conv2D(4, 1, name="deep")], name="block1_x")
    x = keras.layers.Conv2D(4, 3, 2, name="block2_conv")(inner(inputs))
    network = keras.Model(inputs, x, name="nested")
    nested = dataclasses.replace(backbone, network=network)
    assert rates.by_block(nested, "all", 0.5)["deep"] == 0.5
