"""Writes docs/backbones.md: every backbone with its figures and its stages.

    python scripts/list_backbones.py

Builds each network once, with random weights: some minutes.
"""

import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from tl_keras import listing
from tl_keras.backbones import catalogue
from tl_keras.backbones.backbone import Backbone
from tl_keras.progress import track

PAGE = Path(__file__).parent.parent / "docs" / "backbones.md"
# The stages do not depend on the images' size; small ones are built faster.
SIDE = 64
TOP = """# Backbones

Made by `python scripts/list_backbones.py`.

Parameters are without the top, statistics of batch normalization included; "features"
is the depth of the last feature map; top-1 is the published ImageNet accuracy, each by
its source's own protocol. A stage is named by its first block; "(6)" is its number of
blocks. `fine_tune.unfreeze` takes a number of stages, counted from the end, a block or
a layer by name, a share of the blocks, or `all`.

Preprocessing is part of every network. `tf`: pixels to [-1, 1]. `torch`: ImageNet's
mean and deviation of each channel. `caffe`: blue first, less the mean pixel. `gray`:
one channel in [-1, 1]. `lite`: (pixels - 127) / 128.

"""
HEADINGS = (
    "Backbone",
    "Parameters",
    "Features",
    "Image (least)",
    "Top-1",
    "Preprocessing",
    "ImageNet weights",
    "Stages",
)


def stages(backbone: Backbone) -> str:
    """Returns each stage's first block and how many blocks it has."""
    inside: dict[int, list[str]] = {}
    for block in backbone.blocks:
        inside.setdefault(block.stage, []).append(block.name)
    return ", ".join(
        f"{names[0]} ({len(names)})" if len(names) > 1 else names[0]
        for names in inside.values()
    )


def line(row: dict) -> str:
    """Returns a backbone's line of the table."""
    size = max(SIDE, row["minimum_size"])
    backbone = catalogue.load(row["name"], weights=None, image_size=size)
    cells = (
        f"`{row['name']}`",
        f"{row['parameters']:,}",
        row["features"],
        f"{row['image_size']} ({row['minimum_size']})",
        "" if row["top1"] is None else f"{row['top1']:.3f}",
        row["preprocessing"],
        row["weights"] or "–",
        stages(backbone),
    )
    keras.backend.clear_session()
    return _line(cells)


def _line(cells: Sequence) -> str:
    """Returns a line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |\n"


def main() -> None:
    """Writes the page."""
    rows = listing.backbone_rows()
    lines = [line(row) for row in track(rows, "Building", len(rows), 1)]
    top = TOP + _line(HEADINGS) + _line(["---"] * len(HEADINGS))
    PAGE.write_text(top + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
