"""What engines keep on the disk: choices and converted networks, as plain files."""

from contextlib import suppress
from pathlib import Path

# Of `data.cache_dir`.
FOLDER = "engines"


def networks(cache_dir: Path) -> list[Path]:
    """Returns the converted networks, the least recently used first.

    Args:
        cache_dir: As `data.cache_dir`.
    """
    aged = []
    for path in (cache_dir / FOLDER).glob("network-*"):
        with suppress(OSError):
            aged.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(aged)]


def size(cache_dir: Path) -> int:
    """Returns the bytes of the converted networks."""
    return sum(map(_bytes, networks(cache_dir)))


def remove(cache_dir: Path, needed: int) -> int:
    """Removes converted networks, the least recently used first.

    Whoever wants one again converts it again, in seconds.

    Args:
        cache_dir: As `data.cache_dir`.
        needed: Bytes to free, or as many as there are.

    Returns:
        The bytes that were freed.
    """
    freed = 0
    for path in networks(cache_dir):
        if freed >= needed:
            break
        took = _bytes(path)
        with suppress(OSError):
            path.unlink()
            freed += took
    return freed


def _bytes(path: Path) -> int:
    """Returns the size of a file, 0 where it is gone by now."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
