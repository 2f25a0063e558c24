"""A process that reads the cache of a small network: to be killed, or one of two.

    python cache_reader.py FOLDER IMAGES PATIENCE

IMAGES is the root of the manifest that lies in FOLDER.

After two shards its engine waits for a file `go` in the folder, PATIENCE seconds at
most. It prints how many inputs it computed, and a digest of what it read.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from conftest import tiny_network

from tl_keras.backbones import catalogue
from tl_keras.backbones.backbone import Backbone
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.training.cache import entry
from tl_keras.training.cache.prefix import PrefixCache
from tl_keras.training.engines import choice

SHARD = 4
WANTED = (0, "avg"), (1, "cut4")


def cache_in(folder):
    """Returns a cache of the small network, the same in every process."""
    keras.utils.set_random_seed(1)
    preprocess = catalogue.CATALOGUE["efficientnet_lite0"].preprocess
    backbone = Backbone("tiny", tiny_network(), preprocess, 32)
    return PrefixCache(backbone, folder / "prefix", Square(side=32))


def slow(folder, patience, computed):
    """Returns a choice of an engine that waits for a file."""
    real = choice.choose

    def choose(*args, **options):
        engine = real(*args, **options)

        def run(inputs):
            end = time.monotonic() + patience
            while sum(computed) >= 4 * SHARD and not (folder / "go").exists():
                assert time.monotonic() < end
                time.sleep(0.02)
            computed.append(len(inputs))
            return engine(inputs)

        run.batch_size = SHARD
        return run

    return choose


def digest_of(found):
    """Returns a digest of all rows that were read."""
    digest = hashlib.sha256()
    for rows in found.values():
        digest.update(np.asarray(rows).tobytes())
    return digest.hexdigest()


def main(folder, root, patience):
    """Reads, and prints what came of it."""
    entry.SHARD, computed = SHARD, []
    choice.choose = slow(folder, patience, computed)
    manifest = Manifest.load(folder / "manifest.csv", root)
    found = cache_in(folder).read(manifest, WANTED, what="all")
    print(json.dumps({"computed": sum(computed), "digest": digest_of(found)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
