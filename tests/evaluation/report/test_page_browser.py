"""The page of a run in a browser: whole, quiet, harmless, sorting, on a phone."""

from pathlib import Path

import browser
import pytest
import small_report

from tl_keras.evaluation.report import page as report_page

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parent.parent.parent.parent / "build" / "screenshots"
NARROW = {"width": 360, "height": 780}
COLUMN = """(table, place) =>
  [...table.tBodies[0].rows].map(row => row.cells[place].textContent.trim())"""


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as started:
        yield started


def written(folder, **changes):
    path = folder / "report.html"
    report_page.write(path, small_report.report(**changes))
    return path


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page"))


@pytest.fixture
def page(chromium, page_file):
    with browser.opened(chromium, page_file) as opened:
        opened.set_default_timeout(3000)
        yield opened


def column(page, place):
    return page.locator(".sorted").evaluate(COLUMN, place)


def test_all_pictures_are_shown(page):
    widths = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
    assert len(widths) == 14 and all(0 < width <= 160 for width in widths)


def test_page_asks_for_nothing_but_itself(page, page_file):
    page.locator("details").evaluate_all("all => all.forEach(d => d.open = true)")
    outside = [place for place in page.requests if not place.startswith("data:")]
    assert outside == [page_file.as_uri()]


def test_hostile_names_are_read_not_run(page):
    page.locator("details").evaluate_all("all => all.forEach(d => d.open = true)")
    assert page.dialogs == [] and page.locator("script").count() == 1
    assert page.locator("img[onerror]").count() == 0
    names = column(page, 0)
    assert names[: len(small_report.HOSTILE)] == list(small_report.HOSTILE)


def test_script_that_slips_in_does_not_run(chromium, tmp_path):
    path = written(tmp_path)
    html = path.read_text()
    path.write_text(html.replace("<main>", f"<main>{small_report.SCRIPT}"))
    with browser.opened(chromium, path) as page:
        assert page.locator("script").count() == 2 and page.dialogs == []


def test_table_sorts_by_number_both_ways(page):
    button = page.locator(".sorted").get_by_role("button", name="Images")
    button.click()
    falling = [int(text.replace(",", "")) for text in column(page, 1)]
    button.click()
    rising = [int(text.replace(",", "")) for text in column(page, 1)]
    assert falling == sorted(rising, reverse=True) and rising == sorted(rising)
    # As text, 9 would come behind 10.
    assert sorted(map(str, rising)) != list(map(str, rising))


def test_table_sorts_by_the_keyboard_and_says_so(page):
    heading = page.locator(".sorted th").filter(has_text="Recall")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "descending"
    sorted_by = page.locator(".sorted th[aria-sort]:not([aria-sort=none])")
    assert sorted_by.count() == 1
    values = [float(text) for text in column(page, 3)]
    assert values == sorted(values, reverse=True)


def test_what_has_no_value_stays_below(page):
    button = page.locator(".sorted").get_by_role("button", name="ROC AUC")
    for _ in range(2):
        button.click()
        assert column(page, 5)[-1] == "–"


def test_classes_sort_as_people_count(chromium, tmp_path):
    metrics = small_report.metrics(["c10", "c9", "C1"])
    with browser.opened(chromium, written(tmp_path, metrics=metrics)) as page:
        page.locator(".sorted").get_by_role("button", name="Class").click()
        assert column(page, 0) == ["C1", "c9", "c10"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [browser.WIDE, NARROW], ids=["wide", "phone"])
@pytest.mark.parametrize("classes", [2, 8, 40])
def test_nothing_has_to_be_scrolled_sideways(
    chromium, tmp_path, viewport, scheme, classes
):
    names = small_report.NAMES[-classes:] + tuple(
        f"class number {number}" for number in range(classes - 8)
    )
    path = written(tmp_path, metrics=small_report.metrics(names))
    with browser.opened(chromium, path, viewport, scheme) as page:
        page.locator("details").evaluate_all("all => all.forEach(d => d.open = true)")
        wide = page.evaluate("document.documentElement.scrollWidth")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        name = f"report-{classes}-{scheme}-{viewport['width']}.png"
        page.screenshot(path=SCREENSHOTS / name, full_page=True)
    assert wide <= viewport["width"]


def test_wide_tables_scroll_in_a_box_that_the_keyboard_reaches(chromium, tmp_path):
    metrics = small_report.metrics([f"class number {n}" for n in range(40)])
    path = written(tmp_path, metrics=metrics)
    with browser.opened(chromium, path, NARROW) as page:
        box = page.get_by_role("region", name="Confusion matrix")
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")
        assert box.get_attribute("tabindex") == "0"


def test_page_is_dark_where_the_reader_wants_it(chromium, page_file):
    script = "getComputedStyle(document.body).backgroundColor"
    with browser.opened(chromium, page_file, scheme="dark") as page:
        dark = page.evaluate(script)
    with browser.opened(chromium, page_file) as page:
        assert page.evaluate(script) != dark


def test_print_shows_all_rows(chromium, tmp_path):
    metrics = small_report.metrics([f"class number {n}" for n in range(40)])
    with browser.opened(chromium, written(tmp_path, metrics=metrics)) as page:
        page.emulate_media(media="print")
        assert page.locator(".tall").last.evaluate(
            "box => box.scrollHeight <= box.clientHeight"
        )


def test_headings_go_down_one_level_at_a_time(page):
    levels = page.eval_on_selector_all(
        "h1, h2, h3, h4, h5, h6", "all => all.map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - level <= 1 for level, later in zip(levels, levels[1:]))


# Every text of the matrix and of the lines against what is painted behind it.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (colour) => {
    const linear = [...rgb(colour)].slice(0, 3).map((part) => {
      const p = part / 255;
      return p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const paper = getComputedStyle(document.body).backgroundColor;
  const cells = [...document.querySelectorAll(".matrix td.right, .matrix td.wrong")];
  const lines = [...document.querySelectorAll("polyline")];
  return {
    cells: cells.map((cell) => {
      const style = getComputedStyle(cell);
      return contrast(style.color, style.backgroundColor);
    }),
    lines: lines.map((line) => contrast(getComputedStyle(line).stroke, paper)),
  };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_matrix_and_lines_can_be_read(chromium, tmp_path, scheme):
    metrics = small_report.metrics(["a", "b"])
    metrics["confusion_matrix"] = [[9, 0], [9, 0]]
    both = metrics | {"confusion_matrix": [[9, 9], [9, 0]]}
    found = {"cells": [], "lines": []}
    for name, one in (("a", metrics), ("b", both)):
        (tmp_path / name).mkdir()
        path = written(tmp_path / name, metrics=one)
        with browser.opened(chromium, path, scheme=scheme) as page:
            for key, values in page.evaluate(CONTRAST).items():
                found[key] += values
    assert len(found["cells"]) == 5 and min(found["cells"]) >= 4.5
    assert len(found["lines"]) >= 8 and min(found["lines"]) >= 3
