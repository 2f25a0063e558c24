"""The child processes that examine files: started, fed, replaced where they die.

Plain processes with pipes, not `multiprocessing`: that would run the user's own script
again in each child, unless the script has an `if __name__ == "__main__"`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict
from queue import SimpleQueue
from typing import Self

from tl_keras import cores
from tl_keras.datasets.checking.limits import Limits
from tl_keras.datasets.checking.results import Answer, Result, Task
from tl_keras.datasets.checking.serving import READY
from tl_keras.errors import StorageError

MODULE = "tl_keras.datasets.checking.examiner"
# A child finds what the parent finds, wherever that came from. Keras and HDF5 are kept
# from it: TensorFlow imports them where it can, and with Keras scikit-learn and pandas,
# a third of a child's memory and half of its start. Decoding needs none of them.
START = (
    "import sys; sys.path[:] = {path!r}; sys.modules.update(keras=None, h5py=None); "
    "from {module} import main; main()"
)
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
BATCH = 8
# A child starts for seconds: one does for few files.
FILES_A_CHILD = 30
# Each holds 0.2 GB of its own.
MOST_CHILDREN = 8
LAST_WORDS_BYTES = 4000


class Child:
    """One process that examines files."""

    def __init__(self) -> None:
        """Starts it, and does not wait until it is ready."""
        self._errors = tempfile.TemporaryFile()
        start = START.format(path=sys.path, module=MODULE)
        self._process = subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **ENVIRONMENT},
            # Ctrl-C at the terminal goes to the parent, which ends its children.
            start_new_session=True,
        )
        self._ready = False

    def ask(self, tasks: list[Task], limits: Limits) -> Iterator[Answer]:
        """Yields an answer to each task, fewer where it dies.

        Raises:
            StorageError: If the process does not come up.
        """
        if not self._ready and self._read() != READY:
            raise StorageError(
                f"The process that examines the images does not start: "
                f"{self._last_words() or 'it says nothing'}"
            )
        self._ready = True
        files = [task.order() for task in tasks]
        order = json.dumps({"limits": asdict(limits), "files": files})
        try:
            self._process.stdin.write(order.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return
        for _ in tasks:
            line = self._read()
            if not line:
                return
            yield Answer.from_json(line)

    def _read(self) -> str:
        """Returns a line; empty where the process ended."""
        line = self._process.stdout.readline()
        return line.decode().strip() if line.endswith(b"\n") else ""

    def death(self, limits: Limits) -> Result:
        """Returns what is to be said of the file that it died of."""
        code = self._process.wait()
        if code == -signal.SIGALRM:
            return Result(problems=(("slow", f"{limits.seconds:g} s"),))
        words = self._last_words()
        if "bad_alloc" in words or "MemoryError" in words:
            detail = f"needs more than {limits.bytes / 1e9:.1f} GB of memory"
            return Result(problems=(("enormous", detail),))
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        detail = ", ".join(part for part in (name, words) if part)
        return Result(problems=(("crash", detail),))

    def _last_words(self) -> str:
        """Returns the last line that it wrote to standard error."""
        # The position is shared with the child, and must not be moved.
        written = os.fstat(self._errors.fileno()).st_size
        start = max(written - LAST_WORDS_BYTES, 0)
        text = os.pread(self._errors.fileno(), LAST_WORDS_BYTES, start)
        lines = text.decode(errors="replace").strip().splitlines()
        return lines[-1][:120] if lines else ""

    def end(self) -> None:
        """Ends the process at once."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        try:
            self._process.stdin.close()
        except OSError:
            # What it did not read any more is of no interest.
            pass
        self._errors.close()


def hire() -> Child:
    """Starts a child."""
    return Child()


def dismiss(child: Child) -> None:
    """Ends a child that is idle."""
    child.end()


class Crew:
    """Some children that work on one list of tasks.

    A context manager: at its end no child is left, whatever happened.

    Args:
        limits: What a single file may take.
    """

    def __init__(self, limits: Limits) -> None:
        """Waits for tasks."""
        self._limits = limits
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Task, Answer] | BaseException] = SimpleQueue()
        self._working: set[Child] = set()
        self._workers: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._added = self._answered = 0
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            for child in self._working:
                child.end()

    def add(self, task: Task) -> None:
        """Gives the crew one more task; it starts at once."""
        self._tasks.put(task)
        self._added += 1
        wanted = 1 + self._added // FILES_A_CHILD
        if len(self._workers) < min(wanted, cores.usable(), MOST_CHILDREN):
            worker = threading.Thread(target=self._work, daemon=True)
            self._workers.append(worker)
            worker.start()

    def answers(self, waiting: int = 0) -> Iterator[tuple[Task, Answer]]:
        """Yields tasks with their answers, in the order in which they are ready.

        Args:
            waiting: Tasks that may be left without an answer. With 0 no task can be
                added any more.

        Raises:
            StorageError: If a child does not start.
        """
        if not waiting:
            for _ in self._workers:
                self._tasks.put(None)
        while self._added - self._answered > waiting:
            answer = self._answers.get()
            if isinstance(answer, BaseException):
                raise answer
            self._answered += 1
            yield answer
        if not waiting:
            for worker in self._workers:
                worker.join()

    def _work(self) -> None:
        """Lets one child after the other work until no task is left."""
        try:
            child, tasks = self._hire(), []
            while child and (tasks := tasks or self._next()):
                done = 0
                for answer in child.ask(tasks, self._limits):
                    self._answers.put((tasks[done], answer))
                    done += 1
                if done < len(tasks):
                    child = self._replace(child, tasks[done])
                tasks = tasks[done + 1 :]
            if child:
                self._dismiss(child)
        # Whatever it is, the parent's own thread must know.
        except BaseException as error:
            self._answers.put(error)

    def _next(self) -> list[Task]:
        """Returns some tasks; none at the end of the list."""
        tasks: list[Task] = []
        while len(tasks) < BATCH and (not tasks or not self._tasks.empty()):
            task = self._tasks.get()
            if task is None:
                # The mark stays for the other children.
                self._tasks.put(None)
                break
            tasks.append(task)
        return tasks

    def _hire(self) -> Child | None:
        """Starts a child, unless the crew has been sent home."""
        with self._lock:
            if self._closed:
                return None
            child = hire()
            self._working.add(child)
            return child

    def _dismiss(self, child: Child) -> None:
        """Lets a child go, unless it was sent home with the crew."""
        with self._lock:
            self._working.discard(child)
            if not self._closed:
                dismiss(child)

    def _replace(self, dead: Child, culprit: Task) -> Child | None:
        """Names the file that a child died of, and starts another child."""
        with self._lock:
            if self._closed:
                return None
            self._working.discard(dead)
        self._answers.put((culprit, Answer(result=dead.death(self._limits))))
        dead.end()
        return self._hire()
