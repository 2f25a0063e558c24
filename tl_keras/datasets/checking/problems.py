"""The kinds of problem that files have: what each says, and what is done about it."""

from dataclasses import dataclass

from tl_keras.errors import UsageError
from tl_keras.registry import lookup
from tl_keras.sections import Data

# From the mildest to the one that decides where a file has several problems.
POLICIES = ("warn", "convert", "skip", "error")
# Where there are no pixels, a warning would not help.
WITHOUT_PIXELS = ("error", "skip")
CONVERTIBLE = ("error", "skip", "convert")
WITH_PIXELS = ("error", "skip", "warn")


@dataclass(frozen=True)
class Kind:
    """A kind of problem.

    Attributes:
        says: What is wrong, for a person; `{}` stands for the detail of a file.
        cure: What to do about it.
        default: Policy where the config says nothing.
        allowed: Policies that make sense.
    """

    says: str
    cure: str
    default: str = "error"
    allowed: tuple[str, ...] = WITHOUT_PIXELS

    def reason(self, detail: str) -> str:
        """Returns what is wrong with one file, and the cure."""
        return f"{self.says.format(detail)}: {self.cure}"


KINDS = {
    # What cannot be decoded.
    "empty": Kind("the file is empty", "copy it again"),
    "not_image": Kind("not an image but {}", "remove it"),
    "unsupported": Kind(
        "{} is not read in training", "convert it to PNG", allowed=CONVERTIBLE
    ),
    "damaged": Kind("{}", "copy it again", allowed=CONVERTIBLE),
    "unconverted": Kind("cannot be converted ({})", "convert it by other means"),
    "unreadable": Kind("cannot be opened ({})", "mend or remove it"),
    "bad_name": Kind("its name is no Unicode", "rename it"),
    "enormous": Kind("{}", "make it smaller"),
    "crash": Kind("crashes the decoder ({})", "remove it, or save it anew"),
    "slow": Kind("takes the decoder more than {}", "remove it, or save it anew"),
    # What would be decoded to wrong pixels. Converted is only what prediction and the
    # export refuse: of the others they would see another picture than training.
    "damaged_jpeg": Kind(
        "the JPEG is damaged inside ({})", "copy it again", allowed=WITH_PIXELS
    ),
    "palette_bmp": Kind(
        "BMP with a palette cannot be decoded rightly",
        "convert it to PNG",
        allowed=CONVERTIBLE,
    ),
    "animated_webp": Kind(
        "animated WebP cannot be decoded rightly",
        "convert it to PNG",
        allowed=CONVERTIBLE,
    ),
    "transparent_gif": Kind(
        "transparent GIF cannot be decoded rightly",
        "convert it to PNG",
        allowed=CONVERTIBLE,
    ),
    "turned": Kind(
        "its EXIF orientation {} would be ignored",
        "save it upright",
        allowed=WITH_PIXELS,
    ),
    "dark_sixteen_bit": Kind(
        "16-bit picture that uses {} of 256 levels of its upper byte",
        "save it with 8 bits",
        allowed=WITH_PIXELS,
    ),
    # What is decoded rightly, and odd.
    "sixteen_bit": Kind(
        "16-bit picture", "its upper bytes are taken", "warn", WITH_PIXELS
    ),
    "extension": Kind("{}", "the content counts", "warn", WITH_PIXELS),
    "animation": Kind("{} frames", "the first one is taken", "warn", WITH_PIXELS),
    "tiny": Kind("only {} pixels", "is it a real picture?", "warn", WITH_PIXELS),
    "extreme_shape": Kind(
        "{} pixels", "squares made of it show little", "warn", WITH_PIXELS
    ),
    "blank": Kind("one colour all over", "is anything in it?", "warn", WITH_PIXELS),
    "link_out": Kind(
        "a link out of the folder, to {}", "is it meant?", "warn", WITH_PIXELS
    ),
    # What shows where files are compared.
    "conflict": Kind(
        "the same picture as {}", "two labels: one is wrong", "warn", WITH_PIXELS
    ),
    "leak": Kind(
        "the same picture as {}",
        "it is in two splits: remove one",
        allowed=WITH_PIXELS,
    ),
}


def policy(kind: str, data: Data) -> str:
    """Returns what is done about a kind of problem.

    Args:
        kind: A key of `KINDS`.
        data: Its `problems` come first; then `bad_files`, for what is an error by
            default; then the kind's default.

    Returns:
        One of `POLICIES`.
    """
    if kind in data.problems:
        return data.problems[kind]
    known = KINDS[kind]
    if known.default != "error":
        return known.default
    return data.bad_files if data.bad_files in known.allowed else "error"


def require_known(policies: dict[str, str]) -> None:
    """Refuses policies of unknown kinds, and such that make no sense.

    Raises:
        UsageError: If there is one.
    """
    for name, chosen in policies.items():
        kind = lookup(KINDS, name, "kind of problem")
        if chosen not in kind.allowed:
            raise UsageError(
                f"data.problems: {name} cannot be {chosen!r}. "
                f"Possible: {', '.join(kind.allowed)}."
            )
