"""Four processes with Ray Train, which sets TF_CONFIG itself."""

from ray.train import ScalingConfig
from ray.train.tensorflow import TensorflowTrainer

import tl_keras as tl


def train() -> None:
    """Runs in each process; the chief's run folder is in the shared folder."""
    tl.train(
        "/shared/photos",
        name="photos",
        runs="/shared/runs",
        data={"cache_dir": "/shared/cache"},
    )


trainer = TensorflowTrainer(
    train, scaling_config=ScalingConfig(num_workers=4, use_gpu=True)
)
trainer.fit()
