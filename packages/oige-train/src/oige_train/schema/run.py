"""The root of a training run's configuration."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

from oige_core.config import RunConfig
from oige_core.config.fields import ISAAC_SIM_ONLY, MUJOCO_ONLY, engine_of, unread
from oige_core.config.schema import check_choice, check_positive
from oige_core.errors import ConfigError

from oige_train.schema.train import TrainConfig

__all__ = ["TrainRunConfig"]


@dataclass(kw_only=True)
class TrainRunConfig(RunConfig):
    """The configuration of a training run; ``cfg/oige_train.yaml`` has the defaults and the meanings."""

    train: TrainConfig
    experiment: str = ""
    max_iterations: Any = ""
    rl_device: str = "auto"
    multi_gpu: bool = False
    checkpoint: str = ""
    resume: bool = False
    stop_within: float = 20.0
    evaluation: bool = False
    evaluation_timeout: float = math.inf
    dump_failures: str = field(default="auto", metadata=MUJOCO_ONLY)
    enable_livestream: bool = False
    livestream_host: str = field(default="127.0.0.1", metadata=MUJOCO_ONLY)
    livestream_port: int = field(default=8080, metadata=MUJOCO_ONLY)
    mt_timeout: int = field(
        default=300, metadata=unread("the panel waits for the learner without a limit; leave it out")
    )
    enable_recording: bool = False
    recording_interval: int = 2000
    recording_length: int = 100
    recording_fps: int = 30
    recording_dir: str = ""
    wandb_activate: bool = False
    wandb_group: str = ""
    wandb_name: str = ""
    wandb_entity: str = ""
    wandb_project: str = "oige"
    kit_app: str = field(default="", metadata=ISAAC_SIM_ONLY)
    extras: list[str] = field(default_factory=list, metadata=ISAAC_SIM_ONLY)

    @property
    def is_shown_in_viewer(self) -> bool:
        """Whether the viewer's page is served; Isaac Sim has windows and a stream of its own."""
        return engine_of(self.physics_engine) == "mujoco" and (self.enable_livestream or not self.headless)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.rl_device):
            raise ConfigError(f"rl_device={self.rl_device}: expected auto, cpu or cuda:<number>.")
        check_choice("dump_failures", self.dump_failures, ("auto", "True", "False"))
        for key in ("mt_timeout", "recording_interval", "recording_length", "recording_fps"):
            check_positive(key, getattr(self, key))
        if not self.evaluation_timeout > 0:
            raise ConfigError(
                f"evaluation_timeout={self.evaluation_timeout:g}: expected a number of seconds above 0, or inf."
            )
        check_positive("stop_within", self.stop_within, zero=True)
        if self.recording_length > self.recording_interval:
            raise ConfigError(
                f"recording_length={self.recording_length}: expected at most recording_interval, "
                f"{self.recording_interval}; clips do not overlap."
            )
        if not 0 < self.livestream_port < 65536:
            raise ConfigError(f"livestream_port={self.livestream_port}: expected a number from 1 to 65535.")
