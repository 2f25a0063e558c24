"""`tl-keras check`: whether images can be trained on, before anything is trained."""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tl_keras import stopping
from tl_keras.commands.quiet import load
from tl_keras.config import Config
from tl_keras.errors import DataError
from tl_keras.fields import override
from tl_keras.sections import Data

if TYPE_CHECKING:
    from tl_keras.datasets.checking.findings import Findings
    from tl_keras.datasets.manifest import Manifest
    from tl_keras.datasets.report.overview import Kind

DEFAULT_PAGE = "check.html"


def check(options: Namespace) -> int:
    """Check every image of a source; without one, list what is checked for."""
    from tl_keras.inspection import print_json, print_kinds, print_overview

    kinds = known_kinds()
    if options.kinds or options.source is None:
        print_kinds(kinds, as_json=options.json)
        return 0
    from tl_keras.datasets.report import html, overview, templates

    data = override(Data(), options.data.as_dict(), "data.")
    page = None if options.no_html else Path(options.out)
    if page:
        templates.require_page(page)
    with stopping.way_on_after_a_stop("The same command goes on where it stopped."):
        findings, split, refused = examine(options.source, data)
        found = overview.sum_up(
            findings, source=options.source, kinds=kinds, split=split, refused=refused
        )
        if page:
            html.write(page, found, root=findings.manifest.root, data=data)
    show = print_json if options.json else print_overview
    show(found, data, page)
    return 0 if found.sound else 1


def examine(source: str, data: Data) -> tuple["Findings", "Manifest | None", str]:
    """Checks a source, and deals its images out if all is well.

    Args:
        source: As `tl_keras.train` takes it.
        data: Which images, and what to do with bad ones.

    Returns:
        What was found; the images with their splits, or `None`; why they cannot be
        dealt out, or nothing.

    Raises:
        UsageError: If there is no such source.
        DataError: If the source holds no images of classes.
    """
    names = ("sources", "checking.check", "split")
    sources, check, split = (load(f"tl_keras.datasets.{name}") for name in names)
    findings = check.check(sources.find(source, data), data)
    if findings.errors or not findings.manifest.rows:
        return findings, None, ""
    try:
        usable = findings.usable()
        sources.require_two_classes(usable)
        return findings, split.deal(usable, data), ""
    except DataError as error:
        return findings, None, str(error)


def known_kinds() -> Mapping[str, "Kind"]:
    """Returns the kinds of problem by name."""
    from tl_keras.datasets.checking.problems import KINDS

    return KINDS


class DataOfConfig(argparse.Action):
    """Takes the section `data` of a config file; flags behind it win."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Sets the section's fields."""
        data = Config.from_yaml(values).data
        for field in dataclasses.fields(Data):
            namespace[f"data.{field.name}"] = getattr(data, field.name)


def add_check(parser: ArgumentParser) -> None:
    """Declares what `check` takes."""
    help = "a folder, a CSV table, tfds:NAME, or a built-in source"
    parser.add_argument("source", nargs="?", type=str | None, help=help)
    help = "a YAML file of options, as `train` takes it; its section `data` counts"
    parser.add_argument("--config", action=DataOfConfig, metavar="FILE", help=help)
    help = "the page with pictures"
    parser.add_argument("--out", default=DEFAULT_PAGE, metavar="FILE", help=help)
    parser.add_argument("--no_html", action="store_true", help="write no page")
    parser.add_argument("--json", action="store_true", help="print JSON")
    help = "list the kinds of problem, their policies and cures"
    parser.add_argument("--kinds", action="store_true", help=help)
    parser.add_class_arguments(Data, "data")
