"""Versions: the newest is served, swapped without a request lost, and freed."""

import asyncio
import gc
import shutil
import weakref

import pytest
from asking import PREDICT, rows, talk

from tl_keras.errors import ExportError, UsageError
from tl_keras.export.loaded import Export
from tl_keras.serving import app, models
from tl_keras.serving.refusals import Refusal
from tl_keras.serving.versions import Version

BROKEN = b"no model"


@pytest.fixture
def unloaded(monkeypatch):
    """Leaves TensorFlow out: for tests of which version is served, and when."""

    def load(path):
        if (path / "saved_model.pb").read_bytes() == BROKEN:
            raise ValueError("no model in it")
        return Version(Export(path), {}, {})

    monkeypatch.setattr(models, "load", load)


def states(shelf):
    """Returns how far each version is."""
    found = shelf.statuses(shelf.name)["model_version_status"]
    return {row["version"]: row["state"] for row in found}


def break_model(version):
    (version / "saved_model.pb").write_bytes(BROKEN)


def test_newest_version_is_served(folder, add, unloaded):
    add(10)
    add(9)
    shelf = models.opened(folder)
    assert shelf.name == "squares" and shelf.current.number == 10
    assert states(shelf) == {"10": "AVAILABLE"}


def test_version_that_is_named_is_the_only_one(folder, add, unloaded):
    add(2)
    shelf = models.opened(folder / "1")
    shelf.refresh()
    assert (shelf.name, shelf.current.number) == ("squares", 1)


def test_new_version_takes_the_place_of_the_old_one_when_its_requests_are_done(
    folder, add
):
    shelf = models.opened(folder)
    old = weakref.ref(shelf.current)
    model = weakref.ref(shelf.current.signatures["features"]._model)
    with shelf.using("squares") as version:
        add(2)
        shelf.refresh()
        shelf.refresh()
        assert states(shelf) == {"2": "AVAILABLE", "1": "UNLOADING"}
        assert version.number == 1 and version.signatures
        with shelf.using("squares") as newer:
            assert newer.number == 2
        with pytest.raises(Refusal, match="Specific"), shelf.using("squares", "1"):
            pass
    del version
    shelf.refresh()
    assert states(shelf) == {"2": "AVAILABLE", "1": "END"}
    gc.collect()
    assert old() is None and model() is None


def test_broken_version_is_reported_once_and_the_old_one_stays(
    folder, add, unloaded, capsys
):
    shelf = models.opened(folder)
    break_model(add(2))
    shelf.refresh()
    shelf.refresh()
    assert shelf.current.number == 1
    assert states(shelf) == {"2": "END", "1": "AVAILABLE"}
    status = shelf.statuses("squares", "2")["model_version_status"][0]["status"]
    assert status["error_code"] == "INTERNAL" and status["error_message"]
    said = capsys.readouterr().err
    assert said.count("Version 2 of squares is not served") == 1
    assert "Version 1 stays." in said


def test_broken_version_is_tried_again_when_it_is_mended(folder, add, unloaded):
    shelf = models.opened(folder)
    broken = add(2)
    kept = (broken / "saved_model.pb").read_bytes()
    break_model(broken)
    shelf.refresh()
    (broken / "saved_model.pb").write_bytes(kept)
    shelf.refresh()
    assert states(shelf)["2"] == "AVAILABLE" and shelf.current.number == 2


def test_version_of_an_earlier_form_is_refused_with_the_cure(folder, monkeypatch):
    monkeypatch.setattr("tl_keras.serving.versions.OUTPUTS", {"label", "gone"})
    with pytest.raises(ExportError, match="No version in .* Export the run anew"):
        models.opened(folder)


def test_version_that_is_taken_away_gives_way_to_the_one_before(folder, add, unloaded):
    add(2)
    shelf = models.opened(folder)
    shutil.rmtree(folder / "2")
    shelf.refresh()
    assert shelf.current.number == 1


def test_last_version_is_served_on_when_its_folder_is_gone(folder, unloaded):
    shelf = models.opened(folder)
    shutil.rmtree(folder)
    shelf.refresh()
    assert shelf.current.number == 1


@pytest.mark.parametrize("name", ["saved_model.pb", "export.json"])
def test_files_that_are_damaged_are_reported_by_name(folder, name, capsys):
    (folder / "1" / name).write_bytes(BROKEN)
    with pytest.raises(ExportError, match="No version in .* can be served"):
        models.opened(folder)
    assert "Version 1 of squares is not served: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["none", "empty"])
def test_folder_without_versions_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no SavedModel"):
        models.opened(tmp_path / name)


def test_name_that_fits_into_no_address_is_refused(folder):
    with pytest.raises(UsageError, match="no colon"):
        models.opened(folder.rename(folder.with_name("a:b")))


def test_new_version_is_picked_up_without_a_request_lost(folder, add, red, monkeypatch):
    monkeypatch.setattr(app, "POLL", 0.05)
    body = rows(red.read_bytes())
    shelf = models.opened(folder)

    async def ask_until(client, done, answers):
        while not done.is_set():
            answers.append(await client.post(PREDICT, json=body))

    async def conversation(client):
        done, answers = asyncio.Event(), []
        asking = [
            asyncio.create_task(ask_until(client, done, answers)) for _ in range(4)
        ]
        for number in (2, 3):
            add(number)
            while (await client.get("/about")).json()["version"] != number:
                await asyncio.sleep(0.02)
        done.set()
        await asyncio.gather(*asking)
        while states(shelf) != {"3": "AVAILABLE", "2": "END", "1": "END"}:
            await asyncio.sleep(0.02)
        return answers

    answers = talk(conversation, shelf)
    assert {answer.status_code for answer in answers} == {200}
    labels = {answer.json()["predictions"][0]["label"] for answer in answers}
    assert labels == {"red"} and len(answers) > 10
