"""Tables in Markdown: TensorBoard's own converter shows what was put in."""

import html
import re

import pytest
from tensorboard import plugin_util

from tl_keras.evaluation.board import tables

HOSTILE = (
    "a|b",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](http://example.org/x.png)",
    "**bold** _under_ `code` ~~gone~~",
    "a & b &lt; c &amp;",
    "# 1. - + > ! \\ {x} (y)",
    "http://example.org/",
    "C:\\new\\table",
)


def cells(text):
    """Returns the cells that a browser would show, and the tags around them."""
    page = plugin_util.markdown_to_safe_html(text)
    found = re.findall(r"<t[hd]>(.*?)</t[hd]>", page, re.DOTALL)
    return [html.unescape(cell) for cell in found], page


@pytest.mark.parametrize("name", HOSTILE)
def test_name_is_shown_as_it_is(name):
    shown, page = cells(tables.table(("Run", ""), [(name, "x"), ("y", name)]))
    assert shown == ["Run", "", name, "x", "y", name]
    assert set(re.findall(r"<(\w+)", page)) <= set("table thead tbody tr th td".split())


def test_line_breaks_and_hidden_marks_in_names_are_seen():
    shown, _ = cells(tables.table(("Run", ""), [("a\nb\u202ec", "\t")]))
    assert shown[2:] == [r"a\nb\u202ec", r"\t"]


def test_run_has_a_name_of_any_kind():
    assert cells(tables.table(("<b>|", ""), [("a", "b")]))[0][0] == "<b>|"
