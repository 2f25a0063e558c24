"""What the tests of the server share: an export, loaded once."""

import functools
import shutil
from pathlib import Path

import pytest
from asking import talk

from tl_keras.serving import models


@pytest.fixture(scope="session")
def shelf(exported):
    """The export, loaded once for all tests that change no version."""
    return models.opened(exported)


@pytest.fixture
def ask(shelf):
    """Runs a conversation with a server of the export: see `asking.talk`."""
    return functools.partial(talk, shelf=shelf)


@pytest.fixture
def folder(exported, tmp_path):
    """A copy of the export's folder."""
    return Path(shutil.copytree(exported, tmp_path / "squares"))


@pytest.fixture
def add(exported, folder):
    """Adds a version to `folder` as exporting does: all of it appears at once."""

    def add(number):
        made = Path(shutil.copytree(exported / "1", folder.parent / "new"))
        return made.rename(folder / str(number))

    return add
