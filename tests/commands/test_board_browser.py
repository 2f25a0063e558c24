"""TensorBoard in a browser, on runs of ours, cut off from all other machines."""

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import browser
import pytest
from conftest import draw_squares, tiny_config

from tl_keras import pipeline

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parent.parent.parent / "build" / "screenshots"
# In milliseconds.
PATIENCE = 30_000


@pytest.fixture(scope="module")
def chromium():
    with browser.running(browser.DRAWING) as started:
        yield started


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory):
    """Two runs, one of them with wrong predictions and hostile names of classes."""
    folder = tmp_path_factory.mktemp("board")
    hostile = {"<img src=x>": (200, 60, 60), "a|b": (190, 70, 70), "**c**": (60, 60, 9)}
    pipeline.train(
        draw_squares(folder / "squares", images=20, colours=hostile),
        config=tiny_config(folder / "cache"),
        name="second",
        runs=folder / "runs",
        head_phase={"l2": 1e6},
        fine_tune={"unfreeze": 0},
    )
    shutil.copytree(trained.folder, folder / "runs" / "first")
    return folder / "runs"


@pytest.fixture(scope="module")
def address(runs):
    """Where the command serves the runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tl_keras.cli", "board", str(runs), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process.stdout.readline().split(" at ")[1].split(" (")[0]
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture
def opened(chromium, address):
    """Opens one of the pages; in the end all that was asked for was ours."""
    with browser.confined(chromium, address) as page:

        def open(name):
            page.goto(f"{address}#{name}", wait_until="load")
            page.wait_for_selector("text=HParams", timeout=PATIENCE)
            return page

        yield open
        assert page.outside == [] and page.dialogs == []


def picture(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"board-{name}.png")


def test_scalars_show_the_curves_and_the_runs_by_name(opened):
    page = opened("scalars")
    for tag in ("epoch_loss", "epoch_accuracy", "epoch_learning_rate"):
        page.get_by_text(tag).first.wait_for(timeout=PATIENCE)
    for run in ("first/logs/train", "first/logs/validation", "second/logs/test"):
        assert page.get_by_text(run).first.is_visible()
    page.wait_for_selector("vz-line-chart2", timeout=PATIENCE)
    page.wait_for_timeout(1000)
    picture(page, "scalars")


def test_images_show_the_confusion_matrices_and_the_predictions(opened):
    page = opened("images")
    for tag in ("confusion_matrix", "predictions/surest_wrong", "what_training_sees"):
        page.get_by_text(tag).first.wait_for(timeout=PATIENCE)
    page.locator("tf-image-loader img").first.wait_for(timeout=PATIENCE)
    drawn = page.locator("tf-image-loader img").evaluate_all(
        "all => Promise.all(all.map(i => i.decode().then(() => i.naturalWidth)))"
    )
    assert len(drawn) >= 4 and min(drawn) > 300
    page.wait_for_timeout(500)
    picture(page, "images")


def test_text_shows_the_table_of_each_run_with_names_as_they_are(opened):
    page = opened("text")
    page.locator("button.heading", has_text="run").dispatch_event("click")
    page.get_by_text("Test accuracy").last.wait_for(timeout=PATIENCE)
    page.get_by_text("Test accuracy").last.scroll_into_view_if_needed()
    assert page.get_by_role("cell", name="Test F1 (macro)").count() == 2
    picture(page, "text")


def test_histograms_show_the_head_before_and_after_each_phase(opened):
    page = opened("histograms")
    page.get_by_text("head/logits/kernel").first.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(1000)
    picture(page, "histograms")


def test_hparams_show_both_runs_with_their_figures(opened):
    page = opened("hparams")
    # A run keeps the name that it was trained under.
    for text in ("run", "second", "fine_tune.unfreeze", "Test accuracy"):
        page.get_by_text(text, exact=True).first.wait_for(timeout=PATIENCE)
    picture(page, "hparams")


def enabled(address, name):
    with urllib.request.urlopen(f"{address}data/plugins_listing") as answer:
        return json.loads(answer.read())[name]["enabled"]


def test_projector_shows_a_point_for_each_test_image(opened, address, trained):
    # TensorBoard looks for points when it is first asked, beside its answer.
    deadline = time.monotonic() + PATIENCE / 1000
    while not enabled(address, "projector"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    page = opened("projector")
    total = len(trained.manifest.split("test").rows)
    frame = page.frame_locator("iframe").frame_locator("iframe")
    points = frame.locator(".numDataPoints", has_text=str(total))
    points.wait_for(timeout=PATIENCE)
    # Something is drawn on, whatever the machine draws with.
    assert frame.locator("canvas").count() >= 1
    page.wait_for_timeout(3000)
    picture(page, "projector")
