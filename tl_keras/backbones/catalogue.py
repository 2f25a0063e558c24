"""The backbones by name: builder, preprocessing, sizes and weights in one record."""

from pathlib import Path

from tl_keras.backbones import hub, keras_applications, own
from tl_keras.backbones.backbone import Backbone
from tl_keras.backbones.downloads import parse_url
from tl_keras.backbones.entry import Entry
from tl_keras.backbones.weight_files import load_file
from tl_keras.backbones.weights import PackagedWeights
from tl_keras.errors import UsageError
from tl_keras.registry import lookup

SMALL_AREA = 96 * 96
SIZE_STEP = 32
IMAGENET, PACKAGE, NONE = "imagenet", "package", "none"


# Where we build the same network, ours is meant, and `keras:resnet50` names theirs.
CATALOGUE = {
    **{name: own.entry(name) for name in own.OWN},
    **{
        f"keras:{name}" if name in own.OWN else name: keras_applications.entry(name)
        for name in keras_applications.ROWS
    },
}


def find(name: str) -> Entry:
    """Returns a backbone's entry, also that of a preset of KerasHub.

    Raises:
        UsageError: If the name is unknown, or KerasHub is not installed.
        WeightsError: If the preset cannot be read.
    """
    if name.startswith(hub.PREFIX):
        return hub.entry(name.removeprefix(hub.PREFIX))
    return lookup(CATALOGUE, name, "backbone")


def names() -> list[str]:
    """Returns the names that `load` takes."""
    return sorted(CATALOGUE)


def image_size_for(name: str, widths: list[int], heights: list[int]) -> int:
    """Chooses the side that a backbone's images get.

    The native size; but where the median picture covers less than 96x96 pixels, five
    sevenths of it, at half the cost: enlarging a small picture further adds nothing
    to see. (BiT's rule, too, has a smaller size below 96x96 pixels: Kolesnikov et al.,
    2019, https://arxiv.org/abs/1912.11370, section 3.3.)

    Args:
        name: A key of `CATALOGUE`.
        widths: Of the pictures, in pixels.
        heights: Of the pictures, in pixels.
    """
    entry = find(name)
    areas = sorted(width * height for width, height in zip(widths, heights))
    if areas[len(areas) // 2] >= SMALL_AREA:
        return entry.image_size
    reduced = round(entry.image_size * 5 / 7 / SIZE_STEP) * SIZE_STEP
    return max(entry.minimum_size, reduced)


def load(
    name: str, *, weights: str | None = IMAGENET, image_size: int | None = None
) -> Backbone:
    """Loads a backbone. The graph is the same whatever the weights are.

    Args:
        name: A key of `CATALOGUE`: `tl_keras.list_backbones()` has them. Or a preset
            of KerasHub: `hub:NAME` or `hub:FOLDER`.
        weights: `imagenet`, which downloads Keras's file where no package has the
            weights; `package` for a package's alone; a weights file: see
            `weight_files.load_file`; the address of one with its sha256,
            `https://host/file.h5#sha256=…`; or `None` or `none` for random weights.
        image_size: Side of the images in pixels; `None` takes the native size.

    Raises:
        UsageError: If the name or the weights are unknown, or the size is too small.
        WeightsError: If the weights are missing, damaged, of another network, or not
            the known ones.
    """
    entry = find(name)
    require_size(name, image_size)
    size = entry.image_size if image_size is None else image_size
    found = find_weights(name, weights)
    network = entry.build(
        num_classes=None, input_shape=(size, size, entry.preprocess.depth)
    )
    if found:
        read = entry.load_weights if weights in (IMAGENET, PACKAGE) else load_file
        read(network, found)
    return Backbone(name, network, entry.preprocess, size)


def require_size(name: str, image_size: int | None) -> None:
    """Refuses a size that a backbone does not take.

    Raises:
        UsageError: If it is no whole number, or too small.
    """
    entry = find(name)
    if image_size is not None and type(image_size) is not int:
        raise UsageError(
            f"`backbone.image_size` must be one whole number, the side of square "
            f"images of 3 channels. Received: {image_size!r}"
        )
    if image_size is not None and image_size < entry.minimum_size:
        raise UsageError(
            f"`backbone.image_size` must be at least {entry.minimum_size} for {name}. "
            f"Received: {image_size}"
        )


def find_weights(name: str, weights: str | None) -> Path | None:
    """Returns the file that `load` would read, fetched where it is missing.

    Raises:
        UsageError: If there are no such weights.
        WeightsError: If they are missing, or not the known ones.
    """
    source = find(name).weights
    if weights is None or weights == NONE:
        return None
    if weights == IMAGENET and source:
        return source.path()
    if weights == PACKAGE and isinstance(source, PackagedWeights):
        return source.path()
    if weights in (IMAGENET, PACKAGE):
        raise UsageError(
            f"`backbone.weights`: {name} has no {weights} weights. Give a weights "
            f"file, an address with #sha256=, or none."
        )
    if "://" in weights:
        return parse_url(weights).path()
    path = Path(weights).expanduser()
    if not weights or not path.exists():
        raise UsageError(
            f"`backbone.weights` must be imagenet, package, none, a weights file or an "
            f"address with #sha256=. Received: {weights!r}, and no such file exists."
        )
    return path
