"""Ends trainings in every way, goes on with them, and compares what comes out.

A small training runs once without harm. Then it runs again and again in a process of
its own, is killed at moments drawn over its whole duration, and resumed until it is
done: weights, history and figures have to be those of the first run, bit for bit. Other
faults follow: signals, a full disk, a read-only one, damaged files, lost images. All of
it comes out as a table.

    python scripts/torture.py --kills 100 --seed 1 --out table.md
    python scripts/torture.py --kills 5 --recipe gradual
    python scripts/torture.py --faults

What `--deterministic` costs is measured by `scripts/bench_deterministic.py`.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torture_faults import FAULTS
from torture_runs import RECIPES, Bench, draw_pictures

# Kills of one training before it may end.
CHAIN = 3


def main() -> int:
    """Tortures as asked; the exit code is 1 where something was not as promised."""
    options = _parser().parse_args()
    with _folder(options.keep) as folder:
        pictures = draw_pictures(folder / "pictures")
        rows = []
        for recipe in RECIPES if options.recipe == "each" else [options.recipe]:
            bench = Bench(folder / recipe, pictures, RECIPES[recipe])
            bench.make_reference()
            print(f"{recipe}: {bench.seconds:.1f} s without harm", flush=True)
            rows += kills(bench, recipe, options.kills, options.seed)
        if options.faults:
            bench = Bench(folder / "faults", pictures, RECIPES["default"])
            bench.make_reference()
            rows += faults(bench)
    table = as_markdown(rows)
    print(table)
    if options.out:
        options.out.write_text(f"{table}\n", encoding="utf-8")
    return 0 if all(promised for *_, promised in rows) else 1


def kills(bench: Bench, recipe: str, number: int, seed: int) -> list[tuple]:
    """Kills trainings at random moments; returns a row of the table for each step."""
    draw, done = random.Random(seed), 0
    killed: Counter[str] = Counter()
    equal: Counter[str] = Counter()
    while done < number:
        trial = bench.trial(f"kills-{done}")
        steps = []
        # Shares of the whole duration.
        moments = sorted(draw.random() for _ in range(min(CHAIN, number - done)))
        for moment in moments:
            wait = trial.seconds_until(moment)
            if not trial.next_command().ends_within(wait):
                trial.child.kill()
                steps.append(trial.step())
        code, said = trial.finish()
        same = code == 0 and not (found := bench.differences(trial))
        if not same:
            print(f"{recipe}, killed in {steps}: {code} {said if code else found}")
        done += max(1, len(steps))
        killed.update(steps)
        equal.update(steps if same else [])
        print(f"{done} of {number} kills", flush=True)
        trial.remove()
    return [
        (
            f"`kill -9`, recipe `{recipe}`",
            step,
            f"{killed[step]} times",
            f"resumed; bit-equal {equal[step]} of {killed[step]}",
            equal[step] == killed[step],
        )
        for step in sorted(killed, key=bench.order)
    ]


def faults(bench: Bench) -> list[tuple]:
    """Does every other harm to a training that was killed in the middle."""
    middle = bench.killed_in_fine_tuning()
    rows = []
    for fault, harm in FAULTS.items():
        trial = bench.copy(middle, fault.replace(" ", "-"))
        started = time.monotonic()
        when, outcome, promised = harm(bench, trial)
        print(f"{fault}: {outcome} ({time.monotonic() - started:.0f} s)", flush=True)
        rows.append((fault, when, "once", outcome, promised))
        trial.remove()
    return rows


def as_markdown(rows: list[tuple]) -> str:
    """Returns the table."""
    lines = ["| Fault | In step | How often | Outcome |", "|---|---|---|---|"]
    for fault, step, often, outcome, promised in rows:
        outcome = outcome if promised else f"**not as promised**: {outcome}"
        lines.append(f"| {fault} | {step} | {often} | {outcome} |")
    return "\n".join(lines)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Gives a folder to work in, and removes it unless it is to be kept."""
    folder = keep or Path(tempfile.mkdtemp(prefix="torture-"))
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    """Declares what the script takes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=0, help="by `kill -9`, a recipe")
    parser.add_argument("--seed", type=int, default=0, help="of their moments")
    names = [*RECIPES, "each"]
    parser.add_argument("--recipe", choices=names, default="default")
    parser.add_argument("--faults", action="store_true", help="all others, once each")
    parser.add_argument("--out", type=Path, help="a file for the table")
    parser.add_argument("--keep", type=Path, help="a folder that stays")
    return parser


if __name__ == "__main__":
    sys.exit(main())
