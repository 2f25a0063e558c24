"""The run folder in several processes: the chief writes it, the others a copy."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tl_keras import workspace
from tl_keras.errors import UsageError
from tl_keras.state import STATE


@dataclass
class Process:
    """The chief of two processes, or the other one, which is told a folder."""

    is_chief: bool
    says: str = ""
    steps: list = field(default_factory=list)

    def told(self, text=""):
        self.steps.append("told")
        return text if self.is_chief else self.says

    def barrier(self):
        self.steps.append("barrier")


def test_chief_works_in_its_folder(trained):
    chief = Process(is_chief=True)
    with workspace.opened(chief, lambda: trained) as (run, folder):
        assert run is trained and folder == trained.folder
        # Before it changes anything, the others have copied it.
        assert chief.steps == ["told", "barrier"]


def test_others_work_in_a_copy_that_is_removed(trained):
    before = (trained.folder / STATE).read_text()
    other = Process(is_chief=False, says=str(trained.folder))
    with workspace.opened(other, pytest.fail) as (run, folder):
        assert folder == trained.folder and run.folder != folder
        assert run.state == trained.state and run.has_weights
        run.finish("more", 1.0)
        copy = run.folder
    assert (trained.folder / STATE).read_text() == before
    assert not copy.exists() and other.steps == ["told", "barrier"]


def test_folder_that_is_not_shared_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(workspace, "SECONDS_TO_APPEAR", 0.0)
    other = Process(is_chief=False, says=str(tmp_path / "elsewhere"))
    with pytest.raises(UsageError, match="elsewhere is not seen by this process"):
        with workspace.opened(other, pytest.fail):
            pytest.fail("there is no run")
    assert not Path(tmp_path, "elsewhere").exists()
