"""The ``network`` section of the learner, with rl_games' keys."""

from dataclasses import dataclass, field
from typing import Any, Literal

from oige_core.config.fields import unread
from oige_core.config.schema import check_positive, check_range
from oige_core.errors import ConfigError, nearest

__all__ = ["CnnConfig", "ContinuousConfig", "MlpConfig", "NamedConfig", "NetworkConfig", "RnnConfig", "SpaceConfig"]

Activation = Literal["relu", "tanh", "sigmoid", "elu", "selu", "swish", "gelu", "softplus", "None"]  # of rl_games
INITIALIZERS = {
    "default": set(),
    "const_initializer": {"val"},
    "orthogonal_initializer": {"gain"},
    "orthogonal": {"gain"},
    "glorot_normal_initializer": {"gain"},
    "glorot_uniform_initializer": {"gain"},
    "random_uniform_initializer": {"a", "b"},
    "kaiming_normal": {"a", "mode", "nonlinearity"},
    "variance_scaling_initializer": {"mode", "scale"},
}
"""Initialisers of rl_games, with their arguments."""
OF_VECTORS = ("default", "const_initializer", "random_uniform_initializer")
NOT_IN_RL_GAMES = unread("rl_games does not use it; leave it out")


def _check_initializer(key: str, initializer: dict[str, Any]) -> None:
    """Raise ConfigError unless ``initializer`` has the name and the arguments of an initialiser of rl_games."""
    name = initializer.get("name")
    if name not in INITIALIZERS:
        raise ConfigError(f"{key}.name={name}: unknown initializer. {nearest(str(name), INITIALIZERS)}")
    for argument, value in initializer.items():
        if argument != "name" and argument not in INITIALIZERS[name]:
            takes = f"takes {', '.join(sorted(INITIALIZERS[name]))}" if INITIALIZERS[name] else "takes no argument"
            raise ConfigError(f"{key}.{argument}: unknown key; {name} {takes}.")
        if argument in ("val", "gain", "a", "b", "scale") and type(value) not in (int, float):
            raise ConfigError(f"{key}.{argument}={value}: expected a number.")
    if name == "const_initializer" and "val" not in initializer:
        raise ConfigError(f"{key}.val: a value is required.")


@dataclass(kw_only=True)
class NamedConfig:
    """A section with a name only.

    Attributes:
        name: name in rl_games, for example ``a2c_continuous`` (PPO) or ``sac`` for the algorithm, or ``flashsac``.
    """

    name: str


@dataclass(kw_only=True)
class MlpConfig:
    """Fully connected layers.

    Attributes:
        units: size of each layer.
        activation: activation of each layer: relu, tanh, sigmoid, elu, selu, swish, gelu, softplus or None.
        d2rl: feed the input to every layer.
        norm_only_first_layer: key in old files, which rl_games does not use.
        initializer: initialiser of the weights: ``name`` and arguments of one of rl_games.
        regularizer: key in old files, which rl_games does not use.
    """

    units: list[int]
    activation: Activation = "elu"
    d2rl: bool = False
    norm_only_first_layer: bool = field(default=False, metadata=NOT_IN_RL_GAMES)
    initializer: dict[str, Any] = field(default_factory=lambda: {"name": "default"})
    regularizer: dict[str, Any] = field(default_factory=lambda: {"name": None}, metadata=NOT_IN_RL_GAMES)

    def __post_init__(self) -> None:
        for units in self.units:
            check_positive("network.mlp.units", units)
        _check_initializer("network.mlp.initializer", self.initializer)


@dataclass(kw_only=True)
class RnnConfig:
    """Recurrent layers.

    Attributes:
        name: type of the cells: lstm, gru or identity.
        units: number of cells in each layer.
        layers: number of layers.
        before_mlp: place them before the fully connected layers instead of after them.
        concat_input: append the observation to their input.
        concat_output: append the observation to their output.
        layer_norm: normalise their output.
        zero_rnn_on_done: key in old files, which rl_games reads in ``train.params.config`` only.
    """

    name: Literal["lstm", "gru", "identity"]
    units: int
    layers: int = 1
    before_mlp: bool = False
    concat_input: bool = False
    concat_output: bool = False
    layer_norm: bool = False
    zero_rnn_on_done: bool = field(
        default=True, metadata=unread("rl_games does not use it here; set train.params.config.zero_rnn_on_done")
    )

    def __post_init__(self) -> None:
        for key in ("units", "layers"):
            check_positive(f"train.params.network.rnn.{key}", getattr(self, key))


@dataclass(kw_only=True)
class ContinuousConfig:
    """The normal distribution of actions.

    Attributes:
        mu_activation: activation of the mean; see ``mlp.activation``.
        sigma_activation: activation of the standard deviation, or of its logarithm.
        mu_init: initialiser of the mean's weights.
        sigma_init: initialiser of the standard deviation, or of its logarithm.
        fixed_sigma: the standard deviation does not depend on the observation.
    """

    mu_activation: Activation = "None"
    sigma_activation: Activation = "None"
    mu_init: dict[str, Any] = field(default_factory=lambda: {"name": "default"})
    sigma_init: dict[str, Any] = field(default_factory=lambda: {"name": "const_initializer", "val": 0.0})
    fixed_sigma: bool = True

    def __post_init__(self) -> None:
        key = "network.space.continuous"
        for name in ("mu_init", "sigma_init"):
            _check_initializer(f"{key}.{name}", getattr(self, name))
        if self.fixed_sigma and self.sigma_init["name"] not in OF_VECTORS:
            raise ConfigError(
                f"{key}.sigma_init.name={self.sigma_init['name']}: expected one of {', '.join(OF_VECTORS)} with "
                "fixed_sigma=True."
            )


@dataclass(kw_only=True)
class SpaceConfig:
    """The distribution of actions.

    Attributes:
        continuous: section of continuous actions, which all tasks have; empty with SAC.
    """

    continuous: ContinuousConfig | None = None


@dataclass(kw_only=True)
class CnnConfig:
    """Convolutional layers, for observations that are images.

    Attributes:
        type: type of the layers: conv2d, conv2d_spatial_softargmax, conv2d_flatten or coord_conv2d.
        activation: activation of each layer; see ``mlp.activation``.
        initializer: initialiser of the weights; see ``mlp.initializer``.
        regularizer: key in old files, which rl_games does not use.
        convs: the layers, each with ``filters``, ``kernel_size``, ``strides`` and ``padding``.
        conv_depths: number of channels of each block of ``resnet_actor_critic``.
        permute_input: images have their channels last.
    """

    type: Literal["conv2d", "conv2d_spatial_softargmax", "conv2d_flatten", "coord_conv2d"] = "conv2d"
    activation: Activation = "relu"
    initializer: dict[str, Any] = field(default_factory=lambda: {"name": "default"})
    regularizer: dict[str, Any] = field(default_factory=lambda: {"name": None}, metadata=NOT_IN_RL_GAMES)
    convs: list[dict[str, int]] = field(default_factory=list)
    conv_depths: list[int] | None = None
    permute_input: bool = True

    def __post_init__(self) -> None:
        _check_initializer("network.cnn.initializer", self.initializer)
        keys = {"filters", "kernel_size", "strides", "padding"}
        for index, conv in enumerate(self.convs):
            if conv.keys() != keys:
                raise ConfigError(
                    f"network.cnn.convs: expected {', '.join(sorted(keys))} in each entry, entry {index} has "
                    f"{', '.join(sorted(conv)) or 'none'}."
                )
            for name in keys:
                check_positive(f"network.cnn.convs[{index}].{name}", conv[name], zero=name == "padding")

    def smallest_image(self) -> int:
        """Return the smallest number of rows and columns that the layers can take, in pixels."""
        size = 1
        for conv in reversed(self.convs):
            size = (size - 1) * conv["strides"] + conv["kernel_size"] - 2 * conv["padding"]
            size = max(size, 1)
        return size


@dataclass(kw_only=True)
class NetworkConfig:
    """The policy and value network.

    Attributes:
        name: architecture: ``actor_critic`` for PPO, ``soft_actor_critic`` for SAC.
        mlp: fully connected layers.
        separate: use separate layers for the critic.
        central_value: whether the network is the critic of ``central_value_config``.
        normalization: normalisation of layers: ``layer_norm``, ``batch_norm`` or None.
        value_activation: activation of the value; see ``mlp.activation``.
        space: distribution of the actions: activation and initialiser of mean and standard deviation.
        cnn: convolutional layers, for observations that are images.
        rnn: recurrent layers; None: none.
        joint_obs_actions: key in old files, which rl_games does not use.
        log_std_bounds: lower and upper bound of the logarithm of SAC's standard deviation.
    """

    name: Literal["actor_critic", "resnet_actor_critic", "soft_actor_critic"]
    mlp: MlpConfig
    separate: bool = False
    central_value: bool = False
    normalization: Literal["layer_norm", "batch_norm"] | None = None
    value_activation: Activation = "None"
    space: SpaceConfig | None = None
    cnn: CnnConfig | None = None
    rnn: RnnConfig | None = None
    joint_obs_actions: dict[str, Any] | None = field(default=None, metadata=NOT_IN_RL_GAMES)
    log_std_bounds: list[float] | None = None

    def __post_init__(self) -> None:
        if self.normalization is not None and self.cnn is None and not self.mlp.d2rl:
            raise ConfigError(
                f"network.normalization={self.normalization}: has no effect, because rl_games normalises "
                "convolutional layers and those of mlp.d2rl=True only; leave it out."
            )
        if self.log_std_bounds is not None:
            check_range("network.log_std_bounds", self.log_std_bounds)
        if self.name == "resnet_actor_critic" and (self.cnn is None or self.cnn.conv_depths is None):
            raise ConfigError("network.name=resnet_actor_critic: expected network.cnn.conv_depths.")
        if self.name == "actor_critic" and self.cnn is not None and not self.cnn.convs:
            raise ConfigError("network.cnn.convs: a value is required.")

    def summary(self) -> str:
        """Return the sizes for the headline of a run."""
        layers = "-".join(map(str, self.mlp.units))
        return layers if self.rnn is None else f"{layers} and {self.rnn.name} {self.rnn.units}"
