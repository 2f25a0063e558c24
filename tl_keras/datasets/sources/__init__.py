"""Where labelled images come from: one file a kind of source."""

from tl_keras.datasets.sources.finding import (
    Source,
    find,
    require_two_classes,
    title,
)

__all__ = ["Source", "find", "require_two_classes", "title"]
