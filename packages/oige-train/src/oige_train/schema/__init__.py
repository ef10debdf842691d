"""Typed schema of a training run. Nothing here imports torch."""

from oige_train.schema.flashsac import FlashSacConfig, FlashSacNetworkConfig, ResidualConfig
from oige_train.schema.learner import (
    CONFIG,
    AlgoConfig,
    CentralValueConfig,
    PlayerConfig,
    PpoConfig,
    RewardShaperConfig,
    SacConfig,
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
from oige_train.schema.train import ALGORITHM_NAMES, ALGORITHMS, TrainConfig, TrainParams, train_sections

__all__ = [
    "ALGORITHMS",
    "ALGORITHM_NAMES",
    "CONFIG",
    "AlgoConfig",
    "CentralValueConfig",
    "CnnConfig",
    "ContinuousConfig",
    "FlashSacConfig",
    "FlashSacNetworkConfig",
    "MlpConfig",
    "NamedConfig",
    "NetworkConfig",
    "PlayerConfig",
    "PpoConfig",
    "ResidualConfig",
    "RewardShaperConfig",
    "RnnConfig",
    "SacConfig",
    "SpaceConfig",
    "TrainConfig",
    "TrainParams",
    "TrainRunConfig",
    "train_sections",
]
