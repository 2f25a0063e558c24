"""`tl-keras report`: the page of a run."""

from jsonargparse import ArgumentParser, Namespace

from tl_keras.commands.quiet import load


def report(options: Namespace) -> int:
    """Write the page of a run: figures, curves, errors, use, model card."""
    print(load("tl_keras.reporting").report(options.run, options.out))
    return 0


def add_report(parser: ArgumentParser) -> None:
    """Declares what `report` takes."""
    parser.add_argument("run", help="a run folder")
    help = "the HTML file to write; default: report.html in the run folder"
    parser.add_argument("--out", type=str | None, metavar="FILE", help=help)
