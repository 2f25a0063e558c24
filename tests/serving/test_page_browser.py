"""The page in a browser: images dropped, chosen and pasted, and what is said then."""

import base64
from pathlib import Path

import browser
import numpy as np
import pytest
from asking import served
from PIL import Image

from tl_keras.serving.heat import Heat

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parent.parent.parent / "build" / "screenshots"
# In milliseconds.
PATIENCE = 30_000
# Hands a file to the page as a drop or a paste does; tests cannot move a mouse that
# holds one.
HAND_OVER = """([kind, name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const held = new DataTransfer();
  held.items.add(new File([bytes], name, { type }));
  const given = kind === "paste" ? { clipboardData: held } : { dataTransfer: held };
  const event = kind === "paste" ? ClipboardEvent : DragEvent;
  const target = document.getElementById("zone");
  if (kind === "drop") {
    target.dispatchEvent(new DragEvent("dragover", { ...given, bubbles: true }));
  }
  target.dispatchEvent(new event(kind, { ...given, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as started:
        yield started


@pytest.fixture(scope="module")
def address(shelf, trained):
    with served(shelf, Heat(trained), body_mb=0.5) as found:
        yield found


@pytest.fixture
def page(chromium, address):
    """The page; in the end nothing but the server was asked, and nothing popped up."""
    with browser.confined(chromium, address) as opened:
        opened.errors = []
        opened.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.goto(address)
        opened.wait_for_selector("#names li")
        yield opened
        assert (opened.outside, opened.dialogs, opened.errors) == ([], [], [])


def hand(page, content, kind="drop", name="red.png"):
    given = [kind, name, "image/png", base64.b64encode(content).decode()]
    page.evaluate(HAND_OVER, given)


def label(page):
    page.wait_for_selector("#result:not([hidden])", timeout=PATIENCE)
    return page.inner_text("#label")


def picture(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"serve-{name}.png", full_page=True)


def test_image_that_is_dropped_gets_its_label_its_bars_and_its_heat(page, red):
    hand(page, red.read_bytes())
    assert label(page) == "red"
    assert page.inner_text("#kind") == "It says"
    names = page.locator("#rows th").all_inner_texts()
    values = [float(text) for text in page.locator("#rows td.number").all_inner_texts()]
    assert names[0] == "red" and set(names) == {"blue", "green", "red"}
    assert values == sorted(values, reverse=True) and abs(sum(values) - 1) < 0.01
    widths = page.eval_on_selector_all(
        ".track i",
        "bars => bars.map(bar => bar.offsetWidth / bar.parentNode.offsetWidth)",
    )
    np.testing.assert_allclose(widths, values, atol=0.02)
    page.wait_for_selector("#heat:not([hidden])", timeout=PATIENCE)
    assert page.evaluate("document.getElementById('overlay').naturalWidth") == 320
    picture(page, "dropped")


@pytest.mark.parametrize("way", ["choose", "paste"])
def test_image_may_be_chosen_and_pasted(page, red, way):
    if way == "choose":
        page.set_input_files("#file", red)
    else:
        hand(page, red.read_bytes(), "paste")
    assert label(page) == "red"


def test_page_is_worked_by_the_keyboard_alone(page, red):
    # A browser that is busy may not have given the page the keyboard yet.
    page.bring_to_front()
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.id === 'file'", timeout=PATIENCE)
    with page.expect_file_chooser(timeout=PATIENCE) as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(red)
    assert label(page) == "red"
    assert page.evaluate("document.activeElement.id") == "label"


def test_file_that_is_no_image_gets_the_reason(page):
    hand(page, b"no image", name="<img src=x onerror=alert(1)>.png")
    assert label(page) == "This cannot be read"
    assert "not an image" in page.inner_text("#says")
    assert not page.is_visible("#table") and not page.is_visible("#heat")
    assert page.is_visible("#blank") and not page.is_visible("#image")
    assert page.inner_text("#caption") == "<img src=x onerror=alert(1)>.png"
    picture(page, "no-image")


def test_file_that_is_too_large_is_refused_here(page):
    hand(page, b"x" * 500_000)
    page.wait_for_selector("#status.error", timeout=PATIENCE)
    assert "too large" in page.inner_text("#status")


def answered(page, **row):
    """Lets the server answer with a row of another model."""
    good = {"ok": True, "known": True, "error": "", "class_id": 0}
    page.route(
        "**/*:predict",
        lambda route: route.fulfill(json={"predictions": [{**good, **row}]}),
    )


def test_what_is_not_known_is_no_answer(page, red):
    row = {"label": "blue", "known": False, "probability": 0.4}
    answered(page, **row, probabilities=[0.4, 0.3, 0.3])
    hand(page, red.read_bytes())
    assert label(page) == "Not sure enough"
    assert page.inner_text("#kind") == "Don't know"
    assert "Its guess would be blue" in page.inner_text("#says")
    page.wait_for_selector("#heat:not([hidden])", timeout=PATIENCE)
    picture(page, "unknown")


def test_many_classes_are_shown_on_demand(page, red):
    names = [f"{'a very long name of class ' * (n % 3)}{n}" for n in range(40)]
    about = {"name": "squares", "version": 7, "classes": names, "several": True}
    about |= {"explains": False, "body_bytes": 10**6}
    page.route("**/about", lambda route: route.fulfill(json=about))
    page.reload()
    values = [0.9, 0.8, *[0.01] * 38]
    answered(page, label="0", probability=0.9, probabilities=values)
    hand(page, red.read_bytes())
    assert label(page) == f"{names[0]}, {names[1]}"
    assert page.locator("#rows tr").count() == 10
    page.click("#more")
    assert page.locator("#rows tr").count() == 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_nothing_is_wider_than_the_window(chromium, address, red, scheme, size):
    viewport = browser.PHONE if size == "phone" else browser.WIDE
    context = chromium.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#names li")
    picture(page, f"{size}-{scheme}-empty")
    hand(page, red.read_bytes(), name="a very long name of a file " * 6 + ".png")
    page.wait_for_selector("#heat:not([hidden])", timeout=PATIENCE)
    picture(page, f"{size}-{scheme}")
    width = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert width <= viewport["width"]


def test_server_that_is_gone_is_told(page, red):
    page.route("**/*:predict", lambda route: route.abort())
    hand(page, red.read_bytes())
    page.wait_for_selector("#status.error", timeout=PATIENCE)
    assert "does not answer" in page.inner_text("#status")


def test_photograph_of_any_size_is_shown_whole(page, tmp_path):
    Image.new("RGB", (1500, 300), (220, 40, 40)).save(tmp_path / "wide.png")
    hand(page, (tmp_path / "wide.png").read_bytes())
    assert label(page) == "red"
    box = page.locator("#image").bounding_box()
    assert box["width"] <= 460
