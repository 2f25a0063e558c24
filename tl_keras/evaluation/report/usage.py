"""How a trained classifier is used: commands and code to copy, with the real names."""

import shlex
from pathlib import PurePath
from urllib.parse import quote

from tl_keras.evaluation.report.contents import Way

IMAGE = "new.jpg"
# Where TensorFlow Serving's image looks for models, and its port for REST.
SERVED, PORT = "/models", 8501


def of_export(path: str) -> tuple[Way, ...]:
    """Returns the ways to use an export.

    Args:
        path: The folder of its version, as the run notes it: absolute, or relative to
            the folder that the run was started in.

    Returns:
        The command line, Python, TensorFlow alone, TensorFlow Serving.
    """
    folder = PurePath(path).parent
    return (
        Way(title="On the command line", code=_predict(path)),
        Way(title="In Python", code=_python(path)),
        Way(title="In Python, with TensorFlow alone", code=_tensorflow(path)),
        Way(title="TensorFlow Serving", code=_serve(folder)),
        Way(title="Ask it, from a shell", code=_ask(folder.name)),
    )


def of_run(folder: str) -> tuple[Way, ...]:
    """Returns the ways to use a run that has no export.

    Args:
        folder: The run's.
    """
    name = PurePath(folder).name
    export = (
        "import tl_keras as tl\n\n"
        f"run = tl.load({ascii(folder)})\n"
        f"export = run.export({ascii(f'saved_models/{name}')})\n"
        "print(export.path)"
    )
    return (
        Way(title="On the command line", code=_predict(folder)),
        Way(title="In Python", code=_python(folder)),
        Way(title="Export it", code=export),
    )


def _predict(path: str) -> str:
    """Returns the command that classifies an image file."""
    return shlex.join(["tl-keras", "predict", path, IMAGE])


def _python(path: str) -> str:
    """Returns the code that classifies an image file."""
    return (
        "import tl_keras as tl\n\n"
        f"model = tl.load({ascii(path)})\n"
        f'for found in model.predict(["{IMAGE}"]):\n'
        "    print(found.path, found.label, found.probability)"
    )


def _tensorflow(path: str) -> str:
    """Returns the code that needs nothing of ours."""
    return (
        "import tensorflow as tf\n\n"
        f"model = tf.saved_model.load({ascii(path)})\n"
        'classify = model.signatures["serving_default"]\n'
        f'found = classify(image_bytes=tf.stack([tf.io.read_file("{IMAGE}")]))\n'
        'for name in ("label", "probability", "error"):\n'
        "    print(name, found[name].numpy())"
    )


def _serve(folder: PurePath) -> str:
    """Returns the command that serves an export's folder."""
    source = shlex.quote(str(folder))
    if not folder.is_absolute():
        source = f'"$PWD"/{source}'
    target = shlex.quote(f"{SERVED}/{folder.name}")
    name = shlex.quote(f"MODEL_NAME={folder.name}")
    return (
        f"docker run --rm -p {PORT}:{PORT} \\\n"
        f"  -v {source}:{target}:ro -e {name} tensorflow/serving"
    )


def _ask(name: str) -> str:
    """Returns the command that sends an image file to TensorFlow Serving.

    `base64` breaks its lines on some systems, and JSON allows no break in a text.
    """
    address = f"http://localhost:{PORT}/v1/models/{quote(name, safe='')}:predict"
    return (
        '(printf \'{"instances": [{"image_bytes": {"b64": "\'\n'
        f"  base64 < {IMAGE} | tr -d '\\n'\n"
        "  printf '\"}}]}') |\n"
        f"  curl --data @- {shlex.quote(address)}"
    )
