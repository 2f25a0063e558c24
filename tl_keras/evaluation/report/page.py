"""The page of a run: one HTML file that needs nothing else.

Names of files and classes are untrusted: the templates escape all they are given, and
the page forbids itself requests and every script but its own, by that one's checksum.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import PackageLoader, Template
from markupsafe import Markup

from tl_keras.datasets.report import templates
from tl_keras.datasets.report.names import visible
from tl_keras.evaluation.report import curves, figures, verdict
from tl_keras.evaluation.report.contents import Report
from tl_keras.files import write_text

TEMPLATE = "report.html.j2"
SCRIPT = Path(__file__).with_name("report.js")
# With more classes a matrix is not read; the most confused pairs are.
MATRIX_CLASSES = 40
# With more classes nobody counts the zeros.
ZEROS = 12
# The last ones; `history.csv` holds all.
EPOCHS = 300
MISSES_AT_FIRST = 12


def write(path: Path, report: Report) -> None:
    """Writes the page in one step.

    Args:
        path: Where to.
        report: What the page shows.

    Raises:
        UsageError: If `path` is a folder or does not end in `.html`.
        StorageError: If the disk is full or the folder cannot be written.
    """
    templates.require_page(path)
    write_text(path, render(report))


def render(report: Report) -> str:
    """Returns the page as HTML.

    Args:
        report: What it shows.
    """
    metrics = report.metrics
    script = SCRIPT.read_text(encoding="utf-8")
    matrix = metrics.get("confusion_matrix")
    page = _template().render(
        report=report,
        verdict=verdict.sentence(metrics, multi_label=report.multi_label),
        baseline=verdict.baseline(metrics),
        warnings=verdict.warnings(metrics, report.splits),
        charts={
            title: curves.of_epochs(report.epochs, name)
            for name, title in (("loss", "Loss"), ("accuracy", "Accuracy"))
        },
        box=curves,
        scalars=figures.scalars(metrics, multi_label=report.multi_label),
        matrix=matrix if matrix and len(matrix) <= MATRIX_CLASSES else None,
        zeros=bool(matrix) and len(matrix) <= ZEROS,
        confused=figures.confused(metrics),
        columns=figures.class_columns(metrics),
        calibration=metrics.get("calibration"),
        reliability=curves.reliability(
            (metrics.get("calibration") or {}).get("bins") or ()
        ),
        abstention=metrics.get("abstention"),
        coverage=curves.coverage(metrics.get("abstention")),
        epochs=report.epochs[-EPOCHS:],
        at_first=MISSES_AT_FIRST,
        # Our own file, in which nobody's name is.
        script=Markup(script),
        checksum=checksum(script),
    )
    # The macros leave empty lines before the first tag.
    return page.lstrip()


def checksum(script: str) -> str:
    """Returns what a Content-Security-Policy knows an inline script by."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _lines(text: str) -> str:
    """Returns a text of several lines with everything in them to be seen."""
    return "\n".join(visible(line) for line in text.split("\n"))


@cache
def _template() -> Template:
    """Returns the page's template, read once a process."""
    environment = templates.environment(PackageLoader("tl_keras.evaluation", "report"))
    environment.filters["percent"] = verdict.percent
    environment.filters["lines"] = _lines
    environment.filters["phase"] = lambda name: curves.PHASES.get(name, name)
    return environment.get_template(TEMPLATE)
