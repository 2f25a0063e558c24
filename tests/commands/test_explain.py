"""`tl-keras explain`: pictures and lines for images, or for the test set."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tl_keras import explaining
from tl_keras.cli import main


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the run, for its pictures."""
    return shutil.copytree(trained.folder, tmp_path / "run")


def test_image_gets_a_picture_and_a_line(capsys, folder, red):
    assert main(["explain", str(folder), str(red)]) == 0
    picture = np.asarray(Image.open(folder / "explanations" / "0_gradcam.png"))
    (found,) = explaining.explain(explaining.Run(folder), [red])
    np.testing.assert_array_equal(picture, found.overlay)
    assert "Heat of" in capsys.readouterr().out


def test_options_reach_the_explanation(capsys, folder, red, tmp_path):
    flags = ["--method", "gradcam", "--layer", "block1", "--class", "blue"]
    out = tmp_path / "pictures"
    assert main(["explain", str(folder), str(red), *flags, "--out", str(out)]) == 0
    asked = {"layer": "block1", "class_name": "blue"}
    (found,) = explaining.explain(explaining.Run(folder), [red], **asked)
    np.testing.assert_array_equal(
        np.asarray(Image.open(out / "0_gradcam.png")), found.overlay
    )


def test_files_of_one_name_get_pictures_of_their_own(capsys, folder, red):
    other = red.parent.parent / "blue" / "0.png"
    assert main(["explain", str(folder), str(red), str(other), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["overlay"] for row in rows] == [
        str(folder / "explanations" / name)
        for name in ("0_gradcam.png", "0_gradcam_2.png")
    ]
    pixels = [np.asarray(Image.open(row["overlay"])) for row in rows]
    assert not np.array_equal(*pixels)


def test_images_are_never_written_over(capsys, folder, red, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    names = ("a.png", "a.jpg", "a_gradcam.png")
    for name in names:
        shutil.copy(red, photos / name)
    paths = [str(photos / name) for name in names]
    assert main(["explain", str(folder), *paths[1:], "--out", str(photos)]) == 0
    # The first one is not even named.
    assert all((photos / name).read_bytes() == red.read_bytes() for name in names)
    assert (photos / "a_gradcam_2.png").is_file()


def test_methods_keep_their_pictures_apart(capsys, folder, red):
    for method in ("gradcam", "occlusion"):
        assert main(["explain", str(folder), str(red), "--method", method]) == 0
    assert (folder / "explanations" / "0_gradcam.png").is_file()
    assert (folder / "explanations" / "0_occlusion.png").is_file()


def test_bad_image_fails_the_command_but_not_the_others(capsys, folder, red, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    assert main(["explain", str(folder), str(bad), str(red), "--json"]) == 1
    captured = capsys.readouterr()
    assert f"error: {bad}: not an image" in captured.err
    first, second = json.loads(captured.out)
    assert first["overlay"] is None and second["label"] and second["error"] is None


def test_test_set_gets_its_sheets(capsys, folder):
    assert main(["explain", str(folder), "--top", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["top_losses"]) == 3
    assert found["files"][0] == str(folder / "explanations" / "top_losses.png")
    assert all(Image.open(path).format == "PNG" for path in found["files"])


def test_test_set_is_shown_with_the_wrong_ones(capsys, folder, monkeypatch):
    def swapped(run):
        predicted = run.probabilities(run.manifest.split("test"))
        return np.roll(predicted, 1, axis=1)

    monkeypatch.setattr(explaining, "test_probabilities", swapped)
    assert main(["explain", str(folder), "--top", "2"]) == 0
    shown = capsys.readouterr().out
    assert "Highest losses" in shown and "of 5" in shown
    assert (folder / "explanations" / "neighbours.png").is_file()
    # Once all is right, the old sheet of wrong ones would be a lie.
    monkeypatch.setattr(
        explaining, "test_probabilities", lambda run: np.eye(3)[_labels(run)]
    )
    assert main(["explain", str(folder), "--top", "2"]) == 0
    assert not (folder / "explanations" / "neighbours.png").exists()


def _labels(run):
    return run.manifest.split("test").labels(run.class_names)


def test_export_is_refused_with_what_to_do(capsys, tmp_path):
    for name in ("saved_model.pb", "export.json"):
        (tmp_path / name).write_text("{}")
    assert main(["explain", str(tmp_path), "a.png"]) == 2
    error = capsys.readouterr().err
    assert "is an export" in error and "Name the run" in error


def test_unknown_class_is_answered_in_one_line(capsys, folder, red):
    assert main(["explain", str(folder), str(red), "--class", "rad"]) == 2
    assert "Did you mean 'red'?" in capsys.readouterr().err
