"""Typed schema of a training run. Nothing here imports torch."""

from oige_train.schema.learner import (
    ALGORITHMS,
    CONFIG,
    AlgoConfig,
    CentralValueConfig,
    PlayerConfig,
    PpoConfig,
    RewardShaperConfig,
    SacConfig,
    TrainConfig,
    TrainParams,
)
from oige_train.schema.network import (
    CnnConfig,
    ContinuousConfig,
    MlpConfig,
    NamedConfig,
    NetworkConfig,
    RnnConfig,
    SpaceConfig,
)
from oige_train.schema.run import TrainRunConfig

__all__ = [
    "ALGORITHMS",
    "CONFIG",
    "AlgoConfig",
    "CentralValueConfig",
    "CnnConfig",
    "ContinuousConfig",
    "MlpConfig",
    "NamedConfig",
    "NetworkConfig",
    "PlayerConfig",
    "PpoConfig",
    "RewardShaperConfig",
    "RnnConfig",
    "SacConfig",
    "SpaceConfig",
    "TrainConfig",
    "TrainParams",
    "TrainRunConfig",
]
