"""Every kind of file gets the words, the policy and the pixels that it must."""

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bad_files import FILES, JPEG, PNG, gradient, noise, png, saved
from PIL import Image

from tl_keras.datasets import sources
from tl_keras.datasets.checking import children, examination
from tl_keras.datasets.checking.check import check, tell
from tl_keras.datasets.checking.children import Crew
from tl_keras.datasets.checking.findings import NAMED_FILES, Facts
from tl_keras.datasets.checking.limits import Limits
from tl_keras.datasets.checking.problems import KINDS
from tl_keras.datasets.images import decode
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.errors import DataError, UsageError
from tl_keras.sections import Data

TESTS = Path(__file__).parent.parent


def place(folder):
    """Writes all files of the table, and what is no plain file, into two classes."""
    red = folder / "red"
    (red / "deep").mkdir(parents=True)
    (folder / "good").mkdir()
    (folder / ".git").mkdir()
    noise(5).save(folder / "good" / "fine.png")
    noise(6).save(folder.parent / "outside.png")
    for name, file in FILES.items():
        (red / name).write_bytes(file.content)
    (red / "gone.png").symlink_to(folder / "nowhere.png")
    (red / "loop.png").symlink_to("loop.png")
    (red / "out.png").symlink_to(folder.parent / "outside.png")
    (red / "inner.png").symlink_to("plain.png")
    os.mkfifo(red / "pipe.png")
    for name in (".hidden.png", "._plain.png", "Thumbs.db"):
        (red / name).write_bytes(PNG)
    (folder / ".git" / "plain.png").write_bytes(PNG)
    (red / "deep" / "below.png").write_bytes(PNG)
    with open(os.fsencode(red) + b"/B\xe4r.png", "wb") as file:
        file.write(PNG)


# What is no plain file, and the kinds of problem that must be named.
PLACED = {
    "gone.png": ("unreadable",),
    "loop.png": ("unreadable",),
    "out.png": ("link_out",),
    "inner.png": (),
    "pipe.png": ("unreadable",),
    "deep/below.png": (),
    "B\\udce4r.png": ("bad_name",),
}
EXPECTED = {name: file.kinds for name, file in FILES.items()} | PLACED
ALIVE = [
    name
    for name, kinds in EXPECTED.items()
    if all(KINDS[kind].default == "warn" for kind in kinds)
]


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """What a check finds in all files, in one pass."""
    folder = tmp_path_factory.mktemp("all") / "photos"
    place(folder)
    return check(sources.find(folder), Data(cache_dir=str(folder.parent / "cache")))


@pytest.fixture(scope="module")
def problems(findings):
    """The problems of each file of the class `red`."""
    found = {name: [] for name in EXPECTED}
    for problem in findings.problems:
        found[problem.path.removeprefix("red/")].append(problem)
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_problems_of_a_file_are_named(problems, name):
    assert tuple(problem.kind for problem in problems[name]) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_problem_has_the_policy_of_its_kind(problems, name):
    wrong = [p for p in problems[name] if p.policy != KINDS[p.kind].default]
    assert wrong == []


@pytest.mark.parametrize("name", EXPECTED)
def test_reason_is_short_and_without_tensorflows_inner_names(problems, name):
    inner = re.compile(r"\{\{|node|Op:|0x[0-9a-f]{6}|b'|\n")
    assert not [p for p in problems[name] if inner.search(p.reason)]


def test_images_that_decode_rightly_are_kept_and_no_others(findings):
    kept = {row.path for row in findings.manifest.rows} - {"good/fine.png"}
    assert kept == {f"red/{name}" for name in ALIVE}


def test_what_computers_leave_in_folders_is_not_looked_at(findings):
    assert findings.total == len(EXPECTED) + 1


def test_warnings_are_in_the_rows(findings):
    odd = {row.path: row.problems for row in findings.manifest.rows if row.problems}
    expected = {f"red/{n}": "|".join(EXPECTED[n]) for n in ALIVE if EXPECTED[n]}
    assert odd == expected


def digest(pixels):
    """Returns the checksum of shape and pixels."""
    height, width, _ = pixels.shape
    shape = f"{height}x{width}:".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(pixels).tobytes()).hexdigest()


@pytest.mark.parametrize(
    "name", [name for name, file in FILES.items() if file.pixels is not None]
)
def test_pixels_are_the_right_ones(findings, name):
    row = next(row for row in findings.manifest.rows if row.path == f"red/{name}")
    file = FILES[name]
    pixels = decode(file.content).numpy() if file.tolerance else file.pixels
    difference = np.abs(pixels.astype(int) - file.pixels).mean()
    assert (row.pixels, difference <= file.tolerance) == (digest(pixels), True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain.jpg", Facts(format="JPEG", mode="RGB", bytes=len(JPEG))),
        ("png_named.jpg", Facts(format="PNG", mode="RGB", bytes=len(PNG))),
    ],
)
def test_facts_are_of_the_content(findings, name, expected):
    assert findings.facts[f"red/{name}"] == expected


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        ("turned_6.jpg", "orientation", 6),
        ("moving.gif", "frames", 3),
        ("moving.webp", "frames", 3),
        ("rgba.png", "transparent", True),
        ("clear_palette.png", "transparent", True),
        ("plain.png", "transparent", False),
        ("cmyk.jpg", "mode", "CMYK"),
        ("one_bit.bmp", "mode", "1"),
        ("photo.tif", "format", "TIFF"),
    ],
)
def test_fact_of_the_header_is_known(findings, name, field, expected):
    assert getattr(findings.facts[f"red/{name}"], field) == expected


REASONS = {
    "photo.tif": "TIFF is not read in training: convert it to PNG",
    "page.jpg": "not an image but HTML: remove it",
    "cut_half.jpg": "the JPEG is damaged or cut off: copy it again",
    "gone.png": "cannot be opened (No such file or directory): mend or remove it",
    "pipe.png": "cannot be opened (no file): mend or remove it",
    "png_named.jpg": "named .jpg, but it is PNG: the content counts",
}


@pytest.mark.parametrize("name", REASONS)
def test_reason_says_what_is_wrong_and_the_cure(problems, name):
    assert problems[name][0].reason == REASONS[name]


def test_file_without_permission_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(PNG)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(examination, "open", refuse, raising=False)
    _, result, _ = examination.examine(str(tmp_path / "a.png"), "", [], Limits())
    assert result.problems == (("unreadable", "Permission denied"),)


@pytest.fixture
def found(squares, config):
    """Returns what a check of the squares finds, with some settings changed."""

    def run(**changes):
        data = config.override(data=changes).data
        return check(sources.find(squares), data)

    return run


def test_bad_file_stops_the_run_and_says_how_to_go_on(squares, found):
    (squares / "red" / "text.jpg").write_text("text")
    with pytest.raises(DataError, match=r"1 file is not usable\..*skip.*:\n  red/text"):
        found().usable()


def test_bad_file_is_left_out_where_it_may_be_skipped(squares, found):
    paths = [row.path for row in sources.find(squares).rows]
    for name in ("text.jpg", "other.png"):
        (squares / "red" / name).write_text("text")
    kept = [row.path for row in found(bad_files="skip").usable().rows]
    assert kept == paths


def test_policy_of_one_kind_of_problem_can_be_set(squares, found):
    (squares / "red" / "empty.png").touch()
    (squares / "red" / "text.png").write_text("text")
    errors = found(problems={"empty": "skip"}).errors
    assert [problem.path for problem in errors] == ["red/text.png"]


def test_unknown_kind_of_problem_is_refused(found):
    with pytest.raises(UsageError, match="Unknown kind of problem 'emty'"):
        found(problems={"emty": "skip"})


def test_odd_image_can_be_made_an_error(squares, found):
    Image.new("RGB", (9, 9)).save(squares / "red" / "blank.png")
    assert [p.kind for p in found(problems={"blank": "error"}).errors] == ["blank"]


def test_files_left_out_are_named(squares, found, capsys):
    (squares / "red" / "text.jpg").write_text("text")
    tell(found(bad_files="skip"))
    expected = "1 file is left out:\n  red/text.jpg: not an image"
    assert expected in capsys.readouterr().err


def test_odd_files_are_named(squares, found, capsys):
    Image.new("RGB", (9, 9)).save(squares / "red" / "blank.png")
    tell(found())
    expected = "Warning: 1 file is odd:\n  red/blank.png: one colour all over"
    assert expected in capsys.readouterr().err


def test_long_list_of_bad_files_is_cut(squares, found):
    for number in range(NAMED_FILES + 3):
        (squares / "red" / f"bad{number}.png").write_text("x")
    with pytest.raises(DataError) as error:
        found().usable()
    lines = str(error.value).splitlines()
    assert (len(lines), lines[-1]) == (NAMED_FILES + 2, "  … and 3 more")


def test_class_that_is_lost_by_skipping_is_named(squares, found):
    (squares / "grey").mkdir()
    (squares / "grey" / "text.jpg").write_text("text")
    with pytest.raises(DataError, match="No image can be used in class grey"):
        found(bad_files="skip").usable()


def test_checking_keeps_order_labels_and_root(squares, found):
    listed, checked = sources.find(squares), found().manifest
    rows = tuple(Row(path=row.path, label=row.label) for row in checked.rows)
    assert Manifest(checked.root, rows) == listed


def test_copies_are_counted(squares, found, capsys):
    for number in range(3):
        shutil.copy(squares / "red" / "0.png", squares / "red" / f"copy{number}.png")
    tell(found())
    assert "3 images are copies of others" in capsys.readouterr().err


def test_copies_are_found_as_one_group_of_paths(squares, found):
    shutil.copy(squares / "red" / "0.png", squares / "blue" / "wrong.png")
    assert found().copies == (("blue/wrong.png", "red/0.png"),)


def test_picture_under_two_labels_is_named_with_both(squares, found, capsys):
    shutil.copy(squares / "red" / "0.png", squares / "blue" / "wrong.png")
    tell(found())
    expected = "blue/wrong.png (blue) = red/0.png (red)"
    assert expected in capsys.readouterr().err


def test_picture_under_two_labels_is_left_out_where_that_is_asked_for(squares, found):
    shutil.copy(squares / "red" / "0.png", squares / "blue" / "wrong.png")
    rows = found(problems={"conflict": "skip"}).usable().rows
    assert {"blue/wrong.png", "red/0.png"}.isdisjoint(row.path for row in rows)


def with_photograph(squares):
    """Adds a photograph and its JPEG of low quality."""
    import skimage.data

    photo = Image.fromarray(skimage.data.chelsea())
    photo.save(squares / "red" / "photo.png")
    photo.save(squares / "red" / "photo.jpg", quality=40)


def test_look_alikes_are_found(squares, found):
    with_photograph(squares)
    assert found().look_alikes == (("red/photo.jpg", "red/photo.png"),)


def test_look_alikes_are_of_one_group(squares, found):
    with_photograph(squares)
    groups = {row.group for row in found().manifest.rows if "photo" in row.path}
    assert len(groups) == 1 and groups.pop()


def test_look_alikes_are_not_looked_for_where_nobody_wants_them(squares, found):
    with_photograph(squares)
    assert found(near_duplicates=False).look_alikes == ()


def dealt(squares, **splits):
    """Returns the manifest of the squares, some rows with a split of the source."""
    manifest = sources.find(squares)
    return manifest.with_rows(
        Row(path=row.path, label=row.label, split=splits.get(Path(row.path).stem, ""))
        for row in manifest.rows
    )


def test_copy_in_two_splits_of_the_source_is_an_error(squares, config):
    shutil.copy(squares / "red" / "0.png", squares / "red" / "copy.png")
    manifest = dealt(squares, **{"0": "train", "copy": "test"})
    errors = check(manifest, config.data).errors
    assert [(p.kind, p.path) for p in errors] == [("leak", "red/0.png")]


def test_skipping_a_leak_drops_the_training_sides_copy(squares, config):
    shutil.copy(squares / "red" / "0.png", squares / "red" / "copy.png")
    manifest = dealt(squares, **{"0": "train", "copy": "test"})
    data = config.override(data={"problems": {"leak": "skip"}}).data
    lost = {row.path for row in manifest.rows}
    lost -= {row.path for row in check(manifest, data).usable().rows}
    assert lost == {"red/0.png"}


CONVERTIBLE = ("photo.tif", "photo.jp2", "one_bit.bmp", "clear.gif", "moving.webp")


@pytest.fixture
def converted(squares, found):
    """The findings of a check that converts some files."""
    for name in CONVERTIBLE:
        (squares / "red" / name).write_bytes(FILES[name].content)
    (squares / "red" / "photo.heic").write_bytes(FILES["photo.heic"].content)
    return found(bad_files="convert")


def rows_of(findings, name):
    """Returns the rows whose file's name starts as `name` does."""
    stem = Path(name).stem
    return [row for row in findings.manifest.rows if Path(row.path).stem == stem]


def test_converted_file_takes_the_place_of_the_other(converted):
    names = {Path(name).stem for name in CONVERTIBLE}
    rows = [row for row in converted.manifest.rows if Path(row.path).stem in names]
    assert all(row.path.endswith(".png") and Path(row.path).is_file() for row in rows)


def test_converted_file_has_the_right_pixels(converted):
    pixels = {row.pixels for row in rows_of(converted, "photo.tif")}
    assert pixels == {digest(gradient())}


def test_what_cannot_be_converted_is_an_error_with_the_reason(converted):
    reasons = [(p.path, p.kind) for p in converted.errors]
    assert reasons == [("red/photo.heic", "unconverted")]


def test_converted_files_are_named(converted, capsys):
    converted_files = [p.path for p in converted.problems if p.policy == "convert"]
    assert {f"red/{name}" for name in CONVERTIBLE} <= set(converted_files)


def test_other_background_gives_another_file(squares, found):
    (squares / "red" / "a.gif").write_bytes(FILES["clear.gif"].content)
    rows = [
        rows_of(found(bad_files="convert", background=colour), "a")[0].path
        for colour in ((255, 255, 255), (0, 0, 0))
    ]
    assert rows[0] != rows[1]


@pytest.fixture
def examined(monkeypatch):
    """The names of the files that are given to child processes, as they are."""
    names = []
    add = Crew.add

    def noted(crew, task):
        names.append(Path(task.path).name)
        add(crew, task)

    monkeypatch.setattr(Crew, "add", noted)
    return names


def test_no_known_file_is_opened_again(found, examined):
    found()
    examined.clear()
    found()
    assert examined == []


def test_second_check_finds_the_same(squares, found):
    with_photograph(squares)
    (squares / "red" / "moving.gif").write_bytes(FILES["moving.gif"].content)
    assert found() == found()


def test_changed_file_is_examined_anew(squares, found, examined):
    found()
    examined.clear()
    os.utime(squares / "red" / "3.png", (1, 1))
    found()
    assert examined == ["3.png"]


def test_converted_file_is_not_converted_again(squares, found, examined):
    (squares / "red" / "photo.tif").write_bytes(FILES["photo.tif"].content)
    found(bad_files="convert")
    examined.clear()
    found(bad_files="convert")
    assert examined == []


def test_unreadable_file_is_tried_again(squares, found):
    (squares / "red" / "link.png").symlink_to(squares / "red" / "later.png")
    found()
    noise(9).save(squares / "red" / "later.png")
    assert found().errors == ()


# A check whose last file never ends.
KILLED = """
import sys
sys.path.append({tests!r})
from tl_keras.datasets.checking import children
from tl_keras.datasets import sources
from tl_keras.datasets.checking import store
from tl_keras.datasets.checking.check import check, tell
from tl_keras.sections import Data
children.MODULE, store.SECONDS_BETWEEN_WRITES = "saboteur", 0
check(sources.find({folder!r}), Data(cache_dir={cache!r}))
"""


def wait_for(files, folder):
    """Waits at most half a minute until a store knows so many files."""
    for _ in range(300):
        time.sleep(0.1)
        for path in folder.glob("*.sqlite"):
            with contextlib.closing(sqlite3.connect(path)) as database:
                query = "SELECT count(*) FROM files"
                with contextlib.suppress(sqlite3.OperationalError):
                    if database.execute(query).fetchone()[0] >= files:
                        return


def test_killed_check_goes_on_where_it_was(tmp_path, examined, monkeypatch):
    for label in ("a", "b"):
        (tmp_path / "in" / label).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "in" / label / f"{number}.png").write_bytes(b"fine")
    (tmp_path / "in" / "b" / "last.png").write_bytes(b"hang")
    names = dict(folder=str(tmp_path / "in"), cache=str(tmp_path / "cache"))
    script = KILLED.format(tests=str(TESTS), **names)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        stderr=subprocess.DEVNULL,
    )
    wait_for(40, tmp_path / "cache" / "checks")
    process.kill()
    process.wait()
    monkeypatch.setattr(children, "MODULE", "saboteur")
    monkeypatch.setattr(children, "hire", children.Child)
    monkeypatch.setattr(children, "dismiss", children.Child.end)
    (tmp_path / "in" / "b" / "last.png").write_bytes(b"fine")
    check(sources.find(tmp_path / "in"), Data(cache_dir=names["cache"]))
    assert examined == ["last.png"]


def test_interrupted_check_stops(found, monkeypatch):
    def interrupt(items, *_):
        yield next(iter(items))
        raise KeyboardInterrupt

    monkeypatch.setattr("tl_keras.datasets.checking.check.track", interrupt)
    with pytest.raises(KeyboardInterrupt):
        found()


@pytest.mark.slow
def test_size_below_the_limit_is_not_called_enormous(squares, found):
    # A camera of 200 megapixels; the pixels are missing, so that no memory is used.
    (squares / "red" / "large.png").write_bytes(png(16_320, 12_240))
    assert [problem.kind for problem in found().errors] == ["damaged"]


@pytest.mark.slow
def test_picture_of_60_megapixels_is_fine(squares, found):
    y, x = np.mgrid[:6000, :10000].astype(np.uint16)
    Image.fromarray(np.dstack([x // 40, y // 24, (x + y) // 64]).astype(np.uint8)).save(
        squares / "red" / "large.jpg"
    )
    findings = found()
    row = rows_of(findings, "large.jpg")[0]
    assert (row.width, row.height, findings.problems) == (10_000, 6_000, ())


@pytest.mark.slow
def test_true_examiner_survives_what_kills_it(tmp_path, monkeypatch):
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "b").mkdir()
    for name, word in (("fine", b""), ("crash", b"crash"), ("hang", b"hang")):
        (tmp_path / "in" / "a" / f"{name}.png").write_bytes(PNG + word)
    (tmp_path / "in" / "b" / "grow.png").write_bytes(PNG + b"grow")
    (tmp_path / "in" / "b" / "fine.png").write_bytes(saved(noise(), "PNG"))
    start = children.START.replace("{module} import main", "saboteur import real")
    monkeypatch.setattr(children, "START", start.replace("main()", "real()"))
    monkeypatch.setattr(children, "hire", children.Child)
    monkeypatch.setattr(children, "dismiss", children.Child.end)
    monkeypatch.setattr(
        "tl_keras.datasets.checking.check.LIMITS", Limits(seconds=5, bytes=1 << 30)
    )
    data = Data(cache_dir=str(tmp_path / "cache"))
    found = check(sources.find(tmp_path / "in"), data)
    kinds = {Path(problem.path).stem: problem.kind for problem in found.errors}
    assert kinds == {"crash": "crash", "hang": "slow", "grow": "enormous"}


MUTATED = ("plain.jpg", "plain.png", "plain.bmp", "plain.webp", "palette.gif")


def mutated(content, random):
    """Returns a file with a few bytes changed, cut out, or doubled."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 6)):
        place, length = random.integers(len(changed)), random.integers(1, 9)
        deed = random.integers(3)
        if deed == 0:
            changed[place : place + length] = random.bytes(length)
        elif deed == 1 and len(changed) > 20:
            del changed[place : place + length]
        else:
            changed[place:place] = changed[place : place + length]
    return bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATED)
def test_300_mutations_of_a_file_end_or_stop_nothing(tmp_path, name):
    random = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "in" / label).mkdir(parents=True)
        for number in range(150):
            content = mutated(FILES[name].content, random)
            (tmp_path / "in" / label / f"{number}.img").write_bytes(content)
    data = Data(cache_dir=str(tmp_path / "cache"), bad_files="skip")
    found = check(sources.find(tmp_path / "in"), data)
    odd = {"crash", "slow"} & {problem.kind for problem in found.problems}
    assert (found.total, odd) == (300, set())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Checked rows by name: the same picture in several forms, and others."""
    folder = tmp_path_factory.mktemp("some") / "pictures"
    picture, wide = noise(), Image.new("RGB", (8, 2), "white")
    turned = Image.Exif()
    turned[0x0112] = 6
    (folder / "a" / "deep").mkdir(parents=True)
    (folder / "b").mkdir()
    picture.save(folder / "a" / "picture.png")
    picture.save(folder / "a" / "deep" / "again.png", compress_level=0)
    picture.save(folder / "a" / "picture.bmp")
    picture.save(folder / "b" / "picture.webp", lossless=True)
    picture.convert("RGBA").save(folder / "b" / "opaque.png")
    noise(1).save(folder / "b" / "other.png")
    wide.save(folder / "b" / "wide.png")
    Image.new("RGB", (4, 4), "white").save(folder / "b" / "square.png")
    wide.save(folder / "b" / "photo.jpg", exif=turned)
    found = check(sources.find(folder), Data(cache_dir=str(folder.parent / "cache")))
    return {os.path.basename(row.path): row for row in found.manifest.rows}


@pytest.mark.parametrize(
    "name", ["again.png", "picture.bmp", "picture.webp", "opaque.png"]
)
def test_equal_pictures_in_different_files_have_equal_pixels(pictures, name):
    assert pictures[name].pixels == pictures["picture.png"].pixels


def test_different_pictures_have_different_pixels(pictures):
    assert pictures["other.png"].pixels != pictures["picture.png"].pixels


def test_white_pictures_of_different_shapes_are_different(pictures):
    assert pictures["wide.png"].pixels != pictures["square.png"].pixels


def test_pixels_are_the_digest_of_shape_and_bytes(pictures):
    content = b"64x64:" + np.asarray(noise()).tobytes()
    assert pictures["picture.png"].pixels == hashlib.sha256(content).hexdigest()


def test_sha256_is_the_files(pictures):
    content = saved(noise(), "BMP")
    assert pictures["picture.bmp"].sha256 == hashlib.sha256(content).hexdigest()


def test_width_and_height_are_the_pictures(pictures):
    assert (pictures["wide.png"].width, pictures["wide.png"].height) == (8, 2)


def test_width_and_height_are_those_of_the_upright_photo(pictures):
    assert (pictures["photo.jpg"].width, pictures["photo.jpg"].height) == (2, 8)


def icon(colour):
    """Returns a transparent PNG with a square of one colour."""
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[4:9, 4:9] = (*colour, 255)
    return saved(pixels, "PNG")


@pytest.mark.parametrize(
    ("background", "blank"), [((255, 255, 255), False), ((0, 0, 0), True)], ids=str
)
def test_transparent_picture_is_judged_on_the_background_of_training(
    squares, found, background, blank
):
    (squares / "red" / "icon.png").write_bytes(icon((0, 0, 0)))
    problems = found(background=background).problems
    assert ([p.path for p in problems if p.kind == "blank"] != []) == blank


def test_damaged_png_is_not_converted_to_other_pixels(squares, found):
    content = bytearray(saved(gradient(), "PNG"))
    # The last byte of the pixels' checksum: all of them are there.
    content[content.index(b"IEND") - 5] ^= 1
    (squares / "red" / "flipped.png").write_bytes(bytes(content))
    errors = found(bad_files="convert").errors
    assert [(p.path, p.kind) for p in errors] == [("red/flipped.png", "unconverted")]


def test_orientation_is_what_the_decoder_takes_it_for(squares, found):
    content = FILES["turned_6.jpg"].content
    # Pillow does not read this EXIF header; the decoder turns the picture.
    damaged = content.replace(b"MM\0*", b"MM\0X").replace(b"II*\0", b"IIX\0")
    (squares / "red" / "odd.jpg").write_bytes(damaged)
    (row,) = rows_of(found(), "odd.jpg")
    shape = decode(damaged).shape[:2]
    assert (row.orientation, (row.height, row.width)) == (6, tuple(shape))


def test_folder_whose_name_is_no_unicode_is_refused(squares, config):
    root = os.fsencode(squares) + b"/B\xe4r"
    os.makedirs(root)
    for name in ("red", "blue"):
        shutil.move(squares / name, os.fsdecode(root + b"/" + name.encode()))
    errors = check(sources.find(os.fsdecode(root)), config.data).errors
    assert {p.kind for p in errors} == {"bad_name"}


def test_pages_of_a_tiff_are_counted(squares, found):
    pages = saved(noise(), "TIFF", save_all=True, append_images=[noise(1)])
    (squares / "red" / "scan.tif").write_bytes(pages)
    assert "TIFF of 2 pages" in found().errors[0].reason
