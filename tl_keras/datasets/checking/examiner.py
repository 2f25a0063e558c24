"""The process that examines files with the decoder of training."""

import tensorflow as tf
from PIL import Image

from tl_keras.datasets.checking import looks
from tl_keras.datasets.checking.examination import decoder, examine
from tl_keras.datasets.checking.findings import Facts
from tl_keras.datasets.checking.serving import serve


def main() -> None:
    """Examines the files that the parent process names."""
    serve(examine, _warm_up)


def _warm_up() -> None:
    """Prepares the libraries and loads what is loaded at first use."""
    # Phone cameras pass Pillow's limit; ours is checked by the header.
    Image.MAX_IMAGE_PIXELS = None
    # There is a process a core.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    pixels = decoder()(tf.io.encode_png(tf.zeros((8, 8, 3), tf.uint8))).numpy()
    looks.result_of(b"", Facts(), pixels, {})
