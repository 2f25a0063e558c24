"""Evaluation with test-time augmentation: of runs, of exports, on the command line."""

import json

import numpy as np
import pytest

import tl_keras as tl
from tl_keras.cli import main
from tl_keras.errors import UsageError
from tl_keras.evaluation import views
from tl_keras.export import verify
from tl_keras.export.artifacts import TABLE
from tl_keras.export.proof import Proof


@pytest.fixture(scope="module")
def export(trained, tmp_path_factory):
    """The run's export; its comparison in another process is left out."""
    with pytest.MonkeyPatch.context() as patch:
        found = Proof(
            artifact=TABLE[0],
            images=0,
            max_difference=0.0,
            agreement=1.0,
            accuracy=1.0,
            bytes=0,
            milliseconds={},
        )
        patch.setattr(verify, "prove", lambda *_: found)
        return trained.export(tmp_path_factory.mktemp("export"))


def test_figures_are_those_of_the_averaged_probabilities(trained, squares):
    found = tl.evaluate(trained, squares, tta="flips")
    plain = tl.evaluate(trained, squares)
    assert found["tta"]["accuracy_without"] == plain["accuracy"]
    gained = found["accuracy"] - plain["accuracy"]
    assert found["tta"]["gain"] == pytest.approx(gained)
    assert found["loss"] != plain["loss"] and "tta" not in plain
    assert (found["tta"]["name"], found["tta"]["views"]) == ("flips", 2)


@pytest.mark.parametrize("name", ["flips", "ten_crop"])
def test_export_gives_what_its_run_gives(trained, export, squares, name):
    expected = tl.evaluate(trained, squares, tta=name)
    found = tl.evaluate(export, squares, tta=name)
    assert found["loss"] == pytest.approx(expected["loss"], abs=1e-5)
    assert found["tta"]["views"] == expected["tta"]["views"]


def test_export_classifies_pixels_as_it_classifies_files(trained, export):
    test = trained.manifest.split("test")
    compared = views.compare(export.pixels, test, export.square, "none")
    np.testing.assert_allclose(compared.plain, export.probabilities(test), atol=1e-6)
    np.testing.assert_array_equal(compared.plain, compared.averaged)


def test_unknown_name_is_refused_before_the_images_are_read(trained):
    with pytest.raises(UsageError, match="Unknown test-time augmentation 'flop'"):
        tl.evaluate(trained, "no/such/folder", tta="flop")


def test_mirroring_is_doubted_where_training_left_it_out(trained, squares, monkeypatch):
    assert tl.evaluate(trained, squares, tta="flips")["tta"]["doubt"] is None
    config = trained.config.override(augment={"flip": False})
    monkeypatch.setitem(trained.__dict__, "config", config)
    doubt = tl.evaluate(trained, squares, tta="flips")["tta"]["doubt"]
    assert "augment.flip = false" in doubt


def test_command_shows_gain_and_cost(capsys, trained, squares):
    flags = ["evaluate", str(trained.folder), str(squares), "--tta", "flips"]
    assert main(flags) == 0
    shown = capsys.readouterr().out
    assert "flips, 2 views" in shown and "times as long" in shown
    assert main([*flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tta"]["views"] == 2
