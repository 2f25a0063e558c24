"""The benchmark of the server runs, and counts no error."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "bench_serve.py"


@pytest.mark.slow
def test_quick_benchmark_fills_its_table(exported, red):
    done = subprocess.run(
        [sys.executable, SCRIPT, exported, red, "--quick"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in cells] == ["Clients", "1", "4"]
    assert [row[-1] for row in cells[1:]] == ["0", "0"]
    for row in cells[1:]:
        latencies = [float(value) for value in row[4:8]]
        assert latencies == sorted(latencies) and latencies[0] > 0
