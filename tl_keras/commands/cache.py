"""`tl-keras cache`: what the frozen networks computed, and the room that it takes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.table import Column, Table

from tl_keras.config import Data
from tl_keras.errors import UsageError

if TYPE_CHECKING:
    from tl_keras.training.cache.store import Removed, Stored


def cache(options: Namespace) -> int:
    """List, remove or prune what frozen networks have computed."""
    if options.action is None:
        raise UsageError(f"Give what to do: {', '.join(ACTIONS)}.")
    run, _ = ACTIONS[options.action]
    return run(options[options.action])


def ls(options: Namespace) -> int:
    """List the entries, the least recently used first, and their size in all."""
    from tl_keras.training.cache import store
    from tl_keras.training.engines import stored

    found = store.entries(_folder(options))
    networks, size = stored.networks(_root(options)), stored.size(_root(options))
    if options.json:
        kept = {
            "entries": [one.as_json() for one in found],
            "size": sum(one.size for one in found),
            "networks": {"count": len(networks), "size": size},
        }
        print(json.dumps(kept, indent=2))
        return 0
    # A narrow terminal must not break the keys apart.
    console = Console(width=max(Console().width, 124), markup=False)
    if found:
        console.print(_table(found))
    total = store.readable(sum(one.size for one in found))
    print(f"Entries: {len(found)}, {total} in {_folder(options)}")
    if networks:
        print(f"Converted networks: {len(networks)}, {store.readable(size)}")
    return 0


def rm(options: Namespace) -> int:
    """Remove entries by their keys, or all of them and the converted networks."""
    from tl_keras.training.cache import store
    from tl_keras.training.engines import stored

    if bool(options.key) == options.all:
        raise UsageError("Give the keys of entries, or --all: see `tl-keras cache ls`.")
    folder = _folder(options)
    if not options.all:
        return _tell(store.remove(folder, options.key))
    removed = store.clear(folder)
    return _tell(removed, stored.remove(_root(options), stored.size(_root(options))))


def prune(options: Namespace) -> int:
    """Remove the least recently used entries until the others fit a size.

    Converted networks count; they go when no entry is left.
    """
    from tl_keras.training.cache import store
    from tl_keras.training.engines import stored

    size, root = store.bytes_of(options.max_size), _root(options)
    removed = store.prune(_folder(options), max(0, size - stored.size(root)))
    left = sum(one.size for one in store.entries(_folder(options)))
    return _tell(removed, stored.remove(root, left + stored.size(root) - size))


def _root(options: Namespace) -> Path:
    """Returns the folder of all that is kept."""
    return Path(options.cache_dir).expanduser()


def _folder(options: Namespace) -> Path:
    """Returns the folder of the entries."""
    from tl_keras.training.cache import store

    return _root(options) / store.FOLDER


def _tell(removed: "Removed", networks: int = 0) -> int:
    """Says what was removed, the bytes of networks too, and what could not be."""
    from tl_keras.training.cache.store import readable

    for key in removed.held:
        print(f"{key} is being computed: left alone")
    print(f"Entries removed: {len(removed.keys)}, {readable(removed.size)} freed")
    if networks:
        print(f"Converted networks removed: {readable(networks)} freed")
    return 1 if removed.held else 0


def _table(found: list["Stored"]) -> Table:
    """Returns a line an entry."""
    from tl_keras.training.cache.store import readable

    right = {"justify": "right"}
    columns = (
        Column("Key", no_wrap=True),
        "Backbone",
        "Output",
        Column("View", **right),
        "Of",
        Column("Images", **right),
        Column("Size", **right),
        "Last used",
        "",
    )
    table = Table(*columns)
    for one in found:
        facts = one.facts
        what = (
            (facts.backbone, facts.output, f"{facts.view}", facts.what)
            if facts
            else ("?",) * 4
        )
        images = f"{facts.images:,}" if facts else "?"
        state = "" if one.complete else "not complete" if facts else "not readable"
        used = f"{one.used:%Y-%m-%d %H:%M}"
        table.add_row(one.key, *what, images, readable(one.size), used, state)
    return table


def add_cache(parser: ArgumentParser) -> None:
    """Declares what `cache` takes."""
    actions = parser.add_subcommands(required=False, dest="action")
    for name, (run, add_arguments) in ACTIONS.items():
        action = type(parser)(
            prog=f"{parser.prog} {name}", description=run.__doc__, allow_abbrev=False
        )
        help = "folder of the computed feature maps, as data.cache_dir"
        action.add_argument("--cache_dir", default=Data().cache_dir, help=help)
        actions.add_subcommand(name, action, help=run.__doc__)
        add_arguments(action)


def _add_ls(parser: ArgumentParser) -> None:
    """Declares what `cache ls` takes."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_rm(parser: ArgumentParser) -> None:
    """Declares what `cache rm` takes."""
    parser.add_argument("key", nargs="*", help="as `tl-keras cache ls` prints them")
    parser.add_argument("--all", action="store_true", help="remove every entry")


def _add_prune(parser: ArgumentParser) -> None:
    """Declares what `cache prune` takes."""
    help = "what may stay, such as 500MB, 10GB or 10GiB"
    parser.add_argument("--max-size", "--max_size", required=True, help=help)


ACTIONS = {"ls": (ls, _add_ls), "rm": (rm, _add_rm), "prune": (prune, _add_prune)}
