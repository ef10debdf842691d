"""``train.params.config`` of PPO and SAC, with rl_games' keys.

A default is the value that rl_games assumes for a missing key.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from oige_core.config.fields import follows, unread
from oige_core.config.schema import check_choice, check_positive
from oige_core.errors import ConfigError

from oige_train.schema.network import NetworkConfig

__all__ = [
    "CONFIG",
    "AlgoConfig",
    "CentralValueConfig",
    "PlayerConfig",
    "PpoConfig",
    "RewardShaperConfig",
    "SacConfig",
]

CONFIG = "train.params.config"
"""Dotted key of the section with the settings of an algorithm."""
LearningRateSchedule = Literal["adaptive", "linear", "identity", "fixed", "None"]
MAX_NAME = 150  # bytes of a run's name, which is part of file names; file systems allow 255 bytes
NOT_READ = unread("leave it out")


@dataclass(kw_only=True)
class RewardShaperConfig:
    """Shift, scale, clamp and optionally take the logarithm of rewards, in this order, before the learner sees them.

    Attributes:
        scale_value: factor on rewards.
        shift_value: value added before scaling.
        min_val: lower bound after scaling.
        max_val: upper bound after scaling.
        log_val: take the logarithm of the result.
    """

    scale_value: float = 1.0
    shift_value: float = 0.0
    min_val: float = -math.inf
    max_val: float = math.inf
    log_val: bool = False


@dataclass(kw_only=True)
class PlayerConfig:
    """How a policy is played.

    Attributes:
        games_num: number of episodes to play.
        deterministic: take the mean of the policy instead of a sample.
        print_stats: key in old files: print the reward of every episode. ``oige-train`` prints statistics of all.
    """

    games_num: int = 2000
    deterministic: bool = True
    print_stats: bool = field(default=True, metadata=NOT_READ)

    def __post_init__(self) -> None:
        check_positive(f"{CONFIG}.player.games_num", self.games_num)


def _check_file_name(key: str, name: str) -> None:
    """Raise ConfigError unless ``name`` can be part of a file name, which also contains epoch and reward."""
    if name in ("", ".", "..") or re.search(r"[/\\\0-\x1f]", name):
        raise ConfigError(f"{key}={name}: expected a name for files, without / and \\; experiment= sets it.")
    length = len(name.encode("utf-8", "surrogateescape"))
    if length > MAX_NAME:
        raise ConfigError(
            f"{key}={name[:20]}…: expected at most {MAX_NAME} bytes, it has {length}; experiment= sets it."
        )


@dataclass(kw_only=True)
class CentralValueConfig:
    """An asymmetric critic: a separate value network on the privileged states of the task.

    Attributes:
        network: the critic's network.
        learning_rate: learning rate of the critic.
        mini_epochs: number of passes over the samples of an epoch.
        clip_value: clip changes of the value to ``e_clip``, like those of the policy.
        normalize_input: normalise states by their running mean and variance.
        minibatch_size: number of samples per gradient step; must divide ``horizon_length × num_envs``.
        minibatch_size_per_env: the same per world.
        lr_schedule: schedule of the learning rate: linear (falls to 0 at ``max_epochs``), or fixed, None or identity
            (constant); with adaptive, which old files contain, it is constant, too.
        schedule_type: key in old files, which rl_games does not use for the critic.
        kl_threshold: key in old files, which rl_games does not use for the critic.
        truncate_grads: clip gradients to ``grad_norm``.
        grad_norm: maximum norm of the gradients.
        e_clip: range of clipping.
        weight_decay: weight decay of the optimiser.
        mixed_precision: compute in 16 bits where that is safe.
        freeze_critic: do not train the critic; ``freeze_critic`` of PPO must be set, too.
    """

    network: NetworkConfig
    learning_rate: float
    mini_epochs: int
    clip_value: bool
    normalize_input: bool
    minibatch_size: int | None = None
    minibatch_size_per_env: int | None = None
    lr_schedule: LearningRateSchedule | None = None
    schedule_type: Literal["legacy", "standard"] | None = field(default=None, metadata=NOT_READ)
    kl_threshold: float | None = field(default=None, metadata=NOT_READ)
    truncate_grads: bool = False
    grad_norm: float = 1.0
    e_clip: float = 0.2
    weight_decay: float = 0.0
    mixed_precision: bool = False
    freeze_critic: bool = False


@dataclass(kw_only=True)
class AlgoConfig:
    """Keys of ``train.params.config`` that all algorithms share.

    Attributes:
        name: name of the run and of its best checkpoint.
        num_actors: number of worlds.
        full_experiment_name: name of the run's folder; empty: ``name``.
        env_name: name of the environment in rl_games; always ``rlgpu``.
        device: device of the learner.
        device_name: the same, in old files.
        multi_gpu: one learner per process, started by torchrun; follows the root key of the same name.
        max_epochs: epochs after which training ends; -1: no limit.
        max_frames: environment steps, over all worlds, after which training ends; -1: no limit.
        save_best_after: epoch after which the best checkpoint is saved.
        save_frequency: epochs between periodic checkpoints; 0: no periodic checkpoints.
        score_to_win: training ends when the best policy, which is saved from ``save_best_after`` on, has a higher mean
            episode reward.
        stop_at_success: training ends when at least this fraction of the last ``games_to_track`` episodes of this
            start has succeeded, in a task that reports successes.
        games_to_track: number of last episodes in the mean episode reward.
        stagger_episodes: end the worlds' first episodes, and those after early failures, at random steps, so that every
            batch contains all phases of an episode.
        torch_compile: must be False, because compiling takes longer than it saves for these networks.
        mixed_precision: compute in 16 bits where that is safe.
        normalize_input: normalise observations by their running mean and variance.
        value_bootstrap: estimate the return after a truncation by the value of the last state.
        gamma: discount factor per control step.
        weight_decay: weight decay of the optimiser.
        print_stats: print rl_games' own statistics.
    """

    name: str
    num_actors: int
    reward_shaper: RewardShaperConfig = field(default_factory=RewardShaperConfig)
    full_experiment_name: str = ""
    env_name: str = field(default="rlgpu", metadata=NOT_READ)
    device: str = field(default="", metadata=follows("set rl_device instead"))
    device_name: str = field(default="", metadata=follows("set rl_device instead"))
    multi_gpu: bool = field(default=False, metadata=follows("set multi_gpu, without train.params.config., instead"))
    torch_compile: bool = False
    mixed_precision: bool = False
    normalize_input: bool = False
    value_bootstrap: bool = True
    gamma: float = 0.99
    max_epochs: int = -1
    max_frames: int = -1
    save_best_after: int = 100
    save_frequency: int = 0
    score_to_win: float = math.inf
    stop_at_success: float = math.inf
    games_to_track: int = 100
    stagger_episodes: bool = False
    weight_decay: float = 0.0
    print_stats: bool = field(default=True, metadata=NOT_READ)
    player: PlayerConfig = field(default_factory=PlayerConfig)

    def __post_init__(self) -> None:
        _check_file_name(f"{CONFIG}.name", self.name)
        _check_file_name(f"{CONFIG}.full_experiment_name", self.full_experiment_name or self.name)
        if self.torch_compile:
            raise ConfigError(f"{CONFIG}.torch_compile=True: expected False; networks are never compiled.")
        if not 0 <= self.gamma <= 1:
            raise ConfigError(f"{CONFIG}.gamma={self.gamma}: expected a number from 0 to 1.")
        for key in ("num_actors", "games_to_track"):
            check_positive(f"{CONFIG}.{key}", getattr(self, key))
        for key in ("save_best_after", "save_frequency"):
            check_positive(f"{CONFIG}.{key}", getattr(self, key), zero=True)
        if not (0 < self.stop_at_success <= 1 or math.isinf(self.stop_at_success)):
            raise ConfigError(
                f"{CONFIG}.stop_at_success={self.stop_at_success}: expected a number above 0 and at most 1, or .inf to "
                "train to the end."
            )
        for key in ("max_epochs", "max_frames"):
            value = getattr(self, key)
            if value != -1 and value <= 0:
                raise ConfigError(f"{CONFIG}.{key}={value}: expected a number above 0, or -1 for no limit.")


@dataclass(kw_only=True)
class PpoConfig(AlgoConfig):
    """``train.params.config`` of PPO.

    Attributes:
        horizon_length: control steps per world and epoch.
        mini_epochs: number of passes over the samples of an epoch.
        learning_rate: initial learning rate of the optimiser.
        tau: λ of generalised advantage estimation.
        minibatch_size: number of samples per gradient step; must divide ``horizon_length × num_envs``.
        minibatch_size_per_env: the same per world; has no effect if ``minibatch_size`` is set.
        ppo: clip the ratio of probabilities; False: plain actor-critic.
        normalize_value: normalise values by their running mean and variance.
        normalize_advantage: normalise the advantages of an epoch.
        lr_schedule: schedule of the learning rate: adaptive (follows the divergence), linear (falls to 0 at
            ``max_epochs``, which must be set), or fixed, None or identity (constant).
        schedule_type: when an adaptive rate changes: after each gradient step (``legacy``) or pass (``standard``).
        schedule_entropy: decrease ``entropy_coef`` linearly to 0 at ``max_epochs``.
        kl_threshold: target divergence of the adaptive learning rate.
        grad_norm: maximum norm of the gradients.
        truncate_grads: clip gradients to ``grad_norm``.
        entropy_coef: weight of the entropy bonus.
        critic_coef: weight of the critic's loss.
        e_clip: ε; ratios of probabilities are clipped to 1 ± ε.
        clip_value: clip changes of the value to ``e_clip``.
        clip_actions: clamp actions to ±1 before they are scaled to the action space.
        use_smooth_clamp: clip ratios smoothly.
        seq_length: number of steps that a recurrent network is unrolled for; must divide ``horizon_length``.
        zero_rnn_on_done: reset the hidden state at the end of an episode.
        bounds_loss_coef: weight of the bounds loss, a cost of action means outside of the action space.
        bound_loss_type: form of the bounds loss: ``bound`` beyond ±1.1, ``regularisation`` for all means.
        use_experimental_cv: with an asymmetric critic, also train the values of the policy's network.
        use_diagnostics: also log the explained variance and the fraction of clipped ratios.
        freeze_critic: do not train an asymmetric critic: its values keep their scale; ``freeze_critic`` of
            ``central_value_config`` must be set, too.
        epochs_between_resets: epochs between resets of all worlds; 0: no such resets.
        shuffle_minibatches: draw the samples of a minibatch from all worlds and steps of the epoch; False: each
            minibatch has the samples of certain worlds.
        symmetry_augmentation: also train on the images of samples under the symmetries that the task declares.
        graphs: run the learner as CUDA graphs: ``auto`` on CUDA where that is possible, True (an error elsewhere) or
            False.
    """

    horizon_length: int
    mini_epochs: int
    learning_rate: float
    tau: float
    minibatch_size: int | None = None
    minibatch_size_per_env: int | None = None
    ppo: bool = True
    normalize_value: bool = False
    normalize_advantage: bool = True
    lr_schedule: LearningRateSchedule | None = None
    schedule_type: Literal["legacy", "standard"] = "legacy"
    schedule_entropy: bool = False
    kl_threshold: float = 0.008
    grad_norm: float = 1.0
    truncate_grads: bool = False
    entropy_coef: float = 0.0
    critic_coef: float = 1.0
    e_clip: float = 0.2
    clip_value: bool = True
    clip_actions: bool = True
    use_smooth_clamp: bool = False
    seq_length: int = 4
    zero_rnn_on_done: bool = True
    bounds_loss_coef: float = 0.0
    bound_loss_type: Literal["bound", "regularisation"] = "bound"
    use_experimental_cv: bool = True
    use_diagnostics: bool = False
    freeze_critic: bool = False
    epochs_between_resets: int = 0
    shuffle_minibatches: bool = False
    symmetry_augmentation: bool = False
    graphs: str = "auto"
    central_value_config: CentralValueConfig | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("horizon_length", "mini_epochs", "learning_rate", "grad_norm", "seq_length"):
            check_positive(f"{CONFIG}.{key}", getattr(self, key))
        check_positive(f"{CONFIG}.e_clip", self.e_clip)
        for key in ("critic_coef", "entropy_coef", "bounds_loss_coef"):
            check_positive(f"{CONFIG}.{key}", getattr(self, key) or 0.0, zero=True)
        check_choice(f"{CONFIG}.graphs", self.graphs, ("auto", "True", "False"))
        if not 0 <= self.tau <= 1:
            raise ConfigError(f"{CONFIG}.tau={self.tau}: expected a number from 0 to 1.")
        self.lr_schedule = self.lr_schedule or "identity"
        if self.lr_schedule == "fixed":
            self.lr_schedule = "identity"
        if self.schedule_entropy and self.lr_schedule not in ("adaptive", "linear"):
            raise ConfigError(
                f"{CONFIG}.schedule_entropy=True: expected lr_schedule=adaptive or linear, it is {self.lr_schedule}."
            )
        if self.schedule_entropy and self.max_epochs == -1:
            raise ConfigError(
                f"{CONFIG}.schedule_entropy=True: expected max_epochs to be set, at which the coefficient reaches 0."
            )
        self._check_critic()
        if self.minibatch_size is None and self.minibatch_size_per_env is None:
            raise ConfigError(f"{CONFIG}.minibatch_size: a value is required.")
        if self.minibatch_size is not None:
            self.minibatch_size_per_env = None
        for key in ("minibatch_size", "minibatch_size_per_env"):
            if getattr(self, key) is not None:
                check_positive(f"{CONFIG}.{key}", getattr(self, key))

    def _check_critic(self) -> None:
        """Raise ConfigError if settings of schedules and of the asymmetric critic contradict each other."""
        critic = self.central_value_config
        schedules = {"": self.lr_schedule, "central_value_config.": critic.lr_schedule if critic is not None else None}
        for section, schedule in schedules.items():
            if schedule == "linear" and self.max_epochs == -1:
                raise ConfigError(
                    f"{CONFIG}.{section}lr_schedule=linear: expected max_epochs to be set, at which the rate reaches 0."
                )
        if self.freeze_critic and critic is None:
            raise ConfigError(
                f"{CONFIG}.freeze_critic=True: expected False without central_value_config; critic_coef=0 leaves the "
                "values of the policy's network untrained."
            )
        if critic is not None and critic.freeze_critic != self.freeze_critic:
            raise ConfigError(
                f"{CONFIG}.freeze_critic={self.freeze_critic}: expected {critic.freeze_critic}, as in "
                "central_value_config; the network and the scale of its values are frozen together."
            )


@dataclass(kw_only=True)
class SacConfig(AlgoConfig):
    """``train.params.config`` of SAC.

    Attributes:
        batch_size: number of samples per gradient step.
        replay_buffer_size: number of transitions in the replay buffer.
        save_replay_buffer: also save the replay buffer with periodic checkpoints: True, False, or ``auto``, if the
            learner is on the CPU, where a run that is resumed with it continues exactly.
        init_alpha: initial temperature of the entropy term.
        learnable_temperature: learn the temperature.
        actor_lr: learning rate of the actor.
        critic_lr: learning rate of the critics.
        alpha_lr: learning rate of the temperature.
        num_steps_per_episode: control steps per epoch.
        num_updates_per_step: number of gradient steps per control step.
        num_warmup_steps: epochs of random actions at the start.
        num_seed_steps: key in old files, which rl_games does not use.
        num_warmup_frames: the same in environment steps, over all worlds; None: use ``num_warmup_steps``.
        critic_tau: fraction by which target critics follow the critics in each update.
        policy_frequency: number of gradient steps of the critics per gradient step of the actor.
        critic_grad_clip: maximum norm of the critics' gradients.
        target_entropy_coef: target entropy divided by minus the number of actions.
        actor_betas: coefficients β of the actor's Adam.
        critic_betas: coefficients β of the critics' Adam.
        alphas_betas: coefficients β of the temperature's Adam.
    """

    batch_size: int
    replay_buffer_size: int
    init_alpha: float
    learnable_temperature: bool
    actor_lr: float
    critic_lr: float
    alpha_lr: float
    num_steps_per_episode: int = 1
    num_updates_per_step: int = 1
    num_warmup_steps: int = 1000
    num_seed_steps: int = field(default=0, metadata=unread("rl_games does not use it; set num_warmup_steps"))
    num_warmup_frames: int | None = None
    critic_tau: float = 0.005
    policy_frequency: int = 2
    critic_grad_clip: float = 5.0
    target_entropy_coef: float = 1.0
    save_replay_buffer: str = "auto"
    actor_betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    critic_betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    alphas_betas: list[float] = field(default_factory=lambda: [0.9, 0.999])

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in (
            "batch_size",
            "replay_buffer_size",
            "num_steps_per_episode",
            "num_updates_per_step",
            "init_alpha",
            "actor_lr",
            "critic_lr",
            "alpha_lr",
            "policy_frequency",
        ):
            check_positive(f"{CONFIG}.{key}", getattr(self, key))
        for key in ("num_warmup_steps", "num_warmup_frames", "critic_grad_clip"):
            check_positive(f"{CONFIG}.{key}", getattr(self, key) or 0, zero=True)
        check_choice(f"{CONFIG}.save_replay_buffer", self.save_replay_buffer, ("auto", "True", "False"))
        if not 0 < self.critic_tau <= 1:
            raise ConfigError(f"{CONFIG}.critic_tau={self.critic_tau}: expected a number above 0 and at most 1.")
        for key in ("actor_betas", "critic_betas", "alphas_betas"):
            betas = getattr(self, key)
            if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
                raise ConfigError(f"{CONFIG}.{key}={betas}: expected two numbers from 0 to below 1.")
        if self.replay_buffer_size < self.num_actors:
            raise ConfigError(
                f"{CONFIG}.replay_buffer_size={self.replay_buffer_size}: expected at least num_envs={self.num_actors}, "
                "the transitions of one control step."
            )
        if self.weight_decay:
            raise ConfigError(f"{CONFIG}.weight_decay={self.weight_decay}: expected 0; rl_games' SAC has none.")
