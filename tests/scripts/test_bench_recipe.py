"""The benchmark against the guide's recipe: the draw, the recipe itself, the tables."""

import json
import subprocess
import sys
from pathlib import Path

import bench_recipe
import keras
import keras_guide
import numpy as np
import pytest
import recipe_ways

from tl_keras.config import Config
from tl_keras.datasets.square import Square

SCRIPT = Path(bench_recipe.__file__)
STATISTICS = ("moving_mean", "moving_variance")


@pytest.fixture
def deal(squares, tmp_path):
    """Deals 36 pictures of three colours."""

    def dealt(images=":12", seed=0):
        manifest = recipe_ways.deal(f"{squares}{images}", seed, tmp_path)
        return manifest.split("train"), manifest.split("test")

    return dealt


def test_draw_has_the_images_that_are_asked_for_and_as_many_of_each_class(
    deal, monkeypatch
):
    monkeypatch.setattr(recipe_ways, "MOST_TEST_IMAGES", 15)
    train, test = deal()
    assert list(train.counts().values()) == [4] * 3
    assert list(test.counts().values()) == [5] * 3


def test_three_quarters_train_where_no_number_is_given(deal):
    train, test = deal("")
    assert [len(train.rows), len(test.rows)] == [27, 9]


def test_no_image_of_a_draw_is_trained_and_tested_on(deal):
    train, test = deal()
    assert len({row.path for row in (*train.rows, *test.rows)}) == 36


def test_seed_decides_the_draw(deal):
    paths = [{row.path for row in deal(seed=seed)[0].rows} for seed in (0, 0, 1)]
    assert paths[0] == paths[1] != paths[2]


def test_ways_differ_from_the_defaults_in_what_they_say_alone(tmp_path):
    ours = recipe_ways._config("ours", 3, tmp_path, False)
    assert ours == Config().override(
        seed=3, data={"cache_dir": str(tmp_path / "cache")}
    )
    head = recipe_ways._config("head", 3, tmp_path, False)
    assert head == ours.override(fine_tune={"epochs": 0})
    uncached = recipe_ways._config("uncached", 3, tmp_path, False)
    assert uncached == ours.override(cache={"store": "none"})


def test_files_are_read_whole(tmp_path, monkeypatch):
    sizes = {"a": 3_000_000, "b": 10}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(bytes(size))
    monkeypatch.setattr(recipe_ways, "READ_BYTES", 1 << 20)
    dropped = []

    def note(descriptor, start, length, advice):
        dropped.append((start, length, advice))

    monkeypatch.setattr(recipe_ways.os, "posix_fadvise", note)
    assert recipe_ways.read_seconds(tmp_path / name for name in sizes) > 0
    assert dropped == [(0, 0, recipe_ways.os.POSIX_FADV_DONTNEED)] * 2


@pytest.fixture(scope="module", params=["all", "last"])
def guided(manifest, request):
    """Which weights each of the guide's phases moved, and the labels of its tests."""
    moved, judged, kept, judge = [], [], keras.Model.fit, keras.Model.evaluate

    def fit(model, *arguments, **options):
        (base,) = [layer for layer in model.layers if layer.name == "tiny"]
        names, before = [weight.path for weight in base.weights], base.get_weights()
        kept(model, *arguments, **options)
        pairs = zip(names, before, base.get_weights(), strict=True)
        moved.append({name for name, a, b in pairs if not np.array_equal(a, b)})

    def evaluate(model, data, **options):
        judged.append(np.concatenate([labels for _, labels in data]).tolist())
        return judge(model, data, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "fit", fit)
        patch.setattr(keras.Model, "evaluate", evaluate)
        options = {"seed": 0, "part": request.param, "epochs": (1, 1)}
        keras_guide.train("tiny", None, Square(side=32), manifest, **options)
    return request.param, moved, judged


# Where all layers train, the statistics move against the guide's word: keras#20285.
PARTS = ("conv/kernel", *(f"bn/{part}" for part in ("gamma", "beta", *STATISTICS)))
MOVED = {
    "all": {f"block{stage}_{part}" for stage in (1, 2, 3) for part in PARTS},
    "last": {"block3_conv/kernel"},
}


def test_guide_trains_the_head_alone_at_first(guided):
    _, (first, _), _ = guided
    assert first == set()


def test_guide_then_trains_what_is_unfrozen(guided):
    part, (_, second), _ = guided
    assert second == MOVED[part]


def test_guide_is_judged_on_the_test_images_after_each_phase(guided, manifest):
    _, _, judged = guided
    assert judged == [manifest.split("test").labels()] * 2


def test_guide_sees_every_image_once_an_epoch_in_other_orders(manifest):
    data = keras_guide.training_data(manifest, Square(side=32))
    epochs = [[(x.numpy(), y.numpy()) for x, y in data] for _ in range(2)]
    labels = [np.concatenate([y for _, y in epoch]) for epoch in epochs]
    expected = np.sort(manifest.split("train").labels())
    for found in labels:
        np.testing.assert_array_equal(np.sort(found), expected)
    assert not np.array_equal(*labels)


def test_guide_shows_other_views_in_every_epoch(manifest):
    manifest = manifest.with_rows(manifest.split("train").rows[:1])
    data = keras_guide.training_data(manifest, Square(side=32))
    first, second = (next(iter(data))[0].numpy() for _ in range(2))
    assert not np.array_equal(first, second)


def record(way, seed, seconds, accuracy, **others):
    found = {
        "data": "digits",
        "way": way,
        "seed": seed,
        "seconds": seconds,
        "accuracy": accuracy,
        "train_images": 100,
        "test_images": 50,
        "image_size": 64,
        "cores": 2,
        "engine": "graph",
        "images_a_second": 50.0,
        "cache_bytes": 0,
        "cache_read_seconds": 0.0,
    }
    return found | others


RECORDS = [
    *(record("ours", seed, 10.0 + seed, 0.8) for seed in (0, 1, 2)),
    *(
        record(
            "guide", seed, 40.0, 0.5 + 0.1 * seed, first_accuracy=0.7, first_seconds=20
        )
        for seed in (0, 1, 2)
    ),
]


def row_of(table, name):
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_table_compares_each_way_with_ours_seed_by_seed():
    table = bench_recipe.accuracy_table(RECORDS)
    guide = row_of(table, bench_recipe.WAYS["guide"])
    # 40 / 10, 40 / 11, 40 / 12; 40 s at 50 images a second are 20 times 100 images.
    assert guide == ["0.600 ± 0.100", "40.0", "3.64 (3.33–4.00)", "20.0"]
    ours = row_of(table, bench_recipe.WAYS["ours"])
    assert ours == ["0.800 ± 0.000", "11.0", "1.00 (1.00–1.00)", "5.5"]


def test_table_has_the_first_phase_of_the_guide_too():
    first = row_of(bench_recipe.accuracy_table(RECORDS), bench_recipe.FIRST)
    assert first[:2] == ["0.700 ± 0.000", "20.0"]


def test_ratio_is_left_out_where_ours_was_not_run():
    guide = [record for record in RECORDS if record["way"] == "guide"]
    table = bench_recipe.accuracy_table(guide)
    assert row_of(table, bench_recipe.WAYS["guide"])[2] == "–"


def test_cost_stands_beside_its_goal():
    records = [record("head", 0, 3.0, 0.9), record("ours", 0, 12.0, 0.9)]
    table = bench_recipe.fpe_table(records)
    head, ours = (row_of(table, bench_recipe.WAYS[way]) for way in ("head", "ours"))
    assert head == ["1.50 (1.50–1.50)", "at most 2", "3.0"]
    assert ours == ["6.00 (6.00–6.00)", "at most 8", "12.0"]


def test_bounds_are_one_pass_and_one_read_of_the_cache():
    cache = {"cache_bytes": 40_000_000, "cache_read_seconds": 0.5}
    text = bench_recipe.bounds([record("ours", 0, 12.0, 0.9, **cache)])
    assert "2.0 s, at 50 images a second (graph)" in text
    assert "0.50 s (40.0 MB, 80 MB a second)" in text


class Ran:
    """Notes commands in the place of running them."""

    def __init__(self, returncode=0):
        self.commands, self.returncode = [], returncode

    def __call__(self, command, **options):
        self.commands.append(command[-3:])
        found = record("ours", 0, 1.0, 0.5)
        stdout = json.dumps({k: found[k] for k in found if k not in bench_recipe.KEY})
        return subprocess.CompletedProcess(command, self.returncode, stdout)


def main(monkeypatch, folder, ran, *more):
    arguments = ["bench", "--folder", str(folder), "--data", "digits:50"]
    monkeypatch.setattr(sys, "argv", [*arguments, *more])
    monkeypatch.setattr(bench_recipe.subprocess, "run", ran)
    bench_recipe.main()


def test_what_has_a_result_is_not_run_again(tmp_path, monkeypatch):
    first, second = Ran(), Ran()
    main(monkeypatch, tmp_path, first, "--only", "ours", "--seeds", "0", "1")
    main(monkeypatch, tmp_path, second, "--only", "head", "ours", "--seeds", "1")
    assert first.commands == [["digits:50", seed, "ours"] for seed in "01"]
    assert second.commands == [["digits:50", "1", "head"]]


def test_quick_results_are_marked_and_kept_apart(tmp_path, monkeypatch, capsys):
    main(monkeypatch, tmp_path, Ran(), "--only", "ours", "--seeds", "0", "--quick")
    assert "say nothing" in capsys.readouterr().out
    whole = Ran()
    main(monkeypatch, tmp_path, whole, "--only", "ours", "--seeds", "0")
    assert len(whole.commands) == 1
    assert "say nothing" not in capsys.readouterr().out


def test_way_that_fails_has_no_result_and_is_named(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="digits:50.*head"):
        main(monkeypatch, tmp_path, Ran(1), "--only", "head", "--seeds", "0")
    assert bench_recipe.read(tmp_path) == []


def test_cost_is_measured_on_digits_by_our_ways(tmp_path, monkeypatch, capsys):
    ran = Ran()
    main(monkeypatch, tmp_path, ran, "--fpe", "4000", "--seeds", "0")
    assert ran.commands == [["mnist5k:4000:224", "0", way] for way in ("head", "ours")]
    assert "at most 8" in capsys.readouterr().out


@pytest.mark.slow
def test_quick_benchmark_runs_and_leaves_results_alone(tmp_path):
    # The other ways are tested above: by their settings, and the guide by itself.
    ways = ["ours"]
    command = [sys.executable, str(SCRIPT), "--folder", str(tmp_path), "--quick"]
    command += ["--data", "digits:40", "--seeds", "0", "--only", *ways]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    records = bench_recipe.read(tmp_path / "quick")
    assert [record["way"] for record in records] == ways
    assert all(record["train_images"] == 40 for record in records)
    left = {path.name for path in (tmp_path / "quick").iterdir()}
    assert left == {"results.jsonl", "pictures"}
    for way in ways:
        assert f"| {bench_recipe.WAYS[way]} |" in result.stdout


def test_side_may_stand_behind_the_images(tmp_path, monkeypatch):
    sides = []

    def note(folder, source, manifest, config):
        sides.append(config.backbone.image_size)
        return {}

    monkeypatch.setattr(recipe_ways, "_ours", note)
    monkeypatch.setattr(recipe_ways, "forward_rate", lambda *_: ("graph", 1.0))
    for data in ("digits:50:96", "digits:50"):
        recipe_ways.run("head", data, 0, tmp_path / "own", quick=True)
    assert sides == [96, 64]
