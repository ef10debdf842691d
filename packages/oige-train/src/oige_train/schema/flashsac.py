"""``train.params.config`` and ``train.params.network`` of FlashSAC; keys that SAC also has have its names."""

from dataclasses import dataclass

from oige_core.config.schema import check_choice, check_positive
from oige_core.errors import ConfigError

from oige_train.schema.learner import CONFIG, AlgoConfig

__all__ = ["FlashSacConfig", "FlashSacNetworkConfig", "ResidualConfig"]


@dataclass(kw_only=True)
class ResidualConfig:
    """Residual blocks.

    Attributes:
        units: number of features; the inner layer of a block has four times as many.
        blocks: number of blocks.
    """

    units: int
    blocks: int

    def __post_init__(self) -> None:
        for key in ("units", "blocks"):
            check_positive(f"train.params.network: {key}", getattr(self, key))


@dataclass(kw_only=True)
class FlashSacNetworkConfig:
    """The networks of FlashSAC. Their activations and initial weights are fixed, because weights have unit norm.

    Attributes:
        name: architecture; always ``flashsac``.
        actor: blocks of the policy.
        critic: blocks of each of the two critics.
        bins: number of bins of the distribution of returns that a critic estimates.
    """

    name: str
    actor: ResidualConfig
    critic: ResidualConfig
    bins: int

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ConfigError(f"train.params.network.bins={self.bins}: expected a number of at least 2.")

    def summary(self) -> str:
        """Return the sizes for the headline of a run."""
        actor, critic = (f"{part.blocks} × {part.units}" for part in (self.actor, self.critic))
        return f"{actor}, critics {critic} (residual blocks × units)"


@dataclass(kw_only=True)
class FlashSacConfig(AlgoConfig):
    """``train.params.config`` of FlashSAC.

    Attributes:
        batch_size: number of transitions per gradient step.
        replay_buffer_size: number of transitions in the replay buffer, which is on the device of the learner.
        save_replay_buffer: also save the replay buffer with periodic checkpoints: True, False, or ``auto``, if the
            learner is on the CPU, where a run that is resumed with it continues exactly.
        n_step: control steps from the first to the last state of a transition.
        num_steps_per_episode: control steps per epoch.
        num_updates_per_step: number of gradient steps per control step of all worlds.
        num_warmup_frames: environment steps, over all worlds, of random actions at the start.
        learning_rate: initial learning rate of actor and critics.
        final_learning_rate: rate at ``max_epochs`` or ``max_frames``, which is reached on half a cosine; without such a
            limit, the rate stays.
        alpha_lr: learning rate of the temperature, which does not fall.
        critic_tau: fraction by which target critics follow the critics in each gradient step.
        policy_frequency: number of gradient steps of the critics per gradient step of the actor.
        init_alpha: initial temperature of the entropy term.
        target_deviation: the temperature is learned for the entropy that independent actions of this standard
            deviation have.
        return_limit: rewards are divided so that discounted returns stay within ±return_limit, the range of the bins.
        noise_exponent: exploration noise is kept for n control steps with a probability proportional to n to the power
            of minus this number.
        noise_longest: largest number of control steps for which noise is kept.
        action_bound: actions lie in ±action_bound; at most ``clipActions`` of the task.
        symmetry_augmentation: replace transitions of each batch by their images under the symmetries that the task
            declares, the same number by each; as many stay.
        graphs: run the learner as CUDA graphs: ``auto`` on CUDA, True (an error elsewhere) or False.
    """

    batch_size: int
    replay_buffer_size: int
    learning_rate: float
    final_learning_rate: float
    alpha_lr: float
    init_alpha: float
    num_steps_per_episode: int
    num_updates_per_step: int
    num_warmup_frames: int
    n_step: int = 1
    critic_tau: float = 0.01
    policy_frequency: int = 2
    target_deviation: float = 0.15
    return_limit: float = 5.0
    noise_exponent: float = 2.0
    noise_longest: int = 16
    action_bound: float = 1.0
    symmetry_augmentation: bool = False
    graphs: str = "auto"
    save_replay_buffer: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in (
            "batch_size",
            "replay_buffer_size",
            "n_step",
            "num_steps_per_episode",
            "num_updates_per_step",
            "learning_rate",
            "final_learning_rate",
            "alpha_lr",
            "policy_frequency",
            "init_alpha",
            "target_deviation",
            "return_limit",
            "noise_longest",
            "action_bound",
        ):
            check_positive(f"{CONFIG}.{key}", getattr(self, key))
        for key in ("num_warmup_frames", "noise_exponent"):
            check_positive(f"{CONFIG}.{key}", getattr(self, key), zero=True)
        for key in ("graphs", "save_replay_buffer"):
            check_choice(f"{CONFIG}.{key}", getattr(self, key), ("auto", "True", "False"))
        if not 0 < self.critic_tau <= 1:
            raise ConfigError(f"{CONFIG}.critic_tau={self.critic_tau}: expected a number above 0 and at most 1.")
        if self.replay_buffer_size < self.n_step * self.num_actors:
            raise ConfigError(
                f"{CONFIG}.replay_buffer_size={self.replay_buffer_size}: expected at least n_step × num_envs = "
                f"{self.n_step * self.num_actors}."
            )
        if self.weight_decay:
            raise ConfigError(f"{CONFIG}.weight_decay={self.weight_decay}: expected 0; weights have unit norm instead.")
        if self.normalize_input:
            raise ConfigError(
                f"{CONFIG}.normalize_input=True: expected False; the first layer normalises batches of observations."
            )
