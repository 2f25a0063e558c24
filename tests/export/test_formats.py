"""One export of every format: what is written, and that each file works alone."""

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from bad_files import FILES

from tl_keras.cli import main
from tl_keras.config import Export as ExportConfig
from tl_keras.datasets import batches
from tl_keras.datasets.images import decode_and_resize
from tl_keras.errors import ExportError, UsageError
from tl_keras.export import artifacts, proof, rerun, writing
from tl_keras.export.exportable import Exportable, spread
from tl_keras.export.shelf import versions

pytestmark = pytest.mark.slow
EVERY = (("litert", "onnx"), artifacts.QUANTIZATIONS)
BY_FILE = {artifact.file: artifact for artifact in artifacts.TABLE}
# Mean differences of eight bits a number, in a network of eight features.
TOLERANCES = {"model_int8.tflite": 0.1, "model_dynamic.tflite": 0.05}


@pytest.fixture(scope="module")
def shelf(trained, tmp_path_factory):
    """A folder of exports with one of every format, written by the command."""
    folder = tmp_path_factory.mktemp("shelf")
    arguments = ["export", str(trained.folder), "--to", str(folder / "squares")]
    formats = ["--format", "saved_model,litert,onnx"]
    ways = ["--quantize", "none,dynamic,float16,int8", "--accept-loss"]
    assert main(arguments + formats + ways) == 0
    return folder


@pytest.fixture(scope="module")
def version(shelf):
    return shelf / "squares" / "1"


@pytest.fixture(scope="module")
def facts(version):
    return json.loads((version / "export.json").read_text())


def test_folder_holds_each_artifact_and_says_what_it_is(version, facts):
    assert [one["file"] for one in facts["artifacts"]] == list(BY_FILE)
    assert {path.name for path in version.iterdir() if path.is_file()} == {
        *BY_FILE,
        "labels.txt",
        "export.json",
        "fingerprint.pb",
    }
    for one in facts["artifacts"]:
        assert one["images"] >= 5 and one["accuracy"] > 0.9 and one["bytes"] > 1000
        assert min(one["milliseconds"].values()) > 0
        if one["quantize"] == "none":
            assert one["max_difference"] < 1e-4


@pytest.mark.parametrize("file", BY_FILE)
def test_artifact_gives_the_run_s_probabilities(trained, version, file):
    artifact = BY_FILE[file]
    path = version if file == "saved_model.pb" else version / file
    test = trained.manifest.split("test")
    pixels = np.concatenate(
        [images for images in batches.read(batches.images(test, trained.square, 8))]
    )
    run = rerun.RUNNERS[artifact.format](str(path))
    found, expected = run(pixels), trained.classify(pixels)
    tolerance = TOLERANCES.get(file, proof.TOLERANCE)
    np.testing.assert_allclose(found, expected, atol=tolerance)
    # Any number of images, in any order of calls.
    for count in (1, 3):
        np.testing.assert_allclose(run(pixels[:count]), found[:count], atol=1e-6)


def test_int8_takes_pixels_as_they_are(version):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(version / "model_int8.tflite"))
    (given,) = interpreter.get_input_details()
    assert given["dtype"] is np.uint8
    assert given["quantization"] == (pytest.approx(1.0), 0)
    kinds = {
        np.dtype(one["dtype"]).name
        for one in interpreter.get_tensor_details()
        if len(one["shape"]) == 4
    }
    assert "float32" not in kinds and "int8" in kinds


def test_labels_lie_beside_and_inside(trained, version):
    import onnx

    labels = list(trained.class_names)
    assert (version / "labels.txt").read_text().split("\n")[:-1] == labels
    with zipfile.ZipFile(version / "model.tflite") as archive:
        assert archive.read("labels.txt").decode().split("\n")[:-1] == labels
    model = onnx.load(version / "model.onnx")
    (stored,) = [one.value for one in model.metadata_props if one.key == "labels"]
    assert json.loads(stored) == labels


def test_onnx_names_its_input_and_takes_any_batch(version):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(version / "model.onnx"))
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("images", ["batch", 32, 32, 3])
    assert (found.name, found.shape[0]) == ("probabilities", "batch")


GOOD = [name for name, file in FILES.items() if file.pixels is not None]


def test_image_files_of_every_kind_give_what_training_sees(trained, version):
    """Formats, EXIF, transparency, 16 bits: the same squares, the same answers."""
    model = tf.saved_model.load(str(version))
    contents = [FILES[name].content for name in GOOD]
    found = model.signatures["serving_default"](image_bytes=tf.constant(contents))
    assert found["ok"].numpy().all(), found["error"]
    pixels = [decode_and_resize(tf.constant(one), trained.square) for one in contents]
    expected = trained.classify(tf.stack(pixels))
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-4)


def test_graph_holds_no_random_and_no_python_operation(version):
    model = tf.compat.v1.saved_model.load
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = model(session, ["serve"], str(version)).graph_def
    # Those of its functions, too.
    used = set(re.findall(r'\bop: "(\w+)"', str(graph)))
    assert "DecodeJpeg" in used and "Conv2D" in used
    odd = [op for op in used if "Random" in op or "PyFunc" in op or "BatchNorm" in op]
    assert not odd and not {"VarHandleOp", "ReadVariableOp"} & used


def test_signature_runs_in_a_session_as_a_server_runs_it(version, red):
    """TensorFlow Serving and saved_model_cli load it so."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(version))
        signature = loaded.signature_def["serving_default"]
        fetched = {name: one.name for name, one in signature.outputs.items()}
        given = signature.inputs["image_bytes"].name
        contents = [red.read_bytes(), FILES["cut_half.jpg"].content, b""]
        found = session.run(fetched, {given: contents})
    assert found["label"].tolist() == [b"red", b"", b""]
    assert found["ok"].tolist() == [True, False, False]
    assert found["error"].tolist()[2] == b"the file is empty"


def test_saved_model_cli_reads_the_signatures(version):
    tool = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    command = [*tool, "show", "--dir", str(version), "--all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for name in ("serving_default", "pixels", "features", "image_bytes", "DT_STRING"):
        assert name in done.stdout, done.stderr[-1500:]


def test_second_export_gives_the_same_bytes(trained, version, tmp_path):
    exportable = Exportable.of(trained)
    again = writing.make(exportable, tmp_path / "2", artifacts.wanted(*EVERY))
    pixels = trained.square.fill(tf.zeros((40, 50, 3), tf.uint8)).numpy()[np.newaxis]
    for file, artifact in BY_FILE.items():
        paths = [
            folder if file == "saved_model.pb" else folder / file
            for folder in (version, again)
        ]
        first, second = (
            rerun.RUNNERS[artifact.format](str(path))(pixels).tobytes()
            for path in paths
        )
        assert first == second, file


def test_exports_are_listed(shelf, version, capsys):
    assert main(["exports", str(shelf)]) == 0
    shown = capsys.readouterr().out
    assert "squares" in shown and "LiteRT int8" in shown and "tiny" in shown
    assert main(["exports", str(shelf), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["version"], row["classes"]) == ("squares", 1, 3)
    assert [one["path"] for one in versions(shelf / "squares")] == [str(version)]


def test_damaged_version_is_listed_as_such(tmp_path, capsys):
    (tmp_path / "photos" / "3").mkdir(parents=True)
    (tmp_path / "photos" / "3" / "export.json").write_text("{")
    assert main(["exports", str(tmp_path)]) == 0
    assert "damaged" in capsys.readouterr().out


def test_missing_folder_is_wrong_usage(tmp_path, capsys):
    assert main(["exports", str(tmp_path / "no")]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_version_is_no_place_for_versions(trained, version):
    with pytest.raises(UsageError, match="is an export already"):
        trained.export(version)


def test_artifact_that_loses_too_much_leaves_nothing(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(proof, "TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="ONNX model differs"):
        trained.export(tmp_path / "out", formats=["onnx"])
    assert not any((tmp_path / "out").iterdir())


def test_network_that_cannot_be_converted_is_named(trained, tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError("tf.Whatever op is neither a custom op nor a flex op: none")

    monkeypatch.setattr(writing.verify, "prove", lambda *_: pytest.fail("too early"))
    monkeypatch.setattr("tl_keras.export.onnx_model.convert", fail)
    with pytest.raises(ExportError, match=r"tiny cannot become ONNX: tf\.Whatever op"):
        writing.make(Exportable.of(trained), tmp_path / "1", artifacts.wanted(["onnx"]))


def test_class_names_need_not_be_names_of_files(trained, tmp_path):
    names = ("a/b", "..", "two\nlines; <b>")
    exportable = replace(Exportable.of(trained), class_names=names)
    path = writing.make(exportable, tmp_path / "1", artifacts.wanted(["litert"]))
    labels = (path / "labels.txt").read_text().splitlines()
    assert labels == ["a/b", "..", "two lines; <b>"]
    call = tf.saved_model.load(str(path)).signatures["pixels"]
    images = np.array([(40, 60, 220), (40, 190, 60), (220, 40, 40)], np.uint8)
    images = np.tile(images[:, np.newaxis, np.newaxis], (1, 32, 32, 1))
    found = call(images=tf.constant(images))
    said = [label.decode() for label in found["label"].numpy()]
    assert said == [names[place] for place in found["class_id"].numpy()]
    assert len(set(said)) > 1


def test_images_are_taken_from_all_classes(trained):
    few = spread(trained.manifest, 3)
    assert {row.label for row in few.rows} == set(trained.class_names)
    assert spread(trained.manifest, 1000).rows == trained.manifest.rows


def test_tolerance_of_the_saved_model_is_the_config_s(trained, tmp_path):
    with pytest.raises(ExportError, match="at most 1e-30"):
        config = replace(ExportConfig(), tolerance=1e-30)
        writing.write(Exportable.of(trained), tmp_path / "out", config)
