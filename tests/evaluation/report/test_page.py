"""The page of a run holds all that is known, and nothing that can act."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import small_report

from tl_keras.errors import UsageError
from tl_keras.evaluation.report import page
from tl_keras.evaluation.report.contents import Report, Way

SECTIONS = (
    "trained curves figures confusion classes confidence misses data timings use card "
    "config"
).split()


@pytest.fixture(scope="module")
def html():
    return page.render(small_report.report())


class Reader(HTMLParser):
    """Notes every tag with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def all(self, tag):
        return [found for name, found in self.tags if name == tag]


def text_of(html):
    """Returns what a reader reads, white space made single."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def section(html, name):
    """Returns what a reader reads of a section."""
    part = html.partition(f'<section id="{name}">')[2].partition("</section>")[0]
    return text_of(part)


def old_metrics(names=("a", "b")):
    """Returns what `metrics.json` held before it held more."""
    row = dict(images=9, precision=0.5, recall=0.5, f1=0.5)
    return {
        "images": 9 * len(names),
        "loss": 0.7,
        "accuracy": 0.5,
        "accuracy_interval": [0.3, 0.7],
        "top_3": None,
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "per_class": [{"class": name, **row} for name in names],
        "confusion_matrix": (np.eye(len(names), dtype=int) * 9).tolist(),
    }


def test_sections_come_in_their_order(html):
    assert re.findall(r'<section id="(\w+)">', html) == SECTIONS


def test_every_entry_of_the_contents_leads_to_a_section(html):
    found = Reader(html)
    places = [one["href"] for one in found.all("a")]
    assert [place.removeprefix("#") for place in places] == SECTIONS


def test_verdict_is_the_heading(html):
    (heading,) = re.findall(r"<h1>(.*?)</h1>", html, re.DOTALL)
    assert heading.startswith("The classifier is right on ")


def test_every_untrusted_text_is_escaped(html):
    scripts = re.findall(r"<script.*?</script>", html, re.DOTALL)
    assert scripts == [f"<script>{page.SCRIPT.read_text()}</script>"]
    assert "onerror" not in {key for _, found in Reader(html).tags for key in found}
    assert html.count("</style>") == 1
    assert html.count("&lt;script&gt;alert(1)") > 20


def test_template_signs_in_a_name_are_not_computed(html):
    assert "{{ 7 * 7 }}" in text_of(html)


def test_control_characters_are_made_visible():
    odd = "red\x1b[31m \u202egpj\udcff"
    found = page.render(
        small_report.report(
            name=odd,
            facts={"Source": odd},
            notes=(odd,),
            config=f"a\n{odd}",
            ways=(Way(title="x", code=odd),),
            metrics=small_report.metrics([odd, "b"]),
        )
    )
    found.encode()
    assert not set("\x1b\u202e\udcff") & set(found)


def test_policy_allows_its_own_script_and_pictures_alone(html):
    (policy,) = (
        one["content"]
        for one in Reader(html).all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    )
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        f"script-src '{page.checksum(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_page_refers_to_nothing_outside(html):
    places = [
        found[key]
        for _, found in Reader(html).tags
        for key in ("src", "href")
        if key in found
    ]
    assert places and all(place.startswith(("data:", "#")) for place in places)
    assert "url(" not in html and "@import" not in html


def test_every_picture_has_words(html):
    images = Reader(html).all("img")
    assert len(images) == 14 and all(one["alt"] for one in images)
    assert all(one["aria-label"] for one in Reader(html).all("svg"))


def test_every_heading_of_a_table_has_a_scope(html):
    assert all("scope" in one for one in Reader(html).all("th"))


def test_file_without_a_picture_has_a_placeholder(html):
    assert "no picture" in section(html, "misses")


def test_confusion_matrix_has_counts_and_shares(html):
    counts = small_report.metrics()["confusion_matrix"]
    right = f"--share: {counts[0][0] / sum(counts[0]):.3f}"
    assert f'<td class="right" style="{right}">{counts[0][0]}</td>' in html


@pytest.mark.parametrize(("classes", "drawn"), [(2, True), (40, True), (41, False)])
def test_confusion_matrix_is_drawn_where_it_can_be_read(classes, drawn):
    names = [f"class {number}" for number in range(classes)]
    html = page.render(small_report.report(metrics=small_report.metrics(names)))
    assert ('class="matrix"' in html) == drawn
    assert ("metrics.json" in section(html, "confusion")) != drawn
    assert "Confused most often" in section(html, "confusion")


def test_classifier_that_confuses_nothing_is_told():
    html = page.render(small_report.report(metrics=old_metrics()))
    assert "No class was taken for another." in section(html, "confusion")


def test_undefined_figure_of_a_class_is_a_dash(html):
    assert '<td data-value="">–</td>' in html


def test_calibration_is_told_before_and_after(html):
    said = section(html, "confidence")
    assert "error 0.031, before a temperature of 1.40 was fitted 0.082." in said


def test_chosen_threshold_is_told(html):
    said = section(html, "confidence")
    assert "Below a confidence of 0.600" in said and "answers 80.0 %" in said


@pytest.mark.parametrize(
    ("threshold", "said"), [(None, "No threshold was"), ({"a": 0.5}, "threshold a")]
)
def test_other_thresholds_are_told(threshold, said):
    metrics = small_report.metrics()
    abstention = metrics["abstention"] | {"threshold": threshold}
    if threshold is None:
        abstention |= {"coverage": None, "accuracy": None}
    html = page.render(
        small_report.report(metrics=metrics | {"abstention": abstention})
    )
    assert said in section(html, "confidence")


def test_old_figures_have_a_page():
    html = page.render(
        Report(name="old", metrics=old_metrics(), class_names=("a", "b"))
    )
    found = re.findall(r'<section id="(\w+)">', html)
    assert found == ["trained", "figures", "confusion", "classes", "data"]


def test_several_labels_have_a_page_without_a_matrix():
    metrics = old_metrics()
    del metrics["confusion_matrix"]
    report = Report(name="x", metrics=metrics, class_names=("a",), multi_label=True)
    html = page.render(report)
    assert 'id="confusion"' not in html and "every label right" in text_of(html)


def test_solved_head_alone_has_a_table_and_no_curve():
    html = page.render(small_report.report(epochs=small_report.epochs(1, 0)))
    assert "nothing to draw" in section(html, "curves")
    assert "<details open>" in html and "solved" in section(html, "curves")


def test_missing_validation_is_a_dash_in_the_table():
    epochs = small_report.epochs(validated=False)
    html = page.render(small_report.report(epochs=epochs))
    assert "nan" not in section(html, "curves") and "– –" in section(html, "curves")


def test_grad_cam_is_named_where_it_is_shown(html):
    assert "Grad-CAM" in section(html, "misses")
    misses = tuple(replace(one, overlay=None) for one in small_report.report().misses)
    without = page.render(small_report.report(misses=misses))
    assert "Grad-CAM" not in section(without, "misses")


def test_only_wrong_answers_are_marked_as_wrong(html):
    assert html.count('class="said"') == 14
    misses = tuple(replace(one, wrong=False) for one in small_report.report().misses)
    assert 'class="said"' not in page.render(small_report.report(misses=misses))


def test_a_thousand_classes_stay_small():
    names = [f"a class of many words {number}" for number in range(1000)]
    html = page.render(small_report.report(metrics=small_report.metrics(names)))
    assert html.count("<tr><th scope") > 1000 and len(html) < 1_000_000


def test_page_is_written(tmp_path):
    page.write(tmp_path / "new" / "report.html", small_report.report())
    assert (tmp_path / "new" / "report.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", ["report.txt", ""])
def test_page_replaces_no_folder_and_no_other_file(tmp_path, name):
    with pytest.raises(UsageError, match="must be a file that ends in .html"):
        page.write(tmp_path / name, small_report.report())
