"""`tl-keras augment`: one picture, or one line that says what is wrong."""

from PIL import Image

from tl_keras.cli import main
from tl_keras.datasets.augmentation import preview
from tl_keras.datasets.augmentation.policies import POLICIES
from tl_keras.datasets.square import Square


def test_command_draws_a_picture_and_says_where(capsys, squares, tmp_path):
    out = tmp_path / "new" / "grid.png"
    flags = ["--policy", "standard", "--images", "2", "--views", "3"]
    code = main(
        ["augment", str(squares), *flags, "--image_size", "32", "--out", str(out)]
    )
    assert (code, capsys.readouterr().out.strip()) == (0, str(out))
    assert Image.open(out).width == 4 * (128 + preview.MARGIN) + preview.MARGIN


def test_options_reach_the_drawing(squares, tmp_path, monkeypatch):
    noted = {}
    monkeypatch.setattr(preview, "draw", lambda *_, **options: noted.update(options))
    flags = ["--no_flip", "--seed", "3", "--policy", "alexnet", "--views", "2"]
    flags += ["--resize", "pad", "--images", "1"]
    assert main(["augment", str(squares), *flags]) == 0
    assert noted == {
        "policy": "alexnet",
        "flip": False,
        "views": 2,
        "square": Square(side=224, resize="pad"),
        "seed": 3,
    }


def test_unknown_policy_is_answered_before_the_images_are_read(capsys, tmp_path):
    assert main(["augment", str(tmp_path / "none"), "--policy", "standart"]) == 2
    assert "Did you mean 'standard'?" in capsys.readouterr().err


def test_help_names_every_policy(capsys):
    try:
        main(["augment", "--help"])
    except SystemExit:
        pass
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in POLICIES)
