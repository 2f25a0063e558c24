"""Examines a list of files: those that are known by the store's word, others anew."""

import os
from collections.abc import Iterable, Iterator

from tl_keras.datasets.checking.children import Crew
from tl_keras.datasets.checking.limits import Limits
from tl_keras.datasets.checking.results import Answer, Result, Stamp, Task
from tl_keras.datasets.checking.store import Store

# Files that wait for a child or for being noted: memory is bounded whatever there is.
MOST_WAITING = 2000


def examine(
    tasks: Iterable[Task], store: Store, limits: Limits
) -> Iterator[tuple[Task, Result]]:
    """Yields each task with its result, in no particular order.

    The children start as soon as one file is not known, and work while the others
    are looked up.

    Args:
        tasks: What to examine.
        store: What is known; what is found out goes there.
        limits: What a single file may take.

    Raises:
        StorageError: If the store cannot be used, or no child starts.
    """
    with Crew(limits) as crew:
        for task in tasks:
            result = _without_opening(task, store)
            if result is None:
                crew.add(task)
                yield from _noted(crew.answers(waiting=MOST_WAITING), store)
            else:
                yield task, result
        yield from _noted(crew.answers(), store)


def _without_opening(task: Task, store: Store) -> Result | None:
    """Returns what is known of a file, or that it cannot be found."""
    try:
        task.path.encode()
    except UnicodeEncodeError:
        return Result(problems=(("bad_name", ""),))
    try:
        status = os.stat(task.target or task.path)
    except OSError as error:
        # What is to be converted is not there yet.
        if task.target:
            return None
        detail = error.strerror or str(error)
        return Result(problems=(("unreadable", detail),))
    return store.known(task.key, Stamp.of(status))


def _noted(
    answers: Iterable[tuple[Task, Answer]], store: Store
) -> Iterator[tuple[Task, Result]]:
    """Puts answers into the store, unless the child died of the file."""
    for task, answer in answers:
        if answer.stamp is not None:
            store.add(task.key, answer.stamp, answer.result, answer.thumbnail)
        yield task, answer.result
