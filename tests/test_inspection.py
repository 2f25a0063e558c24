"""Tables of a check fit a terminal, and show names without obeying them."""

import json
from dataclasses import replace
from pathlib import Path

import messy_folder
import pytest

from tl_keras.datasets.manifest import Row
from tl_keras.datasets.report.overview import sum_up
from tl_keras.inspection import print_json, print_kinds, print_overview
from tl_keras.sections import Data

COUNTS = {"cat": 8, "coffee": 6, "rocket": 4}


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    root = tmp_path_factory.mktemp("inspection") / "photos"
    return messy_folder.findings(messy_folder.draw(root, counts=COUNTS))


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def overview(findings, **more):
    return sum_up(findings, source="photos", kinds=messy_folder.KINDS, **more)


def shown(capsys, findings, **more):
    print_overview(overview(findings, **more), Data(), Path("check.html"))
    return capsys.readouterr().out


def test_tables_fit_into_80_columns(capsys, narrow, findings):
    split = messy_folder.dealt(findings.manifest)
    lines = shown(capsys, findings, split=split).splitlines()
    assert max(len(line) for line in lines) <= 80


def test_each_kind_has_its_count_and_policy(capsys, narrow, findings):
    line = next(
        line for line in shown(capsys, findings).splitlines() if "│ damaged" in line
    )
    assert [cell.strip() for cell in line.split("│")[1:4]] == ["damaged", "3", "error"]


def test_classes_have_their_images_by_split(capsys, narrow, findings):
    split = messy_folder.dealt(findings.manifest)
    text = shown(capsys, findings, split=split)
    line = next(line for line in text.splitlines() if line.startswith("│ coffee "))
    counts = split.counts()["coffee"], split.split("test").counts()["coffee"]
    cells = [cell.strip() for cell in line.split("│")[1:-1]]
    assert (cells[4], cells[3]) == tuple(str(count) for count in counts)


def test_conflict_is_shown_with_both_labels(capsys, narrow, findings):
    text = shown(capsys, findings)
    assert "cat/4.jpg" in text and "rocket/saved.jpg" in text


def test_next_command_and_page_are_named(capsys, narrow, findings):
    text = shown(capsys, findings)
    assert "tl-keras check photos --data.bad_files skip" in text
    assert "With pictures: check.html" in text


def test_markup_and_control_characters_of_names_do_nothing(capsys, narrow, findings):
    row = Row(path="a", label="[red]x[/]\x1b[31m\n:smile:", width=9, height=9)
    found = replace(findings, manifest=findings.manifest.with_rows([row]))
    text = shown(capsys, found)
    assert r"[red]x[/]\x1b[31m\n:smile:" in text and "\x1b" not in text


def test_many_classes_are_counted_not_listed(capsys, narrow, findings):
    rows = [Row(path=f"{n}", label=f"class {n}") for n in range(1000)]
    text = shown(capsys, replace(findings, manifest=findings.manifest.with_rows(rows)))
    assert len(text.splitlines()) < 150 and "and 973 more" in text


def test_json_holds_every_file_and_the_next_commands(capsys, findings):
    print_json(overview(findings), Data(), None)
    found = json.loads(capsys.readouterr().out)
    assert sum(len(one["files"]) for one in found["problems"]) == 14
    assert found["next"][0]["command"] == "tl-keras check photos"
    assert found["page"] is None


def test_json_is_ascii_so_that_any_name_comes_through(capsys, findings):
    row = Row(path="猫\udcff.jpg", label="猫")
    found = replace(findings, manifest=findings.manifest.with_rows([row]))
    print_json(overview(replace(found, copies=((row.path,),))), Data(), None)
    text = capsys.readouterr().out
    assert text.isascii() and json.loads(text)["copies"][0][0]["path"] == row.path


def test_kinds_are_listed_with_default_and_cure(capsys, narrow):
    print_kinds(messy_folder.KINDS)
    text = capsys.readouterr().out
    line = next(line for line in text.splitlines() if "tiny" in line)
    assert "│ warn " in line and "is it a real" in line


def test_kinds_as_json(capsys):
    print_kinds(messy_folder.KINDS, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["tiny"]["default"] == "warn" and "skip" in found["tiny"]["allowed"]
