"""TensorFlow's words for what it cannot decode, made short and plain."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

REFUSED = re.compile(r"[\w ]+ cannot be decoded rightly: convert it to PNG")
KNOWN = {
    "Unknown image file format": "not an image (JPEG, PNG, GIF, BMP and WebP are)",
    "Input is empty": "the file is empty",
    "jpeg::Uncompress failed": "the JPEG is damaged or cut off",
    "Input size should match": "the BMP is damaged or cut off",
    "Invalid PNG": "the PNG is damaged or cut off",
}


def reason(error: "tf.errors.OpError") -> str:
    """Returns TensorFlow's reason in a few words."""
    refused = REFUSED.search(error.message)
    if refused:
        return refused[0]
    # In a graph the reason follows the trace of where the op was made, a line each.
    lines = error.message.split("\t [[")[0].split("\n")
    said = [line for line in lines if line.strip() and not line.startswith("  File")]
    message = said[-1].split("}} ")[-1].split(" [Op:")[0]
    return next((text for key, text in KNOWN.items() if key in message), message[:120])
