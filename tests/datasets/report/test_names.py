"""Untrusted names are shown as they are, and nothing in them is obeyed."""

import pytest

from tl_keras.datasets.report.names import visible


@pytest.mark.parametrize(
    "name",
    ["cat/1.jpg", "Schrank — 猫 🐈 (Kopie)", "👩\u200d🚀", "<b>", "[red]", "a\xa0b"],
)
def test_plain_name_stays_as_it_is(name):
    assert visible(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("two\nlines", r"two\nlines"),
        ("red\x1b[31m", r"red\x1b[31m"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("lone \udcff byte", r"lone \udcff byte"),
        ("line\u2028end", r"line\u2028end"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_a_screen_would_obey_is_spelled_out(name, shown):
    assert visible(name) == shown
