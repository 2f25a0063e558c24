"""A file may bring its process down, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tl_keras import cores
from tl_keras.datasets.checking import children
from tl_keras.datasets.checking.children import Crew
from tl_keras.datasets.checking.limits import Limits
from tl_keras.datasets.checking.results import Task
from tl_keras.errors import StorageError

LIMITS = Limits(seconds=1.0, bytes=1 << 28)
TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module", autouse=True)
def saboteurs():
    """Puts the stand-in into the examiner's place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(children, "MODULE", "saboteur")
        patch.setattr(children, "hire", children.Child)
        patch.setattr(children, "dismiss", children.Child.end)
        yield


def examined(folder, contents, limits=LIMITS):
    """Returns each file's result by name."""
    results = {}
    with Crew(limits) as crew:
        for index, (name, content) in enumerate(contents.items()):
            (folder / name).write_bytes(content)
            crew.add(Task(index=index, key=name, path=str(folder / name)))
        for task, answer in crew.answers():
            assert task.key not in results
            results[task.key] = answer.result
    return results


DEADLY = {
    "aborts": b"crash",
    "waits": b"hang",
    "grows": b"grow",
    "exhausts": b"exhaust",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A hundred files, four of them deadly, in one pass."""
    contents = {str(number): b"fine %d" % number for number in range(96)}
    names = list(contents)
    for place, name in zip((0, 13, 40, 95), DEADLY):
        names.insert(place, name)
    contents |= DEADLY
    folder = tmp_path_factory.mktemp("files")
    return examined(folder, {name: contents[name] for name in names})


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("aborts", ("crash", "SIGABRT")),
        ("waits", ("slow", "1 s")),
        ("exhausts", ("enormous", "needs more than 0.3 GB of memory")),
        ("grows", ("enormous", "needs more than 0.3 GB of memory")),
    ],
)
def test_file_that_kills_its_process_is_named_with_the_reason(results, name, problem):
    assert results[name].problems == (problem,)


def test_every_other_file_is_examined(results):
    fine = {name: result.pixels for name, result in results.items() if result.pixels}
    assert fine == {str(number): f"fine {number}" for number in range(96)}


def test_last_words_of_the_dead_process_are_in_the_reason(tmp_path):
    result = examined(tmp_path, {"missing-encoding": b"\xff"})["missing-encoding"]
    assert "UnicodeDecodeError" in result.problems[0][1]


def test_what_a_library_prints_passes_for_no_answer(tmp_path):
    found = examined(tmp_path, {"a": b"a speak", "b": b"b"})
    assert found["a"].pixels == "a speak"


def test_process_that_does_not_start_is_told_with_its_words(tmp_path, monkeypatch):
    start = children.START.replace("import main; main()", "import silent; silent()")
    monkeypatch.setattr(children, "START", start)
    with pytest.raises(StorageError, match="does not start: no room on this machine"):
        examined(tmp_path, {"a": b"a"})


def test_answers_come_while_tasks_are_added(tmp_path):
    (tmp_path / "a").write_bytes(b"fine")
    most, waiting = 3, 0
    with Crew(LIMITS) as crew:
        for index in range(40):
            crew.add(Task(index=index, key="", path=str(tmp_path / "a")))
            waiting += 1 - len(list(crew.answers(waiting=most)))
            assert waiting <= most
        assert len(list(crew.answers())) == waiting


def test_few_files_need_one_process(tmp_path, monkeypatch):
    hired = []
    monkeypatch.setattr(
        children, "hire", lambda: hired.append(children.Child()) or hired[-1]
    )
    monkeypatch.setattr(cores, "usable", lambda: 4)
    examined(tmp_path, {str(number): b"fine" for number in range(29)})
    assert len(hired) == 1


def test_many_files_get_a_process_for_each_core(tmp_path, monkeypatch):
    hired = []
    monkeypatch.setattr(
        children, "hire", lambda: hired.append(children.Child()) or hired[-1]
    )
    monkeypatch.setattr(cores, "usable", lambda: 3)
    examined(tmp_path, {str(number): b"fine" for number in range(200)})
    assert len(hired) == 3


def test_no_process_is_left_where_the_work_is_broken_off(tmp_path, monkeypatch):
    hired = []
    monkeypatch.setattr(
        children, "hire", lambda: hired.append(children.Child()) or hired[-1]
    )
    (tmp_path / "waits").write_bytes(b"hang")
    with pytest.raises(KeyboardInterrupt), Crew(Limits()) as crew:
        crew.add(Task(index=0, key="", path=str(tmp_path / "waits")))
        while not hired:
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert hired[0]._process.poll() == -signal.SIGKILL


def test_ctrl_c_of_the_terminal_does_not_reach_the_children():
    child = children.Child()
    session = os.getsid(child._process.pid)
    child.end()
    assert session != os.getsid(0)


# A user's script without `if __name__ == "__main__"`.
SCRIPT = """
import sys
from tl_keras.datasets.checking import children
from tl_keras.datasets.checking.children import Crew
from tl_keras.datasets.checking.limits import Limits
from tl_keras.datasets.checking.results import Task
sys.path.append({tests!r})
children.MODULE = "saboteur"
with Crew(Limits()) as crew:
    crew.add(Task(index=0, key="", path={path!r}))
    child = None
    while not crew._working:
        pass
    print(*(child._process.pid for child in crew._working), flush=True)
    for _, answer in crew.answers():
        print(answer.result.pixels)
"""


def script(tmp_path, content):
    """Starts a script that examines one file."""
    path = tmp_path / "file"
    path.write_bytes(content)
    (tmp_path / "script.py").write_text(SCRIPT.format(tests=str(TESTS), path=str(path)))
    return subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_gone(process_id):
    """Waits at most five seconds for the end of a process."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().split(") ")[1][0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_script_without_a_main_guard_runs_once(tmp_path):
    output, _ = script(tmp_path, b"fine").communicate(timeout=60)
    assert output.splitlines()[1:] == ["fine"]


@pytest.mark.parametrize(
    ("number", "content"),
    [
        (signal.SIGINT, b"hang"),
        # Nothing is done by the parent: its process notices at the file's end.
        (signal.SIGTERM, b"pause"),
        (signal.SIGKILL, b"pause"),
    ],
)
def test_no_process_outlives_its_parent(tmp_path, number, content):
    parent = script(tmp_path, content)
    child = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.send_signal(number)
    parent.communicate(timeout=60)
    assert wait_until_gone(child)
