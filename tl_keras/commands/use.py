"""`tl-keras evaluate` and `tl-keras predict`: using a run or an export."""

import json
import sys

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from tl_keras.commands.quiet import load_pipeline
from tl_keras.commands.train import SOURCES
from tl_keras.errors import UsageError


def evaluate(options: Namespace) -> int:
    """Evaluate a run or an export on labelled images."""
    pipeline = load_pipeline()
    from tl_keras import assessment
    from tl_keras.summary import print_metrics

    metrics = assessment.evaluate(
        pipeline.load(options.model),
        options.source,
        bad_files=options.bad_files,
        tta=options.tta,
    )
    if options.json:
        print(json.dumps(metrics, indent=2, ensure_ascii=False))
        return 0
    print_metrics(metrics, Console(highlight=False))
    return 0


def add_evaluate(parser: ArgumentParser) -> None:
    """Declares what `evaluate` takes."""
    parser.add_argument("model", help="a run folder or an export's folder")
    parser.add_argument("source", help=SOURCES)
    parser.add_argument(
        "--bad_files",
        choices=["error", "skip", "convert"],
        default="error",
        help="what to do with files that cannot be used as they are",
    )
    help = "test-time augmentation: none, flips or ten_crop; the last two mirror images"
    parser.add_argument("--tta", default="none", metavar="NAME", help=help)
    parser.add_argument("--json", action="store_true", help="print JSON")


def predict(options: Namespace) -> int:
    """Classify image files with an export or a run."""
    pipeline = load_pipeline()

    if options.json and options.csv:
        raise UsageError("Give --json or --csv, not both.")
    from tl_keras.summary import print_predictions

    found = pipeline.load(options.model).predict(options.images)
    shape = "json" if options.json else "csv" if options.csv else "table"
    print_predictions(found, shape)
    bad = [prediction for prediction in found if prediction.error]
    for prediction in bad:
        print(f"error: {prediction.path}: {prediction.error}", file=sys.stderr)
    return 1 if bad else 0


def add_predict(parser: ArgumentParser) -> None:
    """Declares what `predict` takes."""
    parser.add_argument("model", help="an export's folder, or a run folder")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--csv", action="store_true", help="print CSV")
