"""`tl-keras explain`: where predictions come from, and what wrong ones are like."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tl_keras.commands.quiet import load, load_pipeline
from tl_keras.datasets.report.names import visible
from tl_keras.errors import UsageError
from tl_keras.files import replacing
from tl_keras.progress import say

if TYPE_CHECKING:
    from tl_keras.evaluation.explanation.explained import Explanation
    from tl_keras.evaluation.explanation.losses import TopLoss
    from tl_keras.evaluation.explanation.neighbours import Wrong
    from tl_keras.run import Run

FOLDER = "explanations"
TOP_LOSSES, NEIGHBOURS = "top_losses.png", "neighbours.png"
METHODS = ["gradcam", "occlusion"]
# Leaves room for the method, a number and a suffix in 255 bytes, four a letter.
LONGEST_STEM = 55


def explain(options: Namespace) -> int:
    """Show where predictions come from, and the test images that are most wrong."""
    run = _run(options.run)
    out = Path(options.out or run.folder / FOLDER)
    asked = {
        "method": options.method,
        "layer": options.layer,
        "class_name": options["class"],
    }
    if options.images:
        return _explain_images(run, options.images, out, asked, options.json)
    return _explain_test(run, options.top, out, asked, options.json)


def add_explain(parser: ArgumentParser) -> None:
    """Declares what `explain` takes."""
    parser.add_argument("run", help="a run folder")
    help = "image files; without any, the run's test images with the highest loss"
    parser.add_argument("images", nargs="*", help=help)
    help = "gradcam looks at a feature map, occlusion hides patches (slow)"
    parser.add_argument("--method", choices=METHODS, default="gradcam", help=help)
    help = "block or layer that Grad-CAM looks at; default: the last feature map"
    parser.add_argument("--layer", type=str | None, metavar="NAME", help=help)
    help = "class to look for; default: the most probable one of each image"
    parser.add_argument("--class", type=str | None, metavar="NAME", help=help)
    help = "how many test images, where none are named"
    parser.add_argument("--top", type=int, default=16, help=help)
    help = f"where the pictures go; default: RUN/{FOLDER}"
    parser.add_argument("--out", type=str | None, metavar="FOLDER", help=help)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(folder: str) -> "Run":
    """Opens a run; exports hold no layers to look at."""
    found = load_pipeline().load(folder)
    if not hasattr(found, "classifier"):
        raise UsageError(
            f"{folder!r} is an export: it holds no layers, nor its training images. "
            f"Name the run that it was made from."
        )
    return found


def _explain_images(
    run: "Run", paths: list[str], out: Path, asked: dict[str, Any], as_json: bool
) -> int:
    """Explains image files: a picture and a line each."""
    explaining = load("tl_keras.explaining")
    # With `--out` in the images' folder, none of them may be written over.
    rows, taken = [], {_one_name(Path(path)) for path in paths}
    for one in explaining.each(run, paths, **asked):
        name = f"{Path(one.path).stem[:LONGEST_STEM]}_{asked['method']}"
        path = None if one.error else _free(out, name, taken)
        if path:
            _save(one, path)
        rows.append(_row(one, path))
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print_images(rows)
    bad = [row for row in rows if row["error"]]
    for row in bad:
        print(f"error: {row['path']}: {row['error']}", file=sys.stderr)
    return 1 if bad else 0


def _free(folder: Path, stem: str, taken: set[str]) -> Path:
    """Returns a file name that no other image of this call has."""
    names = [f"{stem}.png", *(f"{stem}_{n}.png" for n in range(2, len(taken) + 3))]
    path = next(
        folder / name for name in names if _one_name(folder / name) not in taken
    )
    taken.add(_one_name(path))
    return path


def _one_name(path: Path) -> str:
    """Returns what two names of one file share, also where case does not count."""
    return os.path.realpath(path).casefold()


def _save(one: "Explanation", path: Path) -> None:
    """Writes an image with its heat map over it."""
    from tl_keras.evaluation.explanation import sheets

    with replacing(path) as temporary:
        temporary.write_bytes(sheets.png(one.overlay))


def _row(one: "Explanation", path: Path | None) -> dict[str, Any]:
    """Returns what is printed of an image."""
    return {
        "path": one.path,
        "label": one.label,
        "probability": one.probability,
        "explained": one.explained,
        "explained_probability": one.explained_probability,
        "overlay": path and str(path),
        "error": one.error,
    }


def _print_images(rows: list[dict[str, Any]]) -> None:
    """Prints a line for each image that was explained."""
    columns = [Column(name, overflow="fold") for name in ("Image", "Picture")]
    table = Table(columns[0], "Predicted", "Heat of", columns[1])
    for row in rows:
        if row["error"]:
            continue
        table.add_row(
            _shown(row["path"]),
            _shown(f"{row['label'] or 'no class'} ({row['probability']:.3f})"),
            _shown(f"{row['explained']} ({row['explained_probability']:.3f})"),
            _shown(row["overlay"]),
        )
    if table.row_count:
        Console().print(table)


def _explain_test(
    run: "Run", top: int, out: Path, asked: dict[str, Any], as_json: bool
) -> int:
    """Explains the test images that the run is most wrong about."""
    explaining = load("tl_keras.explaining")
    from tl_keras.evaluation.explanation import sheets

    predicted = explaining.test_probabilities(run)
    losses = explaining.top_losses(run, count=top, predicted=predicted, **asked)
    sheets.draw_top_losses(losses, out / TOP_LOSSES)
    files = [out / TOP_LOSSES]
    wrong = explaining.neighbours(run, count=top, predicted=predicted)
    if wrong:
        sheets.draw_neighbours(wrong, out / NEIGHBOURS)
        files.append(out / NEIGHBOURS)
    else:
        (out / NEIGHBOURS).unlink(missing_ok=True)
        say("All test images are predicted rightly: there are no neighbours to show.")
    if as_json:
        found = {
            "top_losses": [_loss_row(one) for one in losses],
            "neighbours": [_wrong_row(one) for one in wrong],
            "files": [str(path) for path in files],
        }
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    _print_losses(losses)
    _print_wrong(wrong)
    for path in files:
        print(path)
    return 0


def _loss_row(one: "TopLoss") -> dict[str, Any]:
    """Returns a test image's figures, without its pictures."""
    found = asdict(one.judged)
    del found["row"]
    return {**found, "explained": one.explained}


def _wrong_row(one: "Wrong") -> dict[str, Any]:
    """Returns a wrong prediction's figures and neighbours, without the pictures."""
    found = asdict(one.judged)
    del found["row"]
    near = [
        {"path": near.path, "label": near.label, "distance": near.distance}
        for near in one.neighbours
    ]
    return {**found, "votes": one.votes, "suspected": one.suspected, "neighbours": near}


def _print_losses(found: list["TopLoss"]) -> None:
    """Prints the test images with the highest loss."""
    image = Column("Image", overflow="fold")
    title = "Highest losses of the test images"
    table = Table(image, "True", "Predicted", "Probability", "Loss", title=title)
    for one in found:
        judged = one.judged
        names = [_shown(name) for name in (judged.path, judged.true, judged.predicted)]
        table.add_row(*names, f"{judged.probability:.3f}", f"{judged.loss:.3f}")
    Console().print(table)


def _print_wrong(found: list["Wrong"]) -> None:
    """Prints what the nearest training images of wrong predictions say."""
    image = Column("Image", overflow="fold")
    title = "Wrong predictions and their nearest training images"
    table = Table(image, "True", "Predicted", "Nearest as predicted", title=title)
    for one in found:
        judged = one.judged
        names = [_shown(name) for name in (judged.path, judged.true, judged.predicted)]
        doubt = ": label error?" if one.suspected else ""
        table.add_row(*names, f"{one.votes} of {len(one.neighbours)}{doubt}")
    if found:
        Console().print(table)


def _shown(name: str) -> Text:
    """Returns anybody's name as text without markup or control sequences."""
    return Text(visible(name))
