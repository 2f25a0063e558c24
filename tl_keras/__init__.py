"""Transfer learning for image classification with Keras 3 on TensorFlow."""

import importlib
from typing import Any

# Public name → where it lives. Imported on first use: TensorFlow takes seconds.
_PUBLIC = {
    "Config": "tl_keras.config",
    "TlKerasError": "tl_keras.errors",
    "check": "tl_keras.preparation",
    "train": "tl_keras.pipeline",
    "find_learning_rate": "tl_keras.learning_rate",
    "resume": "tl_keras.pipeline",
    "evaluate": "tl_keras.assessment",
    "learning_curve": "tl_keras.studies.learning_curve",
    "compare": "tl_keras.studies.comparison",
    "cross_validate": "tl_keras.studies.cross_validation",
    "explain": "tl_keras.explaining",
    "report": "tl_keras.reporting",
    "load": "tl_keras.pipeline",
    "build": "tl_keras.architectures.names",
    "list_architectures": ("tl_keras.architectures.names", "names"),
    "load_backbone": ("tl_keras.backbones.catalogue", "load"),
    "list_backbones": ("tl_keras.backbones.catalogue", "names"),
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras' has no attribute {name!r}")
    place = _PUBLIC[name]
    module, attribute = (place, name) if isinstance(place, str) else place
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    """Returns the public names."""
    return __all__
