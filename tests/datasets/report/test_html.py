"""The page of a check holds all that was found, and nothing that can act."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import messy_folder
import pytest

from tl_keras.datasets.checking.findings import Findings, Problem
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.report import html
from tl_keras.datasets.report.overview import sum_up
from tl_keras.datasets.report.templates import in_short, require_page, sentence
from tl_keras.errors import StorageError, UsageError
from tl_keras.sections import Data

STYLE = Path(html.__file__).with_name("page.css")
COUNTS = {"cat": 8, "coffee": 6, "rocket": 4}


@pytest.fixture(scope="module")
def mess(tmp_path_factory):
    root = tmp_path_factory.mktemp("report") / "photos"
    return messy_folder.draw(root, counts=COUNTS)


@pytest.fixture(scope="module")
def page(mess):
    return rendered(mess.root, messy_folder.findings(mess))


def rendered(root, findings, source="photos", **more):
    """Returns the page of findings."""
    found = sum_up(findings, source=source, kinds=messy_folder.KINDS, **more)
    return html.render(found, root=root, data=Data())


def text_of(page):
    """Returns what a reader reads, white space made single."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", "", body)).split())


def of_problems(many, kind="tiny", policy="skip"):
    """Returns findings with many files of one kind, none of which exists."""
    problems = tuple(
        Problem(path=f"{n}.png", label="a", kind=kind, reason="tiny", policy=policy)
        for n in range(many)
    )
    manifest = Manifest(Path(), (Row(path="x", label="a", width=9, height=9),))
    return Findings(manifest=manifest, total=many + 1, problems=problems)


def test_verdict_is_the_first_heading(page):
    heading = re.search(r"<h1.*?</h1>", page, re.DOTALL)[0]
    assert text_of(heading) == "6 of 46 files cannot be used as they are."


def test_every_problem_is_named_with_its_cure(page, mess):
    text = text_of(page)
    for one in mess.problems:
        assert one.kind == "conflict" or one.path in text
        assert sentence(messy_folder.KINDS[one.kind].cure) in text


def test_groups_are_shown_with_label_and_path(page):
    section = page[page.index('id="conflicts"') : page.index('id="copies"')]
    assert "cat cat/4.jpg rocket rocket/saved.jpg" in text_of(section)


def test_broken_file_is_shown_as_a_placeholder(page):
    card = next(c for c in page.split("<li") if "notes.jpg" in c)
    assert "no picture" in card and "<img" not in card


def test_classes_have_their_counts_by_split(mess):
    found = messy_folder.mended(messy_folder.findings(mess))
    split = messy_folder.dealt(found.manifest)
    section = rendered(mess.root, found, split=split).partition('id="classes"')[2]
    counts = [split.split(name).counts()["rocket"] for name in ("train", "test")]
    assert f"rocket {counts[0]} " in text_of(section)
    assert all(name in text_of(section) for name in ("Train", "Val.", "Test"))


def test_number_of_pictures_is_bounded(mess, monkeypatch):
    monkeypatch.setattr(html.thumbnails, "data_uri", lambda *_: "data:image/png,")
    page = rendered(mess.root, of_problems(1000))
    assert page.count("<img") == html.PICTURES
    assert f"And {1000 - html.PICTURES} more" in text_of(page)


def test_groups_share_the_room_for_pictures(mess, monkeypatch):
    monkeypatch.setattr(html.thumbnails, "data_uri", lambda *_: "data:image/png,")
    copies = tuple((f"{n}", f"{n} again", f"{n} more") for n in range(100))
    copies += (tuple(str(n) for n in range(50)),)
    found = replace(of_problems(0), copies=copies)
    assert rendered(mess.root, found).count("<img") <= html.PICTURES


def test_file_that_crashed_the_decoder_is_not_opened_again(mess, monkeypatch):
    kinds = {"crash": messy_folder.KINDS["empty"]}
    monkeypatch.setattr(messy_folder, "KINDS", kinds)
    found = of_problems(1, kind="crash")
    (mess.root / "0.png").write_bytes((mess.root / "cat" / "0.jpg").read_bytes())
    try:
        assert "<img" not in rendered(mess.root, found)
    finally:
        (mess.root / "0.png").unlink()


def test_every_untrusted_text_is_escaped(mess):
    evil = messy_folder.SCRIPT
    problem = Problem(path=evil, label=evil, kind="tiny", reason=evil, policy="skip")
    row = Row(path=f"{evil}.jpg", label=evil, width=9, height=9)
    manifest = Manifest(mess.root, (row, replace(row, path="b", width=7)))
    found = Findings(
        manifest=manifest, total=3, problems=(problem,), conflicts=((row.path, "b"),)
    )
    page = rendered(mess.root, found, source=evil, refused=evil)
    assert "<script" not in page and page.count("&lt;script&gt;") >= 7


def test_page_forbids_itself_scripts_and_requests(page):
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert policy in page and "http-equiv" in page


def test_page_refers_to_nothing_outside(page):
    places = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found = dict(attributes)
            places.extend(found[key] for key in ("src", "href") if key in found)

    Reader().feed(page)
    assert places and all(place.startswith(("data:", "#")) for place in places)


def test_name_of_no_unicode_can_be_written(mess, tmp_path):
    found = replace(of_problems(0), copies=(("a\udcff", "b"),))
    overview = sum_up(found, source="x\udcff", kinds=messy_folder.KINDS)
    html.write(tmp_path / "check.html", overview, root=mess.root, data=Data())
    assert r"a\udcff" in (tmp_path / "check.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["photos", "cat.jpg", "check.html"])
def test_page_replaces_no_folder_and_no_other_file(tmp_path, name):
    (tmp_path / "check.html").mkdir()
    with pytest.raises(UsageError, match="must be a file that ends in .html"):
        require_page(tmp_path / name)


def test_failed_writing_leaves_the_old_page(mess, tmp_path, monkeypatch):
    (tmp_path / "check.html").write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tl_keras.files.os.replace", full)
    overview = sum_up(of_problems(0), source="x", kinds=messy_folder.KINDS)
    with pytest.raises(StorageError, match="disk is full"):
        html.write(tmp_path / "check.html", overview, root=mess.root, data=Data())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (72, "72 bytes"), (1400, "1.4 KB"), (12_300_000, "12 MB")],
)
def test_size_of_a_file_is_short(size, shown):
    assert in_short(size) == shown


def luminance(colour):
    """Returns the relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def colours(scheme):
    """Returns the colours of a scheme by name."""
    parts = STYLE.read_text().split("prefers-color-scheme: dark")
    text = parts[0 if scheme == "light" else 1].partition("* {")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text))


TEXTS = [
    *((ink, on) for ink in ("ink", "muted") for on in ("paper", "surface", "inset")),
    *(("link", on) for on in ("paper", "surface")),
    *((name, f"{name}-tint") for name in ("error", "skip", "convert", "warn")),
    *((name, "surface") for name in ("error", "skip", "convert", "warn")),
]
BARS = [(name, "paper") for name in ("train", "validation", "test", "unused")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [*((*pair, 4.5) for pair in TEXTS), *((*pair, 3) for pair in BARS)],
)
def test_contrast_is_enough(scheme, front, back, least):
    known = colours(scheme)
    assert contrast(known[front], known[back]) >= least
