"""Trainings that are killed and harmed come to the same weights, bit for bit."""

import subprocess
import sys
from pathlib import Path

import pytest
import torture
import torture_faults

pytestmark = pytest.mark.slow

SCRIPT = Path(torture.__file__)
GIVE_UP_AFTER = 900


def tortured(folder, *arguments):
    """Runs the script; returns its rows, `fault`, `step`, `how often`, `outcome`."""
    table = folder / "table.md"
    command = [sys.executable, str(SCRIPT), *arguments, "--out", str(table)]
    # A process of its own: it forks, which a TensorFlow that has run does not bear.
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=GIVE_UP_AFTER
    )
    assert table.exists(), done.stderr
    lines = table.read_text().splitlines()[2:]
    return done, [line.strip("| ").split(" | ") for line in lines]


def test_five_kills_change_no_bit(tmp_path):
    done, rows = tortured(tmp_path, "--kills", "5", "--seed", "5")
    assert done.returncode == 0, done.stdout
    assert sum(int(often.split()[0]) for _, _, often, _ in rows) >= 3
    assert all("not as promised" not in outcome for *_, outcome in rows)


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    """The outcome of every fault by its name."""
    _, rows = tortured(tmp_path_factory.mktemp("faults"), "--faults")
    return {fault: outcome for fault, *_, outcome in rows}


@pytest.mark.parametrize("fault", torture_faults.FAULTS)
def test_fault_ends_as_promised_and_the_run_goes_on_to_the_same(faults, fault):
    assert faults[fault].endswith("resumed: bit-equal"), faults[fault]
    assert "not as promised" not in faults[fault]
