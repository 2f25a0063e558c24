"""Examines a list of files: those that are known by the store's word, others anew."""

import os
from collections.abc import Iterable, Iterator

from tl_keras.datasets.children import Answer, Crew, Task
from tl_keras.datasets.limits import Limits
from tl_keras.datasets.results import Result, Stamp
from tl_keras.datasets.store import Store


def examine(
    tasks: Iterable[Task], store: Store, limits: Limits
) -> Iterator[tuple[Task, Result]]:
    """Yields each task with its result, those first that are known.

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
            else:
                yield task, result
        for task, answer in crew.answers():
            _note(task, answer, store)
            yield task, answer.result


def _without_opening(task: Task, store: Store) -> Result | None:
    """Returns what is known of a file, or that it cannot be found."""
    try:
        task.key.encode()
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


def _note(task: Task, answer: Answer, store: Store) -> None:
    """Puts an answer into the store, unless the child died of the file."""
    if answer.stamp is not None:
        store.add(task.key, answer.stamp, answer.result, answer.thumbnail)
