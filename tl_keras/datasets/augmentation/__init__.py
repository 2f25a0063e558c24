"""Random changes of training images: the policies, and what they are made of."""

from tl_keras.datasets.augmentation.policies import (
    POLICIES,
    Policy,
    policy,
    unmirrored,
)

__all__ = ["POLICIES", "Policy", "policy", "unmirrored"]
