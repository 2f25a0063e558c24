"""Measures what `--deterministic` costs: pairs of runs, the ratio of their times.

    python scripts/bench_deterministic.py twemoji --pairs 3

Each pair trains twice in processes of their own, in turn first and second, with caches
that are empty but for the checks of the images. Beside the whole time, that of each
phase stands by itself: the first holds the pass through the frozen part, where the
graph takes the place of the fastest engine.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

STEPS = ("head", "fine_tune", "evaluate")


def main() -> None:
    """Runs the pairs and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", help="what `tl-keras train` takes")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("flags", nargs="*", help="more flags of train, behind --")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="deterministic-"))
    try:
        pairs = []
        # The first one checks the images, for all.
        train(
            folder, "checked", options.source, [*options.flags, "--fine_tune.epochs=0"]
        )
        for number in range(options.pairs):
            ways = [("plain", []), ("same", ["--deterministic"])]
            found = {
                way: train(
                    folder, f"{way}-{number}", options.source, [*options.flags, *flags]
                )
                for way, flags in ways[:: 1 if number % 2 else -1]
            }
            pairs.append((found["plain"], found["same"]))
            print(f"pair {number + 1}: {found}", file=sys.stderr)
        print(as_table(pairs))
    finally:
        shutil.rmtree(folder)


def train(folder: Path, name: str, source: str, flags: list[str]) -> dict[str, float]:
    """Trains once; returns the seconds of each step."""
    cache, checks = folder / name / "cache", folder / "checked" / "cache" / "checks"
    if checks.exists():
        shutil.copytree(checks, cache / "checks")
    command = [
        *(sys.executable, "-m", "tl_keras.cli", "train", source, *flags),
        *("--no_export", "--name", "run", "--runs", str(folder / name)),
        *("--data.cache_dir", str(cache)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    state = json.loads((folder / name / "run" / "state.json").read_text())
    return {step: state["seconds"].get(step, 0.0) for step in STEPS}


def as_table(pairs: list[tuple[dict[str, float], dict[str, float]]]) -> str:
    """Returns medians of the seconds, and median and range of the ratios."""
    lines = [
        "| Step | Plain, s | Deterministic, s | Ratio (range) |",
        "|---|---|---|---|",
    ]
    for step in (*STEPS, "all of it"):
        chosen = STEPS if step not in STEPS else (step,)
        plain, same = (
            [sum(pair[way][one] for one in chosen) for pair in pairs] for way in (0, 1)
        )
        ratios = [after / before for before, after in zip(plain, same) if before]
        if not ratios:
            continue
        seconds = [f"{statistics.median(one):.1f}" for one in (plain, same)]
        spread = f"({min(ratios):.2f}–{max(ratios):.2f})"
        ratio = f"{statistics.median(ratios):.2f} {spread}"
        lines.append(f"| {step} | {' | '.join(seconds)} | {ratio} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
