"""Freed memory stays with the process."""

import subprocess
import sys

import pytest

# Prints the pages that the kernel had to clear for 20 arrays of 8 MiB, one at a time.
PROGRAM = """
import resource
import numpy as np
from tl_keras.training.memory import keep_freed
{before}
np.ones(1 << 20)
start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(1 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)
"""


def cleared_pages(before, **environment):
    # With huge pages there are 500 times fewer, where the kernel has some left.
    environment["NUMPY_MADVISE_HUGEPAGE"] = "0"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return int(done.stdout)


# A data set that is fed by a generator, as those of the loop are.
FED = """
import tensorflow as tf
signature = tf.TensorSpec(())
data = tf.data.Dataset.from_generator(lambda: iter([0.0]), output_signature=signature)
keep_freed()
list(data)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own")
def test_freed_arrays_are_used_again():
    mapped = {"MALLOC_MMAP_THRESHOLD_": str(1 << 17)}
    without = cleared_pages("", **mapped)
    assert cleared_pages("keep_freed()") < without / 5
    # TensorFlow's own setting comes first, whatever the process does later.
    assert cleared_pages(FED) < without / 5
    # The user's setting stands.
    assert cleared_pages("keep_freed()", **mapped) > without / 2
