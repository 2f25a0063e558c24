"""`tl-keras check`: flags reach the check, exit codes say how it went."""

import json
import os
from dataclasses import replace

import messy_folder
import pytest

from tl_keras.cli import main
from tl_keras.commands import check as command
from tl_keras.errors import DataError
from tl_keras.sections import Data

COUNTS = {"cat": 8, "coffee": 6, "rocket": 4}


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    root = tmp_path_factory.mktemp("check") / "photos"
    return messy_folder.findings(messy_folder.draw(root, counts=COUNTS))


@pytest.fixture
def asked(monkeypatch, tmp_path, findings):
    """Replaces the check; returns what it was asked for."""
    calls = []

    def examine(source, data):
        calls.append((source, data))
        if data.bad_files == "error":
            return findings, None, ""
        mended = messy_folder.mended(findings)
        return mended, messy_folder.dealt(mended.manifest), ""

    monkeypatch.setattr(command, "examine", examine)
    monkeypatch.setattr(command, "known_kinds", lambda: messy_folder.KINDS)
    monkeypatch.chdir(tmp_path)
    return calls


def test_errors_are_exit_code_1(asked):
    assert main(["check", "photos"]) == 1


def test_usable_images_are_exit_code_0(asked):
    assert main(["check", "photos", "--data.bad_files", "skip"]) == 0


def test_page_is_written(asked, tmp_path):
    main(["check", "photos", "--out", "pages/mine.html"])
    assert "cannot be used" in (tmp_path / "pages" / "mine.html").read_text()


def test_no_page_is_written_where_none_is_wanted(asked, tmp_path):
    main(["check", "photos", "--no_html"])
    assert not os.listdir(tmp_path)


def test_page_in_the_place_of_a_folder_is_refused_before_the_check(asked, capsys):
    os.mkdir("photos")
    assert main(["check", "photos", "--out", "photos"]) == 2
    assert "--out" in capsys.readouterr().err and not asked and os.path.isdir("photos")


def test_json_alone_is_on_standard_output(asked, capsys):
    main(["check", "photos", "--json"])
    assert json.loads(capsys.readouterr().out)["page"] == "check.html"


def test_flags_of_the_data_section_reach_the_check(asked):
    flags = ["--data.problems", "{tiny: error}", "--data.group_by", "p(.)"]
    main(["check", "photos", *flags])
    assert asked == [("photos", Data(problems={"tiny": "error"}, group_by="p(.)"))]


@pytest.mark.parametrize(
    ("flags", "data"),
    [
        (["--group-by", "p(.)"], Data(group_by="p(.)")),
        (["--few-shot=5"], Data(few_shot=5)),
    ],
)
def test_short_flags_reach_the_check(asked, flags, data):
    main(["check", "photos", *flags])
    assert asked == [("photos", data)]


def test_data_section_of_a_config_file_counts(asked, tmp_path):
    text = "seed: 4\ndata: {few_shot: 3, classes: [b, a], bad_files: skip}\n"
    (tmp_path / "run.yaml").write_text(text)
    main(["check", "photos", "--config", "run.yaml", "--few-shot", "7"])
    data = Data(few_shot=7, classes=("b", "a"), bad_files="skip")
    assert asked == [("photos", data)]


def test_wrong_key_of_a_config_file_is_refused(asked, tmp_path, capsys):
    (tmp_path / "run.yaml").write_text("data: {few_shots: 3}\n")
    assert main(["check", "photos", "--config", "run.yaml"]) == 2
    assert "Did you mean 'few_shot'?" in capsys.readouterr().err


def test_interrupt_is_exit_code_130_with_the_way_on(asked, monkeypatch, capsys):
    def stop(source, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "examine", stop)
    assert main(["check", "photos"]) == 130
    assert "same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["check"], ["check", "photos", "--kinds"]])
def test_kinds_are_listed_without_a_check(asked, capsys, arguments):
    assert main(arguments) == 0
    assert "extreme_shape" in capsys.readouterr().out and not asked


def of_modules(monkeypatch, findings, deal):
    """Replaces the source, the check and the split by simple ones."""
    from tl_keras.datasets import sources, split
    from tl_keras.datasets.checking import check

    monkeypatch.setattr(sources, "find", lambda source, data: (source, data))
    monkeypatch.setattr(
        check, "check", lambda manifest, data: findings if manifest else None
    )
    monkeypatch.setattr(split, "deal", deal, raising=False)


def test_images_that_cannot_be_split_are_reported_not_raised(monkeypatch, findings):
    def deal(manifest, data):
        raise DataError("Class 'rocket' has 1 different images.")

    of_modules(monkeypatch, messy_folder.mended(findings), deal)
    *_, split, refused = command.examine("photos", Data())
    assert split is None and refused.startswith("Class 'rocket'")


def test_images_of_one_class_are_reported_not_raised(monkeypatch, findings):
    mended = messy_folder.mended(findings)
    cats = [row for row in mended.manifest.rows if row.label == "cat"]
    one = replace(mended, manifest=mended.manifest.with_rows(cats))
    of_modules(monkeypatch, one, deal=lambda manifest, data: manifest)
    *_, refused = command.examine("photos", Data())
    assert "one class" in refused


def test_images_with_errors_are_not_split(monkeypatch, findings):
    of_modules(monkeypatch, findings, deal=None)
    assert command.examine("photos", Data()) == (findings, None, "")
