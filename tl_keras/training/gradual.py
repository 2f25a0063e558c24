"""Gradual unfreezing: the stages of a backbone train one after another, from the end.

The stages near the head hold what is most particular to the old classes, and the first
ones least (Howard and Ruder, 2018, section 3.3: https://arxiv.org/abs/1801.06146).
"""

import dataclasses

from tl_keras.backbones.backbone import Backbone
from tl_keras.config import FineTune


def trains(phase: FineTune) -> bool:
    """Tells whether there is fine-tuning at all."""
    return phase.unfreeze != 0 and phase.epochs != 0


def steps(backbone: Backbone, phase: FineTune) -> tuple[FineTune, ...]:
    """Returns fine-tuning in its parts, each a phase with a boundary of its own.

    The last stage trains first, then the last two, up to the boundary that is asked
    for: all stages that begin behind it, and what may lie between it and them.

    Args:
        backbone: Its stages are counted.
        phase: What is asked for.

    Returns:
        One part where unfreezing is not gradual, none where nothing trains. The parts
        share the epochs equally, the last one takes what does not divide. Each has one
        epoch at least, be the epochs fewer than the parts.

    Raises:
        UsageError: If the network has no such boundary.
    """
    if not trains(phase):
        return ()
    if not phase.gradual:
        return (phase,)
    boundary = backbone.place_of_cut(phase.unfreeze)
    before = [
        stages
        for stages in range(1, len(backbone.stages) + 1)
        if backbone.place_of_cut(stages) > boundary
    ]
    share = max(1, phase.epochs // (len(before) + 1))
    rest = max(1, phase.epochs - share * len(before))
    first = [
        # Images can grow only where all trains, which is in the last part.
        dataclasses.replace(phase, unfreeze=stages, epochs=share, start_size=None)
        for stages in before
    ]
    return (*first, dataclasses.replace(phase, epochs=rest))
