"""The run folder as each process of a run sees it: the chief alone writes it.

The others work on a copy that is removed in the end, by the same code: they have to
take every step that the chief takes, and what they would write is the same.
"""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tl_keras.errors import UsageError
from tl_keras.run import Run, find_run
from tl_keras.training.distribution.team import Team

# Network file systems show new files late.
SECONDS_TO_APPEAR = 60.0
SECONDS_BETWEEN_LOOKS = 0.5
NOT_NEEDED = ("logs", "*.html", "*.png")


@contextlib.contextmanager
def opened(team: Team, make: Callable[[], Run]) -> Iterator[tuple[Run, Path]]:
    """Opens a run in all processes.

    Args:
        team: The processes.
        make: Creates or opens the run; only the chief calls it.

    Yields:
        The run that this process works on, and the folder that all see.

    Raises:
        UsageError: If this process does not see the chief's folder.
    """
    if team.is_chief:
        run = make()
        team.told(str(run.folder.resolve()))
        team.barrier()
        yield run, run.folder
        return
    folder = Path(team.told())
    _require_seen(folder)
    with tempfile.TemporaryDirectory(prefix="tl_keras-") as temporary:
        copy = Path(temporary, folder.name)
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*NOT_NEEDED))
        # The chief goes on only now: what was copied is of one moment.
        team.barrier()
        yield Run(copy), folder


def _require_seen(folder: Path) -> None:
    """Waits until the chief's run folder is seen here."""
    until = time.monotonic() + SECONDS_TO_APPEAR
    while find_run(folder) is None:
        if time.monotonic() > until:
            raise UsageError(
                f"The chief's run folder {folder} is not seen by this process: --runs "
                "and data.cache_dir must be folders that all processes share."
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)
