"""ResNet-18 and 34 from safetensors files with torchvision's names.

Such a file is what `safetensors.torch.save_file(model.state_dict(), path)` writes.
Our networks of basic blocks compute what torchvision's do on the same pixels.
"""

import re
from pathlib import Path

import keras
import numpy as np
from keras import layers
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tl_keras.backbones.torch_layout import STEP_COUNTER, assign, tensor_names
from tl_keras.errors import WeightsError

# Layers outside of the blocks, and those of a block, in which `0` is the projection.
OUTSIDE = {"conv1_conv": "conv1", "conv1_bn": "bn1", "predictions": "fc"}
IN_BLOCK = re.compile(r"conv(\d+)_block(\d+)_(\d)_(conv|bn)")
PROJECTION = {"conv": "downsample.0", "bn": "downsample.1"}
HEAD = "fc"


def load_resnet(network: keras.Model, path: str | Path) -> None:
    """Loads a safetensors file with torchvision's names into a ResNet-18 or 34.

    Every name and shape is compared before anything is assigned.

    Args:
        network: A `resnet` of basic blocks, with or without its top.
        path: The `.safetensors` file.

    Raises:
        WeightsError: If the file cannot be read or is damaged, or a tensor is missing,
            left over, not of floats, or of another shape. torchvision's networks of
            bottlenecks have the stride at another place than ours and never fit.
    """
    path = Path(path)
    names = {
        layer.name: tensor_names(layer, _torch_layer(layer, network))
        for layer in network.layers
        if layer.weights
    }
    assign(network, path, _read(path), names, head=HEAD)


def _read(path: Path) -> dict[str, np.ndarray]:
    """Reads a safetensors file: names, shapes and numbers, never code."""
    try:
        tensors = load_file(path)
    except OSError as error:
        reason = error.strerror or error
        raise WeightsError(f"{path} cannot be read: {reason}.") from None
    # NumPy lacks some of the format's types, which is a TypeError or AttributeError.
    except (SafetensorError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} is not a safetensors file of floats, or is damaged: {error}."
        ) from None
    for name, tensor in tensors.items():
        if not (
            name.endswith(STEP_COUNTER) or np.issubdtype(tensor.dtype, np.floating)
        ):
            raise WeightsError(
                f"{path} has {tensor.dtype} in {name!r}. Save its tensors as float32."
            )
    return tensors


def _torch_layer(layer: layers.Layer, network: keras.Model) -> str:
    """Returns what torchvision calls a layer.

    `conv3_block1_0_conv` → `layer2.0.downsample.0`, `conv3_block2_1_bn` →
    `layer2.1.bn1`.
    """
    if layer.name in OUTSIDE:
        return OUTSIDE[layer.name]
    match = IN_BLOCK.fullmatch(layer.name)
    if match is None:
        raise WeightsError(
            f"{network.name} is no ResNet, to which torchvision's weights would fit: "
            f"it has a layer {layer.name!r}."
        )
    stage, block, place, kind = match.groups()
    part = PROJECTION[kind] if place == "0" else f"{kind}{place}"
    # Their first stage is the paper's second, and they count blocks from 0.
    return f"layer{int(stage) - 1}.{int(block) - 1}.{part}"
