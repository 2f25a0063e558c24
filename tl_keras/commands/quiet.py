"""Imports what needs TensorFlow, without what TensorFlow prints."""

import importlib
import os
import sys
from types import ModuleType


def load_pipeline() -> ModuleType:
    """Imports the pipeline, and with it TensorFlow, without what that prints."""
    return load("tl_keras.pipeline")


def load(module: str) -> ModuleType:
    """Imports a module that imports TensorFlow, without what that prints.

    TensorFlow writes its first lines past Python, and past its own log level: only
    a closed file descriptor keeps them from the user.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        return importlib.import_module(module)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
