"""The weights of a `.keras` file. The model that it describes is never built."""

import json
import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras

from tl_keras.backbones.h5_layout import load_h5
from tl_keras.errors import WeightsError
from tl_keras.files import require_space, storage_errors

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# Layers that hold code or load other files.
REFUSED = {
    "Lambda": "holds Python code",
    "TFSMLayer": "loads another program from the disk",
    "TorchModuleWrapper": "holds a pickle, which can run any code",
}
MAXIMUM_CONFIG = 64 * 2**20
# A file with the classifier and the optimizer's state is a few times the network;
# only one that also shrinks so well is made to fill the disk.
MAXIMUM_GROWTH, MAXIMUM_SHRINKING, SLACK = 16, 4, 2**20


def load_archive(network: keras.Model, path: str | Path) -> None:
    """Loads the weights of a `.keras` file into a network.

    Args:
        network: A functional or sequential network.
        path: The file.

    Raises:
        WeightsError: If the file is damaged, is no `.keras` file, has a layer that
            holds code, unpacks to far more than the network needs, or does not fit.
            The network's weights are then as before.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="weights-") as folder:
        unpacked = Path(folder) / "model.weights.h5"
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, path, network, unpacked)
        # A method of packing that Python lacks, or a password.
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            EOFError,
        ) as error:
            raise WeightsError(
                f"{path} is cut off or damaged: {error}. Get the file again."
            ) from None
        load_h5(network, unpacked, called=path)


def _unpack(
    archive: zipfile.ZipFile, path: Path, network: keras.Model, unpacked: Path
) -> None:
    """Writes the archive's weights to a file of their own, all else checked."""
    names = archive.namelist()
    if any(Path(name).name == "data.pkl" for name in names):
        raise WeightsError(
            f"{path} was refused: it is a PyTorch file, a pickle, which can run any "
            f"code. Where you trust it, save it with safetensors.torch.save_file."
        )
    if CONFIG not in names or WEIGHTS not in names:
        raise WeightsError(
            f"{path} is a zip archive without {CONFIG} and {WEIGHTS}, so no .keras "
            f"file. Write the weights with model.save_weights('x.weights.h5')."
        )
    _refuse_code(_config(archive, path), path)
    size = archive.getinfo(WEIGHTS).file_size
    _refuse_bomb(archive.getinfo(WEIGHTS), path, network)
    require_space(unpacked.parent, size, f"Unpacking {path}")
    with archive.open(WEIGHTS) as source, storage_errors(unpacked):
        with unpacked.open("wb") as target:
            shutil.copyfileobj(source, target)


def _config(archive: zipfile.ZipFile, path: Path) -> Any:
    """Returns the description of the model, a tree of JSON."""
    if archive.getinfo(CONFIG).file_size > MAXIMUM_CONFIG:
        raise WeightsError(f"{path} was refused: its {CONFIG} is larger than any is.")
    try:
        return json.loads(archive.read(CONFIG))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} is damaged: its {CONFIG}: {error}.") from None


def _refuse_code(config: Any, path: Path) -> None:
    """Refuses a model that has a layer with code, at any depth."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        if not isinstance(value, dict):
            continue
        waiting += value.values()
        for key in ("class_name", "registered_name"):
            # Its package may stand before it: `keras>Lambda`, `keras.layers.Lambda`.
            name = re.split("[>.]", str(value.get(key)))[-1]
            if name in REFUSED:
                raise WeightsError(
                    f"{path} was refused: it has a {name} layer, which "
                    f"{REFUSED[name]}. Where you trust it, load it in Keras, run "
                    f"model.save_weights('x.weights.h5'), and give that file."
                )


def _refuse_bomb(member: zipfile.ZipInfo, path: Path, network: keras.Model) -> None:
    """Refuses weights that unpack to far more than the network needs."""
    needed = sum(variable.numpy().nbytes for variable in network.weights)
    if member.file_size > MAXIMUM_GROWTH * needed + SLACK and (
        member.file_size > MAXIMUM_SHRINKING * member.compress_size
    ):
        raise WeightsError(
            f"{path} was refused: its {WEIGHTS} of {member.compress_size:,} bytes "
            f"unpacks to {member.file_size:,}, and {network.name} needs {needed:,}."
        )
