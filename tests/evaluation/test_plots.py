"""Pictures of a result: written whatever the figures are, and of a readable size."""

import numpy as np
import pytest
from PIL import Image

from tl_keras.evaluation import metrics, plots
from tl_keras.evaluation.decision import Decision

LABELS = np.array([0, 1, 2, 0, 1])
ROWS = np.eye(3)[[0, 1, 1, 0, 1]] * 0.7 + 0.1


@pytest.mark.parametrize("draw", [plots.reliability, plots.coverage])
@pytest.mark.parametrize(
    "decision",
    [Decision(), Decision(threshold=0.5, temperature=1.5), Decision(threshold=1.0)],
    ids=["none", "all known", "none known"],
)
def test_picture_is_light_and_not_empty(tmp_path, draw, decision):
    found = metrics.compute(LABELS, ROWS, ("a", "b", "c"), decision=decision)
    draw(found, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert min(picture.size) > 300
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20
    assert (tmp_path / "picture.png").stat().st_size < 60_000
