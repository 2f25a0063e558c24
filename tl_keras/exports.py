"""What a person sees of exports: the proof of one, and all that there are."""

from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

# A narrow terminal must not break the figures apart.
LEAST_WIDTH = 140


def print_proof(facts: dict[str, Any]) -> None:
    """Prints how each artifact of a version compares with the Keras model.

    Args:
        facts: What `export.json` holds.
    """
    artifacts = facts["artifacts"]
    images = artifacts[0]["images"]
    table = Table(
        Column("Artifact", no_wrap=True),
        Column("File", no_wrap=True),
        Column("Size", justify="right"),
        Column("Difference", justify="right"),
        Column("Same answer", justify="right"),
        Column("Accuracy", justify="right"),
        Column("1 image", justify="right"),
        Column("32 images", justify="right"),
        title=f"Run by themselves on {images} test images",
    )
    first = _milliseconds(artifacts[0])
    for one in artifacts:
        times = [
            f"{own:,.1f} ms ({own / reference:.2f}x)"
            for own, reference in zip(_milliseconds(one), first)
        ]
        table.add_row(
            one["title"],
            one["file"],
            size(one["bytes"]),
            f"{one['max_difference']:.1e}",
            f"{one['agreement']:.1%}",
            f"{one['accuracy']:.3f}",
            *times,
        )
    _console().print(table)


def print_versions(rows: list[dict[str, Any]]) -> None:
    """Prints what exports there are.

    Args:
        rows: What `export.shelf.versions` gives.
    """
    table = Table(
        "Name",
        Column("Version", justify="right"),
        "Network",
        Column("Classes", justify="right"),
        Column("Accuracy", justify="right"),
        "Artifacts",
        "Written",
    )
    for row in rows:
        name, number = Text(row["name"]), str(row["version"])
        if "error" in row:
            table.add_row(name, number, "damaged", "", "", Text(row["error"]), "")
            continue
        accuracy = row["accuracy"]
        shown = [f"{one['title']} {size(one['bytes'])}" for one in row["artifacts"]]
        table.add_row(
            name,
            number,
            row["network"],
            str(row["classes"]),
            "" if accuracy is None else f"{accuracy:.3f}",
            "\n".join(shown),
            (row["created"] or "")[:16].replace("T", " "),
        )
    _console().print(table)


def size(count: int) -> str:
    """Returns a number of bytes in a person's units."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} KB"


def _milliseconds(artifact: dict[str, Any]) -> list[float]:
    """Returns how long a call takes, of 1 and of 32 images."""
    return list(artifact["milliseconds"].values())


def _console() -> Console:
    """Returns the screen, wide enough."""
    return Console(width=max(Console().width, LEAST_WIDTH), highlight=False)
