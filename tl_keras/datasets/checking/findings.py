"""What a check found out about a source: of every file, and of all of them together."""

from dataclasses import dataclass, field

from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import DataError

NAMED_FILES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of an image file.

    Attributes:
        format: By its first bytes: `JPEG`, `PNG`, `GIF`, `BMP`, `WEBP`, ….
        mode: Of its pixels, in Pillow's words: `RGB`, `RGBA`, `L`, `P`, `CMYK`, ….
        orientation: EXIF orientation in 1…8; 1 is upright.
        frames: Pictures in the file.
        bytes: Size of the file.
        transparent: Whether it has transparent pixels to be laid on a colour.
    """

    format: str = ""
    mode: str = ""
    orientation: int = 1
    frames: int = 1
    bytes: int = 0
    transparent: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What is wrong or odd about a file.

    Attributes:
        path: As in the manifest.
        label: Its class.
        kind: Name of the kind of problem, a key of `problems.KINDS`.
        reason: What is wrong, for a person.
        policy: What is done about it: `error`, `skip`, `convert` or `warn`.
    """

    path: str
    label: str
    kind: str
    reason: str
    policy: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that a check found out.

    Attributes:
        manifest: The images that can be used, with checksums, sizes and groups.
        total: Files that were looked at.
        problems: In the order of the files.
        facts: By path, of every file whose header could be read.
        copies: Paths of images with equal pixels, two or more each.
        look_alikes: Paths of images that nearly agree, two or more each.
        conflicts: Paths of images with equal pixels and different labels.
        lost: Classes of which no image can be used.
    """

    manifest: Manifest
    total: int
    problems: tuple[Problem, ...] = ()
    facts: dict[str, Facts] = field(default_factory=dict)
    copies: tuple[tuple[str, ...], ...] = ()
    look_alikes: tuple[tuple[str, ...], ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that must not go into training."""
        return tuple(one for one in self.problems if one.policy == "error")

    def usable(self) -> Manifest:
        """Returns the images that can be used.

        Raises:
            DataError: If there is a problem whose policy is `error`, or a class is
                left without images.
        """
        if self.errors:
            lines = [f"  {one.path}: {one.reason}" for one in self.errors[:NAMED_FILES]]
            left = len(self.errors) - len(lines)
            lines += [f"  … and {left} more"] if left else []
            many = (
                "1 file is"
                if len(self.errors) == 1
                else f"{len(self.errors)} files are"
            )
            raise DataError(
                f"{many} not usable. Remove or convert them, or leave them out "
                f"(bad_files: skip):\n" + "\n".join(lines)
            )
        if self.lost:
            raise DataError(
                f"No image can be used in class {', '.join(self.lost)}. Fill or "
                f"remove it."
            )
        return self.manifest
