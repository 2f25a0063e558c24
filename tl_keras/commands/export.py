"""`tl-keras export` and `tl-keras exports`: models for use elsewhere."""

import json
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tl_keras.commands.quiet import load, load_pipeline
from tl_keras.commands.train import DEFAULT_EXPORTS


def export(options: Namespace) -> int:
    """Write a run as SavedModel, LiteRT or ONNX, each proven in a fresh process."""
    load_pipeline()
    from tl_keras.exports import print_proof
    from tl_keras.run import load_run

    run = load_run(options.run)
    found = run.export(
        options.to or Path(DEFAULT_EXPORTS, run.folder.resolve().name),
        formats=_names(options.format),
        quantize=_names(options.quantize),
        accept_loss=options.accept_loss,
    )
    print_proof(found.facts)
    print(found.path)
    return 0


def add_export(parser: ArgumentParser) -> None:
    """Declares what `export` takes."""
    parser.add_argument("run", help="a run folder")
    parser.add_argument(
        "--format",
        default="saved_model",
        metavar="NAMES",
        help="saved_model (always there), litert, onnx; several with commas",
    )
    parser.add_argument(
        "--quantize",
        default="none",
        metavar="NAMES",
        help="of LiteRT models: none, dynamic, float16, int8; several with commas",
    )
    help = "folder of the numbered versions; default: saved_models/ and the run's name"
    parser.add_argument("--to", type=str | None, metavar="FOLDER", help=help)
    parser.add_argument(
        "--accept_loss",
        action="store_true",
        help="keep quantized models however much they lose",
    )


def exports(options: Namespace) -> int:
    """List the exports in a folder with their artifacts."""
    shelf = load("tl_keras.export.shelf")
    from tl_keras.exports import print_versions

    rows = shelf.versions(Path(options.folder))
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print_versions(rows)
    return 0


def add_exports(parser: ArgumentParser) -> None:
    """Declares what `exports` takes."""
    parser.add_argument(
        "folder", nargs="?", default=DEFAULT_EXPORTS, help="their folder"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _names(text: str) -> tuple[str, ...]:
    """Returns names that commas part."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
