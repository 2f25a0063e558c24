"""The networks whose outputs are cached: from images or a cut to some outputs."""

import hashlib
from collections.abc import Sequence

import keras

from tl_keras.backbones import stages
from tl_keras.backbones.backbone import Backbone
from tl_keras.training import heads

CUT = "cut"


def shape_of(backbone: Backbone, output: str) -> tuple[int, ...]:
    """Returns the shape of an output of one image."""
    end = _end(backbone, output)
    if output in heads.FEATURES:
        end = heads.FEATURES[output](end)
    return end.shape[1:]


def depth(backbone: Backbone, output: str) -> int:
    """Returns a number that grows from outputs to those computed of them."""
    pooled = output in heads.FEATURES and output != heads.FEATURE_MAP
    return layers_before(backbone, output) + pooled


def fingerprints(backbone: Backbone) -> tuple[str, ...]:
    """Returns of each number of layers a digest of the weights of the first so many.

    And of the preprocessing. So what lies behind a cut may train: the digest up to the
    cut stays, and with it what was computed there.
    """
    digest = hashlib.sha256(f"{backbone.name} {backbone.preprocess}".encode())
    found = [digest.hexdigest()]
    for operation in backbone.network.operations:
        for weight in getattr(operation, "weights", ()):
            # Not the path: Keras numbers some layers anew in each process.
            digest.update(f"{weight.shape}".encode())
            digest.update(weight.numpy().tobytes())
        found.append(digest.hexdigest())
    return tuple(found)


def layers_before(backbone: Backbone, output: str) -> int:
    """Returns how many layers, in their order, an output depends on at most."""
    if output.startswith(CUT):
        return _place(output)
    return len(backbone.network.operations)


def cuts(backbone: Backbone) -> list[str]:
    """Returns the outputs that are cuts, from the input on."""
    names = [operation.name for operation in backbone.network.operations]
    ends = stages.cut_layers(backbone.network)
    return [f"{CUT}{names.index(end) + 1}" for end in ends]


def build(
    backbone: Backbone, outputs: Sequence[str], start: str | None = None
) -> keras.Model:
    """Builds the network that computes some outputs in one pass.

    Args:
        backbone: Its layers are shared.
        outputs: Cuts and keys of `heads.FEATURES`.
        start: The output whose numbers it takes, before all of `outputs`; `None` for
            pixels in [0, 255].
    """
    if start is None:
        begin, inputs = backbone.network.input, backbone.inputs()
        x = backbone.preprocess(inputs)
    else:
        begin = _end(backbone, start)
        inputs = x = keras.Input(begin.shape[1:], name="feature_maps")
    ends = [_end(backbone, output) for output in outputs]
    # Each tensor once, and none that needs no layer.
    inner = {id(end): end for end in ends if end is not begin}
    computed = {id(begin): x}
    if inner:
        frozen = keras.Model(begin, list(inner.values()), name="frozen")
        computed |= zip(inner, keras.tree.flatten(frozen(x)))
    found = [_feature(output, computed[id(end)]) for output, end in zip(outputs, ends)]
    return keras.Model(inputs, found, name="prefix")


def _feature(output: str, x: keras.KerasTensor) -> keras.KerasTensor:
    """Returns what a feature makes of the last feature map; a cut as it is."""
    if output not in heads.FEATURES or output == heads.FEATURE_MAP:
        return x
    # In a model of its own: layers of several features have one name.
    inputs = keras.Input(x.shape[1:])
    return keras.Model(inputs, heads.FEATURES[output](inputs), name=output)(x)


def _end(backbone: Backbone, output: str) -> keras.KerasTensor:
    """Returns the network's tensor that an output is or is made of."""
    if output in heads.FEATURES:
        return backbone.network.output
    return stages.output_of(backbone.network, backbone.end_of_cut(_place(output)))


def _place(output: str) -> int:
    """Returns how many layers come before a cut."""
    return int(output.removeprefix(CUT))
