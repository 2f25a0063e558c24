"""A folder of photographs with everything wrong that is wrong with real ones."""

from dataclasses import dataclass, field, replace

import numpy as np
import skimage.data
from PIL import Image, ImageEnhance

from tl_keras.datasets.checking.findings import Facts, Findings, Problem
from tl_keras.datasets.manifest import Manifest, Row

SUBJECTS = {"cat": "chelsea", "coffee": "coffee", "rocket": "rocket"}
COUNTS = {"cat": 34, "coffee": 21, "rocket": 10}


@dataclass(frozen=True)
class Kind:
    """As much of a row of `problems.KINDS` as a report takes."""

    says: str
    cure: str
    default: str = "error"
    allowed: tuple = ("error", "skip")


ANY = ("error", "skip", "convert")
USED = ("error", "skip", "warn")
KINDS = {
    "damaged": Kind("{}", "copy it again"),
    "not_image": Kind("not an image but {}", "remove it"),
    "empty": Kind("the file is empty", "copy it again"),
    "animated_webp": Kind("animated WebP", "convert it to PNG", allowed=ANY),
    "palette_bmp": Kind("BMP with a palette", "convert it to PNG", allowed=ANY),
    "unsupported": Kind("{} is not read", "convert it to PNG", allowed=ANY),
    "extension": Kind("{}", "the content counts", "warn", USED),
    "tiny": Kind("only {} pixels", "is it a real picture?", "warn", USED),
    "extreme_shape": Kind("{} pixels", "little will be seen", "warn", USED),
    "conflict": Kind("the same picture as {}", "one is wrong", "warn", USED),
}
SCRIPT = "<script>alert(1)</script>"
ODD_NAMES = (
    "<img src=x onerror=alert(1)>.jpg",
    "two\nlines.jpg",
    "red\x1b[31m and \u202egpj.jpg",
    "Katze im Schrank — 猫 🐈 (Kopie 2).jpg",
    "a" * 200 + ".jpg",
)


@dataclass
class Mess:
    """A messy folder, and what a check must say about it."""

    root: object
    problems: list = field(default_factory=list)
    copies: list = field(default_factory=list)
    look_alikes: list = field(default_factory=list)
    conflicts: list = field(default_factory=list)


def draw(root, seed=0, counts=None):
    """Writes the folder.

    Args:
        root: A folder that does not exist yet.
        seed: Another seed cuts other photographs out.
        counts: Photographs of each class; `None` takes `COUNTS`.

    Returns:
        The `Mess`.
    """
    random = np.random.default_rng(seed)
    mess = Mess(root)
    for label, many in (counts or COUNTS).items():
        (root / label).mkdir(parents=True)
        for number in range(many):
            _photograph(label, random).save(root / label / f"{number}.jpg", quality=85)
    _damaged(mess, random)
    _unsupported(mess, random)
    _odd(mess, random)
    _alike(mess, random)
    return mess


def _photograph(label, random):
    """Returns a piece of the subject's photograph, of another shape each time."""
    whole = Image.fromarray(getattr(skimage.data, SUBJECTS[label])())
    width, height = whole.size
    wide, high = (int(side * random.uniform(0.4, 0.9)) for side in (width, height))
    left, top = random.integers(width - wide), random.integers(height - high)
    piece = whole.crop((left, top, left + wide, top + high))
    return ImageEnhance.Brightness(piece).enhance(random.uniform(0.7, 1.2))


def _note(mess, path, kind, policy, reason):
    """Notes what a check must say about a file."""
    label = path.split("/")[0]
    problem = Problem(path=path, label=label, kind=kind, reason=reason, policy=policy)
    mess.problems.append(problem)
    return mess.root / path


def _damaged(mess, random):
    """Writes files that nobody can read to their end."""
    whole = (mess.root / "cat" / "0.jpg").read_bytes()
    for number, share in enumerate((0.2, 0.5, 0.8)):
        reason = "the JPEG is damaged or cut off"
        path = _note(mess, f"cat/cut {number}.jpg", "damaged", "error", reason)
        path.write_bytes(whole[: int(len(whole) * share)])
    texts = {
        "cat/notes.jpg": "Remember the milk.",
        "coffee/404.png": "<html>404</html>",
    }
    for name, text in texts.items():
        reason = "not an image but text: remove it"
        _note(mess, name, "not_image", "error", reason).write_text(text)
    path = _note(mess, "rocket/nothing.jpg", "empty", "skip", "the file is empty")
    path.write_bytes(b"")


def _unsupported(mess, random):
    """Writes files that TensorFlow would decode wrongly, or not at all."""
    pictures = [_photograph("coffee", random).resize((300, 200)) for _ in range(3)]
    reason = "animated WebP cannot be decoded rightly"
    path = _note(mess, "coffee/moving.webp", "animated_webp", "convert", reason)
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    reason = "BMP with a palette cannot be decoded rightly"
    path = _note(mess, "coffee/palette.bmp", "palette_bmp", "convert", reason)
    pictures[0].quantize(32).save(path)
    path = _note(mess, "rocket/scan.tif", "unsupported", "error", "TIFF is not read")
    _photograph("rocket", random).save(path)


def _odd(mess, random):
    """Writes files that can be used, but surprise."""
    sideways = Image.Exif()
    sideways[0x0112] = 6
    for number in range(4):
        path = mess.root / "rocket" / f"phone {number}.jpg"
        _photograph("rocket", random).save(path, exif=sideways)
    for name in ODD_NAMES:
        _photograph("cat", random).save(mess.root / "cat" / name)
    reason = "a PNG by its content, named .jpg"
    path = _note(mess, "cat/really a.jpg", "extension", "warn", reason)
    _photograph("cat", random).save(path, "PNG")
    picture = _photograph("coffee", random)
    faded = Image.linear_gradient("L").resize(picture.size)
    picture.putalpha(faded)
    picture.save(mess.root / "coffee" / "faded.png")
    picture.convert("CMYK").save(mess.root / "coffee" / "print.jpg")
    path = _note(mess, "coffee/dot.png", "tiny", "warn", "1x1 pixels")
    Image.new("RGB", (1, 1), (90, 60, 30)).save(path)
    path = _note(mess, "coffee/strip.png", "extreme_shape", "warn", "900x20 pixels")
    picture.convert("RGB").resize((900, 20)).save(path)


def _alike(mess, random):
    """Writes copies, look-alikes, and copies under another label."""
    for number in (1, 2):
        copy = f"cat/{number} copy.jpg"
        (mess.root / copy).write_bytes((mess.root / f"cat/{number}.jpg").read_bytes())
        mess.copies.append((f"cat/{number}.jpg", copy))
    burst = ["coffee/3.jpg"]
    for quality in (30, 55):
        burst.append(f"coffee/3 at {quality}.jpg")
        with Image.open(mess.root / burst[0]) as image:
            image.save(mess.root / burst[-1], quality=quality)
    mess.look_alikes.append(tuple(burst))
    pair = ("cat/4.jpg", "rocket/saved.jpg")
    for path in pair:
        reason = "the same picture as another: one is wrong"
        _note(mess, path, "conflict", "warn", reason)
    (mess.root / pair[1]).write_bytes((mess.root / pair[0]).read_bytes())
    mess.conflicts.append(pair)


def findings(mess, **changes):
    """Returns what a check would find, without checking.

    Args:
        mess: The folder.
        **changes: Fields of `Findings` that are to be otherwise.
    """
    lost = {one.path for one in mess.problems if one.policy in ("error", "skip")}
    rows, facts = [], {}
    for path in sorted(mess.root.rglob("*.*")):
        name = path.relative_to(mess.root).as_posix()
        size = path.stat().st_size
        try:
            with Image.open(path) as image:
                known = _facts(image, size)
                # The formats that count are sideways or upright.
                shape = image.size[::-1] if known.orientation > 4 else image.size
                facts[name] = known
        except OSError:
            continue
        if name not in lost:
            row = Row(path=name, label=name.split("/")[0], pixels=name)
            rows.append(replace(row, width=shape[0], height=shape[1]))
    found = Findings(
        manifest=Manifest(mess.root, tuple(rows)),
        total=len(rows) + len(lost),
        problems=tuple(mess.problems),
        facts=facts,
        copies=tuple(mess.copies),
        look_alikes=tuple(mess.look_alikes),
        conflicts=tuple(mess.conflicts),
    )
    return replace(found, **changes)


def _facts(image, size):
    """Returns the facts of an open image."""
    return Facts(
        format=image.format,
        mode=image.mode,
        orientation=image.getexif().get(0x0112, 1),
        frames=getattr(image, "n_frames", 1),
        bytes=size,
        transparent=image.has_transparency_data,
    )


def dealt(manifest):
    """Returns the images with a split each, every seventh for test, and so on."""
    order = ("train",) * 5 + ("validation", "test")
    rows = [
        replace(row, split=order[number % 7])
        for number, row in enumerate(manifest.rows)
    ]
    return manifest.with_rows(rows)


def mended(found):
    """Returns the findings once everything that was an error is left out."""
    problems = [
        replace(one, policy="skip" if one.policy == "error" else one.policy)
        for one in found.problems
    ]
    return replace(found, problems=tuple(problems))
