"""How far the work is: bars on a terminal, plain lines in a file or a pipe."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")

# Results go to standard output; what happens meanwhile goes to standard error.
console = Console(stderr=True, soft_wrap=True, highlight=False)

SECONDS_BETWEEN_LINES = 10.0


def say(message: str) -> None:
    """Prints one line of what is happening, markup in names left as it is."""
    console.print(message, markup=False)


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keeps the lines and bars of some work off the screen: whoever asks says more."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def track(items: Iterable[Item], what: str, total: int, step: int = 1) -> Iterator:
    """Yields the items and shows how many are done.

    Args:
        items: What to go through.
        what: What is being done, such as "Checking images".
        total: Units of work in all.
        step: Units of work an item.

    Yields:
        The items.
    """
    if console.is_terminal:
        yield from _with_bar(items, what, total, step)
    else:
        yield from _with_lines(items, what, total, step)


def _with_bar(items: Iterable[Item], what: str, total: int, step: int) -> Iterator:
    """Draws one bar that stays when it is full."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total)
        for item in items:
            yield item
            done = progress.tasks[0].completed
            progress.update(task, completed=min(done + step, total))


def _with_lines(items: Iterable[Item], what: str, total: int, step: int) -> Iterator:
    """Prints a line now and then, and one at the end."""
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done = min(done + step, total)
        if done < total and time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            say(f"{what}: {done:,} of {total:,}")
    say(f"{what}: {done:,} of {total:,} in {time.monotonic() - start:.1f} s")
