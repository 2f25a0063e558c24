"""The process's memory: kept from one training step to the next.

glibc gives every large block back to the kernel when it is freed. TensorFlow frees and
allocates the same tensors in every step on a CPU, and each time the kernel clears their
pages: that cost 5 to 40 % of the time of fine-tuning, as the machine was.

TensorFlow itself undoes such settings: on Python 3.11, the first data set of a process
that is fed by a generator sets the limit from which a block counts as large to 128 KiB
(`ApplyPython311MemoryPatch`, seen in 2.21). So one is run before ours are made.
"""

import ctypes
import os
import sys

import tensorflow as tf

# Of glibc's malloc.h. The first is the largest that it takes.
M_MMAP_THRESHOLD, LARGEST_BLOCK = -3, 32 << 20
M_TRIM_THRESHOLD, KEPT = -1, 1 << 30
OWN_SETTINGS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


def keep_freed() -> None:
    """Lets the process keep up to 1 GiB that it has freed, if its C library is glibc.

    The user's own settings in the environment stand.
    """
    if not sys.platform.startswith("linux") or set(OWN_SETTINGS) & set(os.environ):
        return
    _let_tensorflow_set_its_own()
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def _let_tensorflow_set_its_own() -> None:
    """Runs a data set that is fed by a generator: only the first one sets anything."""
    nothing = tf.data.Dataset.from_generator(
        lambda: iter(()), output_signature=tf.TensorSpec(())
    )
    list(nothing)
