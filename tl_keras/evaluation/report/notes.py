"""What is odd about the images of a run, as its manifest knows it."""

from collections import Counter
from collections.abc import Iterator

from tl_keras.datasets.checking.problems import KINDS
from tl_keras.datasets.manifest import LABEL_SEPARATOR, UNUSED, Manifest
from tl_keras.datasets.report import class_counts
from tl_keras.datasets.report.overview import what

# Of the largest class to the smallest; more is said.
UNEVEN = 3
FEW = 10
NAMED = 5
BAD_FILES = {
    "skip": "Files that could not be used were left out",
    "convert": "Files that could not be used as they are were converted to PNG",
}


def of_images(manifest: Manifest, bad_files: str) -> tuple[str, ...]:
    """Returns sentences about the images, the gravest first.

    Args:
        manifest: All images of a run with their splits.
        bad_files: The config's policy for files that cannot be used.
    """
    found = [*_sizes(manifest), *_copies(manifest), *_problems(manifest)]
    if bad_files in BAD_FILES:
        found.append(
            f"{BAD_FILES[bad_files]} (data.bad_files: {bad_files}); `tl-keras check` "
            f"lists them."
        )
    unused = sum(row.split == UNUSED for row in manifest.rows)
    if unused:
        found.append(f"{unused:,} images were left out of training on purpose.")
    return tuple(found)


def _sizes(manifest: Manifest) -> Iterator[str]:
    """Tells of classes that differ much in size, and of small ones."""
    classes = class_counts.by_class((), manifest)
    ratio = class_counts.imbalance(classes)
    if ratio is None or ratio >= UNEVEN:
        largest = max(classes, key=lambda one: one.images)
        smallest = min(classes, key=lambda one: one.images)
        yield (
            f"The classes differ in size: {largest.name} has {largest.images:,} "
            f"images, {smallest.name} {smallest.images:,}."
        )
    few = [one for one in classes if one.splits.get("train", 0) < FEW]
    if few:
        named = [f"{one.name} ({one.splits.get('train', 0)})" for one in few[:NAMED]]
        more = f" and {len(few) - NAMED:,} more" if len(few) > NAMED else ""
        yield (
            f"Classes with fewer than {FEW} training images: {', '.join(named)}{more}."
        )


def _copies(manifest: Manifest) -> Iterator[str]:
    """Tells of pictures that are there more than once."""
    counts = Counter(row.pixels for row in manifest.rows if row.pixels)
    extra = sum(number - 1 for number in counts.values())
    if extra:
        images = "1 image is a copy" if extra == 1 else f"{extra:,} images are copies"
        yield f"{images} of another, pixel by pixel; copies stay in one split."
    labels: dict[str, set[str]] = {}
    for row in manifest.rows:
        labels.setdefault(row.pixels, set()).add(row.label)
    differing = sum(len(some) > 1 for pixels, some in labels.items() if pixels)
    if differing:
        yield (
            f"Pictures that are there with different labels, of which one is wrong: "
            f"{differing:,}."
        )


def _problems(manifest: Manifest) -> Iterator[str]:
    """Tells what the check found odd, by kind, the most frequent first."""
    kinds: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for row in manifest.rows:
        for kind in filter(None, row.problems.split(LABEL_SEPARATOR)):
            kinds[kind] += 1
            examples.setdefault(kind, row.path)
    for kind, images in kinds.most_common():
        said = what(kind, KINDS[kind]) if kind in KINDS else kind
        many = "1 image" if images == 1 else f"{images:,} images"
        yield f"{many}, such as {examples[kind]}: {said}."
