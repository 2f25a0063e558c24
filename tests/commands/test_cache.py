"""`tl-keras cache`: tables and figures of the cache, and room on the disk."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from filelock import FileLock

from tl_keras.cli import main
from tl_keras.training.cache.entry import Entry, Facts, Writer


@pytest.fixture
def folder(tmp_path):
    """A cache of two entries, `a…` used before `b…`."""
    for used, letter in enumerate("ab", start=1000):
        facts = Facts(
            backbone=f"tiny[{letter}]",
            output="cut7",
            view=3,
            what="train",
            images=2,
            shape=(1000,),
            dtype="float32",
        )
        entry = Entry(tmp_path / "cache" / "prefix" / (letter * 32), facts)
        writer = Writer(entry)
        writer.put(0, np.ones((2, 1000), np.float32))
        writer.close()
        os.utime(entry.path / "meta.json", (used, used))
    return tmp_path / "cache" / "prefix"


def run(capsys, folder, *arguments):
    """Runs the command; returns its exit code and what it printed and said."""
    code = main(["cache", *arguments, "--cache_dir", str(folder.parent)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def letters(folder):
    """Returns the first letters of the entries that are there."""
    return sorted(path.name[0] for path in folder.iterdir() if path.is_dir())


def test_table_shows_each_entry_and_the_total(capsys, folder):
    code, out, _ = run(capsys, folder, "ls")
    line = next(line for line in out.splitlines() if "a" * 32 in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells[1:7] == ["tiny[a]", "cut7", "3", "train", "2", "8.22 kB"]
    assert cells[7].startswith("1970-01-0")
    total = out.splitlines()[-1]
    assert code == 0 and total == f"Entries: 2, 16.45 kB in {folder}"


def test_table_marks_what_is_not_complete_or_not_readable(capsys, folder):
    (folder / ("a" * 32) / "00000.sha256").unlink()
    (folder / ("b" * 32) / "meta.json").unlink()
    _, out, _ = run(capsys, folder, "ls")
    assert "not complete" in out and "not readable" in out


def test_list_as_json_holds_the_same(capsys, folder):
    code, out, _ = run(capsys, folder, "ls", "--json")
    found = json.loads(out)
    assert code == 0 and [one["key"][0] for one in found["entries"]] == ["a", "b"]
    assert found["entries"][0]["backbone"] == "tiny[a]"
    assert found["size"] == sum(one["size"] for one in found["entries"])


@pytest.fixture
def networks(folder):
    """Two converted networks of 5 kB beside the entries, the first one older."""
    engines = folder.parent / "engines"
    engines.mkdir()
    for used, name in enumerate(("network-1.tflite", "network-2.onnx"), start=1000):
        (engines / name).write_bytes(bytes(5000))
        os.utime(engines / name, (used, used))
    (engines / "choice-1.json").write_text("{}")
    return engines


def test_converted_networks_are_listed_with_their_size(capsys, folder, networks):
    _, out, _ = run(capsys, folder, "ls")
    assert out.splitlines()[-1] == "Converted networks: 2, 10.00 kB"
    _, out, _ = run(capsys, folder, "ls", "--json")
    assert json.loads(out)["networks"] == {"count": 2, "size": 10000}


def test_removing_all_removes_the_converted_networks(capsys, folder, networks):
    code, out, _ = run(capsys, folder, "rm", "--all")
    assert code == 0 and out.endswith("Converted networks removed: 10.00 kB freed\n")
    assert [path.name for path in networks.iterdir()] == ["choice-1.json"]


def test_pruning_counts_the_converted_networks(capsys, folder, networks):
    run(capsys, folder, "prune", "--max-size", "20kB")
    assert letters(folder) == ["b"] and len([*networks.glob("network-*")]) == 2


def test_pruning_removes_the_oldest_networks_when_no_entry_is_left(
    capsys, folder, networks
):
    run(capsys, folder, "prune", "--max-size", "6kB")
    assert letters(folder) == []
    assert [path.name for path in networks.glob("network-*")] == ["network-2.onnx"]


def test_cache_that_is_not_there_is_empty(capsys, tmp_path):
    code, out, _ = run(capsys, tmp_path / "none" / "prefix", "ls")
    assert code == 0 and out.startswith("Entries: 0, 0 B in")


def test_entries_are_removed_by_key(capsys, folder):
    code, out, _ = run(capsys, folder, "rm", "a" * 32)
    assert (code, out) == (0, "Entries removed: 1, 8.22 kB freed\n")
    assert letters(folder) == ["b"]


def test_all_entries_are_removed(capsys, folder):
    code, out, _ = run(capsys, folder, "rm", "--all")
    assert (code, out) == (0, "Entries removed: 2, 16.45 kB freed\n")
    assert letters(folder) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give the keys of entries, or --all"),
        (["a" * 32, "--all"], "Give the keys of entries, or --all"),
        (["a" * 30], f"Did you mean '{'a' * 32}'?"),
    ],
    ids=str,
)
def test_removal_that_is_not_clear_is_refused(capsys, folder, arguments, said):
    code, _, error = run(capsys, folder, "rm", *arguments)
    assert code == 2 and said in error and error.count("\n") == 1
    assert letters(folder) == ["a", "b"]


@pytest.mark.parametrize("flag", ["--max-size", "--max_size"])
def test_pruning_keeps_the_last_used(capsys, folder, flag):
    code, out, _ = run(capsys, folder, "prune", flag, "10kB")
    assert (code, out) == (0, "Entries removed: 1, 8.22 kB freed\n")
    assert letters(folder) == ["b"]


def test_pruning_to_no_size_is_refused(capsys, folder):
    code, _, error = run(capsys, folder, "prune", "--max-size", "some")
    assert code == 2 and "Received: 'some'" in error


def test_entry_that_is_computed_is_named_and_fails_the_command(capsys, folder):
    with FileLock(folder / f"{'a' * 32}.lock"):
        code, out, _ = run(capsys, folder, "rm", "--all")
    assert code == 1 and f"{'a' * 32} is being computed: left alone" in out
    assert letters(folder) == ["a"]


def test_command_without_an_action_names_them(capsys):
    assert main(["cache"]) == 2
    assert "Give what to do: ls, rm, prune." in capsys.readouterr().err


def test_command_needs_no_tensorflow(folder):
    program = (
        "import sys\n"
        "from tl_keras.cli import main\n"
        f"main(['cache', 'ls', '--cache_dir', {str(folder.parent)!r}])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.returncode == 0, done.stderr
