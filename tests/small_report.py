"""A report with every section, of classes and files with names that are attacks."""

import io
import math

import numpy as np
from PIL import Image

from tl_keras.datasets.report import thumbnails
from tl_keras.evaluation.report import card
from tl_keras.evaluation.report.contents import Miss, Report, Step, Way
from tl_keras.training.history import Epoch

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>.png'
STYLE = "</style><script>alert(2)</script>"
HOSTILE = (SCRIPT, IMAGE, STYLE, "javascript:alert(1)", "{{ 7 * 7 }}", "a'b\"c;}")
NAMES = (*HOSTILE, "cat", "a very long name of a class that does not end at all " * 3)


def metrics(names=NAMES, images=20, seed=0):
    """Returns what a current `metrics.json` holds, of made-up predictions."""
    random = np.random.default_rng(seed)
    counts = random.multinomial(2, np.ones(len(names)) / len(names), len(names))
    counts += np.eye(len(names), dtype=int) * random.integers(3, images, len(names))
    total, hits = int(counts.sum()), int(np.trace(counts))
    bins = np.linspace(0, 1, 11)
    return {
        "images": total,
        "loss": 0.4,
        "accuracy": hits / total,
        "accuracy_interval": [hits / total - 0.05, min(hits / total + 0.05, 1.0)],
        "balanced_accuracy": 0.8,
        "top_3": 0.95,
        "top_5": None,
        "precision": 0.8,
        "recall": 0.8,
        "f1": 0.8,
        "roc_auc": 0.97,
        "intervals": {"roc_auc": [0.95, 0.99]},
        "per_class": [
            {
                "class": name,
                "images": int(counts[place].sum()),
                "precision": 0.1 + 0.8 * random.random(),
                "recall": 0.1 + 0.8 * random.random(),
                "f1": 0.5,
                "roc_auc": None if place == 1 else 0.9,
            }
            for place, name in enumerate(names)
        ],
        "confusion_matrix": counts.tolist(),
        "calibration": {
            "ece": 0.031,
            "temperature": 1.4,
            "ece_before": 0.082,
            "bins": [
                {
                    "low": low,
                    "high": high,
                    "images": place**2,
                    "confidence": (low + high) / 2 if place else None,
                    "accuracy": low if place else None,
                }
                for place, (low, high) in enumerate(zip(bins.tolist(), bins[1:]))
            ],
        },
        "abstention": {
            "threshold": 0.6,
            "coverage": 0.8,
            "accuracy": 0.97,
            "curve": [
                {"threshold": 1 - share, "coverage": share, "accuracy": 1 - share / 8}
                for share in (0.1, 0.3, 0.5, 0.8, 1.0)
            ],
        },
        "warnings": [f"Few images are of {SCRIPT}."],
    }


def epochs(head=1, fine_tune=6, validated=True):
    """Returns the epochs of both phases."""
    phases = ["head"] * head + ["fine_tune"] * fine_tune
    return tuple(
        Epoch(
            epoch=number,
            phase=phase,
            loss=2 / number,
            accuracy=1 - 0.5 / number,
            val_loss=2.5 / number if validated else math.nan,
            val_accuracy=1 - 0.6 / number if validated else math.nan,
            learning_rate=0.0 if phase == "head" and head == 1 else 1e-3,
            seconds=1.5,
        )
        for number, phase in enumerate(phases, start=1)
    )


def picture(colour):
    """Returns a one-colour picture as a data URI."""
    file = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(file, "PNG")
    return thumbnails.of_png(file.getvalue(), side=160)


def report(**changes):
    """Returns a report with every section."""
    figures = changes.get("metrics") or metrics()
    names = tuple(row["class"] for row in figures["per_class"])
    splits = {"train": 90, "validation": 20, "test": figures["images"]}
    misses = tuple(
        Miss(
            path=f"{IMAGE[:-4]}/{number}.png",
            true=SCRIPT,
            predicted=names[number % len(names)],
            probability=0.9,
            loss=3 - number / 10,
            picture=picture("teal") if number else None,
            overlay=picture("orange") if number == 1 else None,
        )
        for number in range(14)
    )
    made = card.Made(
        source=SCRIPT, network="tiny", weights=None, trained="all", image_size=32
    )
    values = {
        "name": SCRIPT,
        "metrics": figures,
        "class_names": names,
        "facts": {"Source": SCRIPT, "Classes": "8"},
        "epochs": epochs(),
        "splits": splits,
        "misses": misses,
        "notes": (f"1 image, such as {IMAGE}: tiny.",),
        "steps": (Step(name="head", seconds=2.5, epochs=1),),
        "ways": (Way(title="In Python", code=f"load({SCRIPT!r})\nfor a in b:"),),
        "card": card.sections(made, figures, splits),
        "config": f"seed: 0\nsource: {STYLE}\n",
        "made": "1 May 2026, 12:00",
    }
    return Report(**{**values, **changes})
