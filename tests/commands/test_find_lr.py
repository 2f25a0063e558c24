"""`tl-keras find-lr`: the flag to train with, a picture and the points."""

import numpy as np
from PIL import Image

from tl_keras import learning_rate
from tl_keras.cli import main
from tl_keras.training import finder


def test_command_prints_the_flag_and_writes_picture_and_points(
    capsys, monkeypatch, tmp_path
):
    noted = {}
    rates = np.geomspace(1e-6, 0.1, 24)
    losses = [1.0] * 8 + [0.8] * 8 + [1.2] * 8

    def find(source, *, config, **options):
        noted.update(options, source=source, epochs=config.fine_tune.epochs)
        return finder.judge(rates.tolist(), losses, [1.0] * 24)

    monkeypatch.setattr(learning_rate, "find_learning_rate", find)
    out = tmp_path / "new" / "rates.png"
    flags = ["--out", str(out), "--highest", "0.1", "--fine_tune.epochs", "3"]
    assert main(["find-lr", "photos", *flags]) == 0
    printed = capsys.readouterr().out
    assert "--fine_tune.learning_rate 1.8e-04" in printed
    assert "Recommended" in printed and f"{out}, {out.with_suffix('.csv')}" in printed
    assert Image.open(out).width > 500
    assert noted == {
        "source": "photos",
        "epochs": 3,
        "phase": "fine_tune",
        "lowest": 1e-6,
        "highest": 0.1,
        "steps": 100,
    }


def test_picture_of_another_kind_is_refused_before_any_work(capsys, tmp_path):
    out = tmp_path / "rates.csv"
    assert main(["find-lr", "no/such/folder", "--out", str(out)]) == 2
    assert "`--out` must end in .png" in capsys.readouterr().err
