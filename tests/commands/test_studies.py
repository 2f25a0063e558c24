"""`tl-keras crossval` and `curve`: what is printed, and how they end."""

import json

import pytest

from tl_keras import locks
from tl_keras.cli import main
from tl_keras.studies.trainer import Trainer


@pytest.fixture
def flags(squares, tmp_path):
    """The source and the flags of a quick study."""
    return [
        *(str(squares), "--backbone", "tiny", "--weights", "none"),
        *("--backbone.image_size", "32", "--cache.engine", "graph"),
        *("--data.cache_dir", str(tmp_path / "cache"), "--head_phase.l2", "0.01"),
        *("--runs", str(tmp_path / "runs"), "--name", "mine"),
    ]


def test_folds_their_mean_and_the_files_are_printed(flags, capsys):
    assert main(["crossval", *flags, "--folds", "2"]) == 0
    printed = capsys.readouterr().out
    assert "2 folds of 36 images" in printed and "SD" in printed
    assert "95 % interval" in " ".join(printed.split())
    assert "crossval.json, out_of_fold.csv, label_errors.csv" in printed


def test_suspected_labels_are_shown(flags, squares, capsys):
    (squares / "red" / "0.png").rename(squares / "blue" / "planted.png")
    assert main(["crossval", *flags, "--folds", "3", "--repeats", "2"]) == 0
    assert "planted.png" in capsys.readouterr().out


def test_crossval_prints_json(flags, capsys):
    assert main(["crossval", *flags, "--folds", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folds"] == 2


def test_curve_prints_the_table_the_answer_and_the_files(flags, capsys):
    sizes = ["--sizes", "1", "3", "--repeats", "2", "--no_scratch"]
    assert main(["curve", *flags, *sizes]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "all (" in printed and "test images" in printed
    assert "last doubling of the training images" in printed
    assert "curve.json, curve.png" in printed


def test_scratch_names_the_architecture(flags, capsys):
    more = ["--scratch", "lenet5", "--scratch.epochs", "1", "--sizes", "2", "--json"]
    assert main(["curve", *flags, *more, "--repeats", "1"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [row["network"] for row in points] == ["transfer"] * 2 + ["lenet5"] * 2


@pytest.mark.parametrize("command", ["crossval", "curve"])
def test_interrupt_says_how_to_go_on(flags, capsys, monkeypatch, command):
    def stop(self, manifest, folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "probabilities", stop)
    assert main([command, *flags]) == 130
    said = capsys.readouterr().err
    assert "Go on with the same command and --name mine" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["crossval"], "Give a source"),
        (["curve"], "Give a source"),
        (["crossval", "no/such/folder"], "'no/such/folder' is no folder"),
        (["crossval", "x", "--folds", "1"], "`folds` must be at least 2"),
        (["crossval", "x", "--folds", "many"], "folds"),
        (["curve", "x", "--sizes", "few"], "sizes"),
        (["curve", "x", "--scratch", "lenet"], "Did you mean 'lenet5'?"),
        (["compare", "x"], "compare.b"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_code_2(capsys, arguments, said):
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2 and said in error
    assert error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize("command", ["crossval", "curve"])
def test_second_process_in_a_study_is_refused(flags, tmp_path, capsys, command):
    with locks.held(tmp_path / "runs" / "mine"):
        assert main([command, *flags]) == 1
    assert "mine is in use by process" in capsys.readouterr().err
