"""The model card says what is known, and leaves the rest to people."""

from dataclasses import replace

import pytest
import small_report

from tl_keras.evaluation.report.card import Made, licence, sections

MADE = Made(
    source="photos",
    network="efficientnet_lite0",
    weights="imagenet",
    trained="only the head trained",
    image_size=224,
)
SPLITS = {"train": 90, "validation": 20, "test": 30}


def text(made=MADE, **changes):
    found = sections(made, small_report.metrics() | changes, SPLITS)
    return {title: " ".join(parts) for title, parts in found.items()}


def test_card_has_the_sections_of_the_paper():
    assert list(text()) == [
        "Model details",
        "Intended use",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Limits",
        "Ethical considerations",
    ]


def test_licence_of_known_weights_is_named():
    assert "Apache-2.0" in text()["Model details"]


@pytest.mark.parametrize(
    ("network", "weights"), [("resnet50", "imagenet"), ("efficientnet_lite0", "my.h5")]
)
def test_licence_that_is_not_known_is_not_made_up(network, weights):
    assert licence(network, weights).startswith("not known here")


def test_random_weights_need_no_licence():
    said = text(replace(MADE, weights=None))["Model details"]
    assert "random weights" in said and "icence" not in said


def test_numbers_of_images_are_those_of_the_splits():
    found = text()
    assert found["Evaluation data"].startswith("30 images")
    assert found["Training data"].startswith("90 images")


def test_classifier_of_several_labels_does_not_always_name_a_class():
    one, several = text(), text(replace(MADE, multi_label=True))
    assert "always names one" in one["Intended use"]
    assert "always names one" not in several["Intended use"]


def test_worst_classes_are_named_with_their_recall():
    rows = [
        {"class": name, "images": many, "recall": recall}
        for name, many, recall in [("a", 9, 1.0), ("b", 9, 0.5), ("c", 0, 0.0)]
    ]
    limits = text(per_class=rows)["Limits"]
    assert "(recall): b (0.50)." in limits


def test_very_many_classes_are_not_all_named():
    rows = [{"class": f"c{n}", "images": 9, "recall": 1.0} for n in range(1000)]
    said = text(per_class=rows)["Intended use"]
    assert "c19 and 980 more classes" in said and "c20" not in said
