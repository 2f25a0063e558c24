"""The page of a check in a browser: whole, quiet, harmless, at home on a phone."""

from dataclasses import replace
from pathlib import Path

import browser
import messy_folder
import pytest

from tl_keras.datasets.checking.findings import Problem
from tl_keras.datasets.report import html
from tl_keras.datasets.report.overview import sum_up
from tl_keras.sections import Data

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parent.parent.parent / "build" / "screenshots"


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as started:
        yield started


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A page with every section, with hostile names in it."""
    root = tmp_path_factory.mktemp("page") / "photos"
    found = messy_folder.findings(messy_folder.draw(root))
    renamed = [
        replace(row, label=messy_folder.SCRIPT if row.label == "rocket" else row.label)
        for row in found.manifest.rows
    ]
    odd = [
        Problem(path=f"cat/{name}", label="cat", kind="tiny", reason="", policy="warn")
        for name in messy_folder.ODD_NAMES
    ]
    found = replace(
        found,
        manifest=found.manifest.with_rows(renamed),
        problems=(*found.problems, *odd),
    )
    overview = sum_up(
        found,
        source="photos",
        kinds=messy_folder.KINDS,
        split=messy_folder.dealt(found.manifest),
    )
    path = root.parent / "check.html"
    html.write(path, overview, root=root, data=Data())
    return path


@pytest.fixture
def page(chromium, page_file):
    with browser.opened(chromium, page_file) as opened:
        yield opened


def test_all_pictures_are_shown(page):
    widths = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
    assert len(widths) > 10 and all(widths)


def test_page_asks_for_nothing_but_itself(page, page_file):
    outside = [place for place in page.requests if not place.startswith("data:")]
    assert outside == [page_file.as_uri()]


def test_hostile_class_name_is_read_not_run(page):
    assert page.get_by_role("rowheader", name=messy_folder.SCRIPT).is_visible()
    assert page.dialogs == [] and page.locator("script").count() == 0


def test_odd_file_names_are_read_not_run(page):
    page.locator("details").evaluate_all("all => all.forEach(d => d.open = true)")
    for name in ("<img src=x onerror=alert(1)>.jpg", r"two\nlines.jpg"):
        assert page.get_by_text(name).is_visible()
    assert page.locator("img[onerror]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "viewport", [browser.WIDE, browser.PHONE], ids=["wide", "phone"]
)
def test_nothing_has_to_be_scrolled_sideways(chromium, page_file, viewport, scheme):
    with browser.opened(chromium, page_file, viewport, scheme) as page:
        page.locator("details").evaluate_all("all => all.forEach(d => d.open = true)")
        wide = page.evaluate("document.documentElement.scrollWidth")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        name = f"check-{scheme}-{viewport['width']}.png"
        page.screenshot(path=SCREENSHOTS / name, full_page=True)
    assert wide <= viewport["width"]


def test_page_is_dark_where_the_reader_wants_it(chromium, page_file):
    script = "getComputedStyle(document.body).backgroundColor"
    with browser.opened(chromium, page_file, scheme="dark") as page:
        dark = page.evaluate(script)
    with browser.opened(chromium, page_file) as page:
        assert page.evaluate(script) != dark


def test_headings_go_down_one_level_at_a_time(page):
    levels = page.eval_on_selector_all(
        "h1, h2, h3, h4, h5, h6", "all => all.map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - level <= 1 for level, later in zip(levels, levels[1:]))
