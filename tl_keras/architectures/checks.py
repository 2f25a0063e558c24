"""What builders refuse before they build a layer."""

from tl_keras.errors import UsageError


def require_size(input_shape: tuple[int, int, int], minimum: int, name: str) -> None:
    """Refuses images that would shrink to nothing inside the network.

    Args:
        input_shape: `(height, width, channels)`.
        minimum: Smallest side that works.
        name: The architecture's name, for the message.

    Raises:
        UsageError: If `input_shape` is no such triple, or a side is below `minimum`.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise UsageError(
            "`input_shape` must be (height, width, channels), each at least 1. "
            f"Received: {input_shape}"
        )
    if min(input_shape[:2]) < minimum:
        raise UsageError(
            f"`input_shape` must be at least {minimum}x{minimum} for {name}. "
            f"Received: {input_shape}"
        )


def require_classes(num_classes: int | None) -> None:
    """Refuses a number of classes below 1; `None` builds a backbone.

    Raises:
        UsageError: If `num_classes` is below 1.
    """
    if num_classes is not None and num_classes < 1:
        raise UsageError(
            f"`num_classes` must be at least 1, or None. Received: {num_classes}"
        )
