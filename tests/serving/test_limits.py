"""Limits: what they mean in bytes and pixels, and which make no sense."""

import pytest

from tl_keras.errors import UsageError
from tl_keras.serving.limits import Limits


def test_megabytes_and_megapixels_are_millions():
    limits = Limits(body_mb=1.5, megapixels=0.25)
    assert (limits.body_bytes, limits.pixels) == (1_500_000, 250_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"body_mb": 0},
        {"megapixels": float("inf")},
        {"seconds": float("nan")},
        {"images": 0},
        {"batch": 0},
        {"queue": 63},
        {"wait_ms": -1},
    ],
)
def test_limit_without_sense_is_refused(wrong):
    with pytest.raises(UsageError, match=f"`{next(iter(wrong))}` must be"):
        Limits(**wrong)
