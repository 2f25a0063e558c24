"""What is shown of exports."""

import pytest

from tl_keras import exports
from tl_keras.cli import main
from tl_keras.export.artifacts import TABLE
from tl_keras.export.proof import Proof


@pytest.fixture
def facts():
    """What `export.json` holds of two artifacts, one of them quantized."""
    return {
        "artifacts": [
            Proof(
                artifact=artifact,
                images=99,
                max_difference=1e-7,
                agreement=0.985,
                accuracy=0.9,
                bytes=14_000_000,
                milliseconds={"1": milliseconds, "32": 900.0},
            ).as_dict()
            for artifact, milliseconds in zip((TABLE[0], TABLE[2]), (10.0, 5.0))
        ]
    }


def test_proof_says_how_each_artifact_compares(facts, capsys):
    exports.print_proof(facts)
    shown = capsys.readouterr().out
    assert "99 test images" in shown
    (line,) = [one for one in shown.splitlines() if "model_dynamic.tflite" in one]
    for text in ("LiteRT dynamic range", "14.0 MB", "1.0e-07", "98.5%", "0.900"):
        assert text in line
    assert "5.0 ms (0.50x)" in line and "900.0 ms (1.00x)" in line


def test_versions_are_listed_with_what_is_in_them(facts, capsys):
    row = {
        "name": "photos [1]",
        "version": 12,
        "network": "tiny",
        "classes": 3,
        "accuracy": None,
        "created": "2026-11-28T20:01:02+00:00",
        "path": "saved_models/photos/12",
        **facts,
    }
    exports.print_versions([row])
    shown = capsys.readouterr().out
    for text in (
        "photos [1]",
        "12",
        "LiteRT dynamic range 14.0 MB",
        "2026-11-28 20:01",
    ):
        assert text in shown


def test_unknown_format_is_wrong_usage(trained, tmp_path, capsys):
    out = str(tmp_path / "out")
    arguments = ["export", str(trained.folder), "--to", out, "--format", "tflite"]
    assert main(arguments) == 2
    assert "Unknown format 'tflite'" in capsys.readouterr().err


def test_size_of_a_small_file_is_in_kilobytes():
    assert exports.size(7_400) == "7.4 KB" and exports.size(1_040_000) == "1.0 MB"
