"""The tables of networks."""

import json
import shutil

import pytest

from tl_keras import listing
from tl_keras.architectures.names import build, names
from tl_keras.cli import main
from tl_keras.datasets.manifest import natural_key


def test_models_as_json_name_every_architecture(capsys):
    assert main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == sorted(names(), key=natural_key)


def test_models_name_the_package_of_the_weights(capsys):
    assert main(["models", "--json"]) == 0
    weights = {
        row["name"]: row["weights"] for row in json.loads(capsys.readouterr().out)
    }
    assert weights["lenet5"] is None
    assert weights["efficientnet_lite0"].startswith("efficientnet-lite0")


def test_table_of_models_keeps_names_whole(capsys):
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "efficientnet_lite4" in shown and "138,357,544" in shown


def test_stages_add_up_to_the_network():
    backbone, network = build("lenet5", num_classes=None), build("lenet5")
    *parts, total = listing.stage_rows(backbone, network)
    parameters = [int(row[2].replace(",", "")) for row in parts]
    assert sum(parameters) == int(total[2].replace(",", "")) == 61_706


def test_stages_have_their_shapes_and_costs():
    backbone, network = build("lenet5", num_classes=None), build("lenet5")
    first = listing.stage_rows(backbone, network)[0]
    # C1: 6 maps of 28x28, each place 5x5 products.
    assert first[1:] == ("28x28x6", "156", f"{28 * 28 * 6 * 25 / 1e3:.1f} K")


def test_summary_prints_the_stages(capsys):
    assert main(["summary", "lenet5"]) == 0
    shown = capsys.readouterr().out
    assert "32x32x1" in shown and "61,706" in shown


def test_summary_takes_another_size(capsys):
    assert main(["summary", "resnet20_cifar", "--image_size", "16"]) == 0
    assert "16x16x3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet"], "Unknown architecture 'lenet'. Did you mean 'lenet5'?"),
        (["lenet5", "--image_size", "20"], "at least 32x32 for lenet5"),
        (["lenet5", "--plot", "network.txt"], "must end in .png, .svg, .pdf"),
    ],
)
def test_wrong_summary_is_answered_in_one_line(capsys, arguments, message):
    assert main(["summary", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_missing_folder_of_the_plot_is_named(capsys, tmp_path):
    path = tmp_path / "missing" / "network.png"
    assert main(["summary", "lenet5", "--plot", str(path)]) == 1
    assert "missing" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_network_is_drawn(tmp_path, suffix):
    assert shutil.which("dot"), "install Graphviz: its program `dot` draws"
    path = tmp_path / f"network{suffix}"
    listing.plot(build("lenet5"), path)
    start = {".png": b"\x89PNG", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(start)


def test_missing_graphviz_names_the_cure(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise ImportError("no pydot")

    monkeypatch.setattr(listing.keras.utils, "plot_model", refuse)
    with pytest.raises(listing.UsageError, match=r"tl_keras\[plot\].*graphviz"):
        listing.plot(build("lenet5"), tmp_path / "network.png")
