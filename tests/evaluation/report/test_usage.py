"""What is proposed to be copied runs, whatever the folder is called."""

import json
import shlex
import subprocess

import pytest

from tl_keras.evaluation.report.usage import of_export, of_run

PATHS = ["saved_models/photos/1", "/a b/it's; rm -rf $HOME/2", 'x"y\\z/$(id)/10']


def by_title(ways):
    return {way.title: way.code for way in ways}


@pytest.mark.parametrize("path", PATHS)
def test_command_reads_back_as_the_path(path):
    code = by_title(of_export(path))["On the command line"]
    assert shlex.split(code) == ["tl-keras", "predict", path, "new.jpg"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("title", ["In Python", "In Python, with TensorFlow alone"])
def test_python_loads_that_path(path, title):
    code = by_title(of_export(path))[title]
    compile(code, title, "exec")
    line = next(line for line in code.splitlines() if line.startswith("model = "))
    assert eval(line[line.index("(") :]) == path


def test_run_without_an_export_is_used_and_exported_by_its_folder():
    codes = by_title(of_run("runs/it's"))
    compile(codes["Export it"], "", "exec")
    assert '"runs/it\'s"' in codes["Export it"]
    assert shlex.split(codes["On the command line"])[2] == "runs/it's"


@pytest.mark.parametrize("path", PATHS)
def test_serving_gets_the_folder_of_the_versions(path):
    code = by_title(of_export(path))["TensorFlow Serving"]
    shown = subprocess.run(
        ["bash", "-c", f"docker() {{ printf '%s\\n' \"$@\"; }}\n{code}"],
        capture_output=True,
        text=True,
        cwd="/",
        check=True,
    ).stdout.splitlines()
    folder = path.rpartition("/")[0]
    absolute = folder if folder.startswith("/") else f"//{folder}"
    name = folder.rpartition("/")[2]
    assert f"{absolute}:/models/{name}:ro" in shown and f"MODEL_NAME={name}" in shown


@pytest.mark.parametrize("path", PATHS)
def test_request_is_json_with_the_image(tmp_path, path):
    (tmp_path / "new.jpg").write_bytes(bytes(range(256)) * 9)
    code = by_title(of_export(path))["Ask it, from a shell"]
    shown = subprocess.run(
        ["bash", "-c", f'curl() {{ cat; printf "\\n%s" "$3"; }}\n{code}'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    ).stdout
    body, _, address = shown.partition("\n")
    (instance,) = json.loads(body)["instances"]
    assert len(instance["image_bytes"]["b64"]) == 256 * 9 * 4 // 3
    assert address.startswith("http://localhost:8501/v1/models/")
    assert not set(address) & set(" '\"$;()\\")
