"""Commands that a check proposes do what they say."""

import shlex
from dataclasses import replace

import messy_folder
import pytest
from jsonargparse import ArgumentParser

from tl_keras.datasets.report.advice import flags, steps
from tl_keras.datasets.report.overview import sum_up
from tl_keras.sections import Data


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    counts = {"cat": 6, "coffee": 5, "rocket": 3}
    root = tmp_path_factory.mktemp("advice") / "photos"
    return messy_folder.findings(messy_folder.draw(root, counts=counts))


def overview(found, source="photos"):
    return sum_up(found, source=source, kinds=messy_folder.KINDS)


def test_sound_images_are_trained_on_next(found):
    (step,) = steps(overview(messy_folder.mended(found)), Data(bad_files="skip"))
    assert step.command == "tl-keras train photos --data.bad_files skip"


def test_errors_can_be_mended_skipped_or_converted(found):
    commands = [step.command for step in steps(overview(found), Data())]
    assert commands == [
        "tl-keras check photos",
        "tl-keras check photos --data.bad_files skip",
        "tl-keras check photos --data.bad_files convert",
    ]


def test_converting_is_not_proposed_where_it_is_not_possible(found):
    cut = replace(found, problems=found.problems[:1])
    commands = " ".join(step.command for step in steps(overview(cut), Data()))
    assert "skip" in commands and "convert" not in commands


def test_source_is_quoted_for_the_shell(found):
    (step,) = steps(overview(messy_folder.mended(found), "my photos; rm *"), Data())
    assert shlex.split(step.command) == ["tl-keras", "train", "my photos; rm *"]


def test_flags_read_back_give_the_same_settings():
    data = Data(
        classes=("dog", "cat"),
        group_by=r"p(\d+)",
        few_shot=3,
        near_duplicates=False,
        background=(0, 0, 0),
        problems={"tiny": "error"},
        test=0.2,
    )
    parser = ArgumentParser()
    parser.add_class_arguments(Data, "data")
    read = parser.instantiate(parser.parse_args(flags(data))).data
    assert read == data
