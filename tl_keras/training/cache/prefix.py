"""What the frozen prefix computes, kept on disk: it runs once per image view.

One entry an output and view of a manifest's images. Its name is a digest of
everything that the numbers depend on, so that a stale cache cannot be read: another
weight before the cut, size, cut, augmentation, picture or library version has another
name.

What the numbers depend on no further than in their last bits is not in the name: the
engine and its batch size, which other outputs the network gave in the same pass, and
whether it started from the images or from an earlier cut kept in float32. Every engine
is compared with Keras before it is used; in float16 hardly any of this is left. A cut
kept in float16 is never gone on from: rounded numbers would lead to others, and then
what a run computes would depend on what was in the cache.

Where the last bits count (`exact`) the graph runs, always from the images, and gives
all outputs that were asked for at once, whichever are missing; the name holds them too.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tl_keras.backbones.backbone import Backbone
from tl_keras.datasets import augmentation, batches, unchanged
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.errors import DataError
from tl_keras.sections import Augment, Cache
from tl_keras.training.cache import networks, passes, store, together
from tl_keras.training.cache.checksums import missing
from tl_keras.training.cache.entry import Entry, Facts
from tl_keras.training.cache.inputs import Images, Inputs, Maps
from tl_keras.training.cache.passes import Job
from tl_keras.training.cache.rows import Rows
from tl_keras.training.distribution.team import Team, current
from tl_keras.training.engines import choice, stored
from tl_keras.training.engines.engine import Engine
from tl_keras.training.heads import FEATURE_MAP

# Change it when the meaning of the files changes.
FORMAT = 4
KEY_LENGTH = 32
# Pooled features are few, and get solved: they are not worth rounding.
POOLED = ("avg", "max")
EXACT = "float32"

# View, and name of the output: a key of `heads.FEATURES`, or what `cut` gives.
Wanted = tuple[int, str]


@dataclass(frozen=True)
class Known:
    """What all entries of some images have in common: found out once a request.

    Attributes:
        digest: Of the images and how they are read.
        weights: Digests of the network's weights, by the number of its first layers.
        images: How many there are.
        what: What they are.
    """

    digest: str
    weights: tuple[str, ...]
    images: int
    what: str


@dataclass(frozen=True)
class PrefixCache:
    """Computes and keeps the outputs of a backbone's frozen part.

    Attributes:
        backbone: The network.
        folder: Where the entries lie.
        square: What the images are made of before the network sees them.
        augment: What the views beyond the plain one are.
        seed: Of these views.
        settings: The config's section.
        exact: Whether the numbers are the same bit for bit, whatever was there before.
    """

    backbone: Backbone
    folder: Path
    square: Square
    augment: Augment = field(default_factory=Augment)
    seed: int = 0
    settings: Cache = field(default_factory=Cache)
    exact: bool = False

    def cut(self, unfreeze: int | float | str) -> str:
        """Returns the output's name of the feature map where the frozen part ends."""
        return f"{networks.CUT}{self.backbone.place_of_cut(unfreeze)}"

    def read(
        self, manifest: Manifest, wanted: Sequence[Wanted], *, what: str
    ) -> dict[Wanted, Rows]:
        """Returns outputs for a manifest's images, computed if they are not there.

        All that is missing is computed in one pass: each image is decoded once.

        Args:
            manifest: The images of one split.
            wanted: Pairs of a view, 0 for the plain images, and an output's name: a
                cut, `(images, height, width, channels)`, or a key of
                `heads.FEATURES`, made of the last feature map.
            what: What the images are, for the progress bar.

        Returns:
            The rows in the manifest's order, by pair.

        Raises:
            DataError: If an image was changed or removed since it was checked.
            StorageError: If the disk cannot hold them.
            UsageError: If a number is too large for `settings.dtype`.
        """
        known = self._known(manifest, what)
        entries = self._entries(known, wanted)
        if not manifest.rows:
            return {one: _none(entry.facts) for one, entry in entries.items()}
        team = current()
        together.compute(
            list(entries.values()),
            team,
            lambda: self._compute(manifest, known, entries, team),
        )
        return {one: entry.rows() for one, entry in entries.items()}

    def fits(self, manifest: Manifest, wanted: Sequence[Wanted]) -> bool:
        """Tells whether the disk has room for what `read` would compute.

        Args:
            manifest: The images of one split.
            wanted: Pairs of a view and an output's name.
        """
        entries = self.entries(manifest, wanted).values()
        needed = sum(entry.needed() for entry in entries)
        return not needed or needed <= store.free_bytes(self.folder)

    def entries(
        self, manifest: Manifest, wanted: Sequence[Wanted], *, what: str = ""
    ) -> dict[Wanted, Entry]:
        """Returns where outputs lie, computed or not.

        Args:
            manifest: The images of one split.
            wanted: Pairs of a view and an output's name.
            what: What the images are.
        """
        return self._entries(self._known(manifest, what), wanted)

    def _entries(self, known: Known, wanted: Sequence[Wanted]) -> dict[Wanted, Entry]:
        """Returns where outputs lie that are asked for at once."""
        beside: dict[int, list[str]] = {}
        for view, output in sorted(wanted):
            beside.setdefault(view, []).append(output)
        return {one: self._entry(known, *one, beside[one[0]]) for one in wanted}

    def _compute(
        self,
        manifest: Manifest,
        known: Known,
        entries: dict[Wanted, Entry],
        team: Team,
    ) -> None:
        """Computes this process's part of what is missing.

        From cuts that are there, or else from images.
        """
        lacking = missing(list(entries.values()))
        shares = [together.own(shards, team) for shards in lacking]
        jobs = [
            Job(*one, entry, shards)
            for (one, entry), shards in zip(entries.items(), shares)
        ]
        views = {job.view for job in jobs if job.shards}
        # A network of fewer outputs may come to other last bits.
        jobs = [job for job in jobs if job.shards or (self.exact and job.view in views)]
        for job in jobs:
            passes.tell_damage(job)
        store.require_space(self.folder, sum(job.entry.needed() for job in jobs))
        sources = {job: self._source(known, job) for job in jobs}
        for source in sorted({name for name in sources.values() if name}):
            chosen = [job for job in jobs if sources[job] == source]
            rows = {
                job.view: self._entry(known, job.view, source).rows() for job in chosen
            }
            self._run(Maps(self.backbone, source, rows), chosen, known.what)
        chosen = [job for job in jobs if not sources[job]]
        if chosen:
            views = tuple(sorted({job.view for job in chosen}))
            images = Images(
                self.backbone, manifest, self.square, self.augment, self.seed, views
            )
            self._run(images, chosen, known.what)
            self._require_unchanged(manifest, chosen)

    def _require_unchanged(self, manifest: Manifest, jobs: list[Job]) -> None:
        """Takes back what was computed of other images than the manifest's.

        Raises:
            DataError: If there are any.
        """
        try:
            unchanged.require(manifest, self.folder.parent, self.square.background)
        except DataError:
            for job in jobs:
                job.entry.forget(job.shards)
            raise

    def _source(self, known: Known, job: Job) -> str:
        """Returns the last output before a job's that is there in full, or nothing."""
        if self.exact or self._dtype(FEATURE_MAP) != EXACT:
            return ""
        depth = networks.depth(self.backbone, job.output)
        names = [*networks.cuts(self.backbone), FEATURE_MAP]
        before = (name for name in names if networks.depth(self.backbone, name) < depth)
        for name in reversed(list(before)):
            entry = self._entry(known, job.view, name)
            if not entry.needed() and not missing([entry])[0]:
                return name
        return ""

    def _run(self, inputs: Inputs, jobs: list[Job], what: str) -> None:
        """Computes jobs in one pass."""
        passes.run(inputs, jobs, self._choose, what=what)

    def _choose(self, model: keras.Model, sample: np.ndarray, total: int) -> Engine:
        """Returns the engine of a network."""
        return choice.choose(
            model,
            sample,
            total=total,
            name=self.settings.engine,
            folder=self.folder.parent / stored.FOLDER,
        )

    def _dtype(self, output: str) -> str:
        """Returns the type in which an output is kept."""
        return EXACT if output in POOLED else self.settings.dtype

    def _known(self, manifest: Manifest, what: str) -> Known:
        """Returns what all entries of a manifest's images have in common."""
        parts = {
            "format": FORMAT,
            "square": asdict(self.square),
            "images": [row.sha256 for row in manifest.rows],
            "versions": [tf.__version__, keras.__version__],
        }
        weights = networks.fingerprints(self.backbone)
        return Known(_digest(parts), weights, len(manifest.rows), what)

    def _entry(
        self, known: Known, view: int, output: str, beside: Sequence[str] = ()
    ) -> Entry:
        """Returns where an output of a view lies, computed beside some others."""
        policy = self.augment.policy
        unmirrored = augmentation.unmirrored(policy, self.augment.flip)
        drawn = [policy, view, self.seed, *(["unmirrored"] if unmirrored else [])]
        parts = {
            "known": known.digest,
            "weights": known.weights[networks.layers_before(self.backbone, output)],
            "output": output,
            "dtype": self._dtype(output),
            "view": drawn if view != batches.PLAIN_VIEW else None,
            **({"exact": list(beside)} if self.exact else {}),
        }
        facts = Facts(
            backbone=self.backbone.name,
            output=output,
            view=view,
            what=known.what,
            images=known.images,
            shape=networks.shape_of(self.backbone, output),
            dtype=self._dtype(output),
        )
        return Entry(self.folder / _digest(parts)[:KEY_LENGTH], facts)


def _digest(parts: dict) -> str:
    """Returns a digest of plain values."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _none(facts: Facts) -> Rows:
    """Returns the rows of no images."""
    return Rows.of(np.zeros((0, *facts.shape), facts.dtype))
