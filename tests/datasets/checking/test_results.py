"""Results travel as text."""

import pytest

from tl_keras.datasets.checking.findings import Facts
from tl_keras.datasets.checking.results import Result


def test_result_is_the_same_behind_the_way_through_text():
    facts = Facts(format="PNG", mode="RGBA", frames=2, bytes=7, transparent=True)
    result = Result(
        pixels="a", phash=2**64 - 1, facts=facts, problems=(("x", "\udcff"),)
    )
    assert Result.from_json(result.to_json()) == result


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"facts": {"format": 1}}', "null"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError):
        Result.from_json(text)
