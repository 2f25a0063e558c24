"""The command line: quick help, one-line errors, exit codes."""

import json
import subprocess
import sys

import pytest
import yaml

from tl_keras.cli import COMMANDS, main
from tl_keras.config import Config


def failing(capsys, *arguments):
    """Runs a command that fails; returns its exit code and what it said."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    return code, capsys.readouterr().err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_no_tensorflow(command):
    program = (
        "import sys\n"
        "from tl_keras.cli import main\n"
        "try:\n"
        f"    main([*{command.split()!r}, '--help'])\n"
        "finally:\n"
        "    assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "usage: tl-keras" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "x", "--fine_tune.epoch", "3"], "fine_tune.epoch"),
        (["train", "x", "--fine_tune.epochs", "many"], "fine_tune.epochs"),
        (["train", "x", "--fine_tune.epochs", "-1"], "epochs` must be at least 0"),
        (["train", "x", "--data.test", "1.5"], "data.test` must be between 0 and 1"),
        (["train", "x", "--config", "missing.yaml"], "missing.yaml"),
        (["train", "no/such/folder"], "'no/such/folder' is no folder"),
        (["train", "twemojy"], "Did you mean 'twemoji'?"),
        (["train", "twemoji", "--backbone", "resnet51"], "Unknown backbone"),
        (["train", "twemoji", "--augment.policy", "lite"], "Did you mean 'light'?"),
        (
            ["train", "twemoji", "--architecture", "lenet", "--weights", "none"],
            "Unknown architecture 'lenet'. Did you mean 'lenet5'?",
        ),
        (["train", "twemoji", "--scratch.epochs", "0"], "epochs` must be at least 1"),
        (["resume", "no/such/run"], "is no run folder"),
        (["evaluate", "no/such/run", "twemoji"], "neither a run folder nor an export"),
        (["predict", "no/such/export", "cat.jpg"], "neither a run folder nor"),
        (["trian", "x"], "trian"),
        (["train"], "source"),
        ([], "Give a command: check, train, find-lr, evaluate, predict, resume"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_code_2(capsys, arguments, said):
    code, error = failing(capsys, *arguments)
    assert code == 2
    assert said in error
    assert error.startswith("error: ") and error.count("\n") == 1


def test_unknown_key_in_a_config_file_gets_a_suggestion(capsys, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("fine_tune: {epoch: 3}\n")
    code, error = failing(capsys, "train", "x", "--config", str(path))
    assert code == 2
    assert "'fine_tune.epoch'. Did you mean 'epochs'?" in error


def test_printed_config_is_a_config(capsys):
    assert main(["train", "--fine_tune.epochs", "3", "--print_config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert Config().override(**printed) == Config().override(fine_tune={"epochs": 3})


@pytest.mark.parametrize(
    "short", [["--architecture", "lenet5", "--weights", "none"], ["--weights=none"]]
)
def test_short_flags_reach_the_config(capsys, short):
    assert main(["train", *short, "--print_config"]) == 0
    printed = Config.override(Config(), **yaml.safe_load(capsys.readouterr().out))
    assert printed.backbone.weights is None
    assert printed.scratch.name == ("lenet5" if "lenet5" in short else None)


def test_flags_win_over_the_config_file(capsys, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("seed: 4\nfine_tune: {epochs: 3, patience: 2}\n")
    arguments = ["--config", str(path), "--fine_tune.epochs", "7", "--print_config"]
    assert main(["train", "x", *arguments]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    found = printed["seed"], *(printed["fine_tune"][k] for k in ("epochs", "patience"))
    assert found == (4, 7, 2)


def test_existing_run_is_refused_with_the_three_ways_out(capsys, trained):
    source, runs = str(trained.manifest.root), str(trained.folder.parent)
    code, error = failing(capsys, "train", source, "--name", "run", "--runs", runs)
    assert code == 2
    assert "--name" in error and "tl-keras resume" in error and "--overwrite" in error


def test_overwrite_leaves_a_folder_alone_that_is_no_run(capsys, squares, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    arguments = ["--name", "mine", "--runs", str(tmp_path), "--overwrite"]
    code, error = failing(capsys, "train", str(squares), *arguments)
    assert code == 2 and "no run folder" in error
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_predictions_as_json_hold_every_probability(capsys, trained, red):
    assert main(["predict", str(trained.folder), str(red), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert set(found["probabilities"]) == {"blue", "green", "red"}


def test_predictions_as_csv_have_a_line_an_image(capsys, trained, red):
    paths = [str(red), str(red)]
    assert main(["predict", str(trained.folder), *paths, "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "path,label,probability,known,error" and len(lines) == 3


def test_bad_image_fails_the_command_but_not_the_others(capsys, trained, red, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    assert main(["predict", str(trained.folder), str(bad), str(red)]) == 1
    captured = capsys.readouterr()
    assert f"error: {bad}: not an image" in captured.err
    assert "Probability" in captured.out


def test_evaluation_prints_the_figures(capsys, trained):
    source = str(trained.manifest.root)
    assert main(["evaluate", str(trained.folder), source, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 60


def test_resuming_a_finished_run_shows_its_summary(capsys, trained):
    assert main(["resume", str(trained.folder)]) == 0
    assert "Accuracy" in capsys.readouterr().out


def test_interrupt_is_exit_code_130_with_the_way_back(capsys, trained, monkeypatch):
    def stop(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr("tl_keras.pipeline.resume", stop)
    assert main(["resume", str(trained.folder)]) == 130
    assert f"tl-keras resume {trained.folder}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"), [("2", 2), ("0.5", 0.5), ("block6a", "block6a"), ("all", "all")]
)
def test_what_trains_is_a_number_a_share_or_a_name(capsys, text, value):
    flags = ["--fine_tune.unfreeze", text, "--print_config"]
    assert main(["train", "photos", *flags]) == 0
    found = yaml.safe_load(capsys.readouterr().out)["fine_tune"]["unfreeze"]
    assert found == value and type(found) is type(value)
