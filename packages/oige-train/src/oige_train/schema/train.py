"""The ``train`` section."""

from dataclasses import dataclass, field

from oige_core.config.fields import follows
from oige_core.config.schema import check_choice, check_positive
from oige_core.errors import ConfigError

from oige_train.schema.flashsac import FlashSacConfig, FlashSacNetworkConfig
from oige_train.schema.learner import CONFIG, AlgoConfig, PpoConfig, SacConfig
from oige_train.schema.network import NamedConfig, NetworkConfig

__all__ = ["ALGORITHMS", "ALGORITHM_NAMES", "NETWORK", "TrainConfig", "TrainParams", "train_sections"]

NETWORK = "train.params.network"
ALGORITHMS: dict[str, type[AlgoConfig]] = {"a2c_continuous": PpoConfig, "sac": SacConfig, "flashsac": FlashSacConfig}
"""Schema of ``train.params.config`` for each algorithm, by its name in the configuration."""
ALGORITHM_NAMES = {"a2c_continuous": "PPO", "sac": "SAC", "flashsac": "FlashSAC"}
"""What people call an algorithm, by its name in the configuration."""
NAMES: dict[type[AlgoConfig], tuple[tuple[str, ...], tuple[str, ...]]] = {
    PpoConfig: (
        ("continuous_a2c_logstd", "continuous_a2c_tanh"),  # with continuous_a2c, rl_games 1.6.5 fails
        ("actor_critic", "resnet_actor_critic"),
    ),
    SacConfig: (("soft_actor_critic",), ("soft_actor_critic",)),
    FlashSacConfig: (("flashsac",), ("flashsac",)),
}
"""Names of models and networks that an algorithm can train."""


@dataclass(kw_only=True)
class TrainParams:
    """``train.params``: the learner.

    Attributes:
        algo: section whose ``name`` is ``a2c_continuous`` for PPO, ``sac`` or ``flashsac``.
        model: section whose ``name`` is ``continuous_a2c_logstd`` for PPO, ``soft_actor_critic`` or ``flashsac``.
        network: an instance of the schema that :func:`train_sections` returns, as is ``config``.
        config: settings of the algorithm.
        seed: follows the root key of the same name.
        torch_threads: number of torch's threads on the CPU; small networks are fastest with 1.
        load_checkpoint: follows the root key ``checkpoint``.
        load_path: follows the root key ``checkpoint``.
    """

    algo: NamedConfig
    model: NamedConfig
    network: NetworkConfig | FlashSacNetworkConfig
    config: AlgoConfig
    seed: int | None = field(default=None, metadata=follows("set seed, without train.params., instead"))
    torch_threads: int = 1
    load_checkpoint: bool = field(default=False, metadata=follows("set checkpoint instead"))
    load_path: str = field(default="", metadata=follows("set checkpoint instead"))

    def __post_init__(self) -> None:
        check_positive("train.params.torch_threads", self.torch_threads)
        models, networks = NAMES[type(self.config)]
        check_choice("train.params.model.name", self.model.name, models)
        check_choice(f"{NETWORK}.name", self.network.name, networks)
        if isinstance(self.network, NetworkConfig):
            self._check_network(self.network)
            self._check_critic(self.network)

    def _check_critic(self, network: NetworkConfig) -> None:
        """Raise ConfigError if PPO's samples or its asymmetric critic do not fit the network."""
        for key in ("shuffle_minibatches", "symmetry_augmentation"):
            if getattr(self.config, key, False) and network.rnn is not None:
                raise ConfigError(f"{CONFIG}.{key}=True: expected False; a recurrent network is trained on sequences.")
        critic = self.config.central_value_config if isinstance(self.config, PpoConfig) else None
        if critic is None:
            return
        if getattr(self.config, "symmetry_augmentation", False):
            raise ConfigError(
                f"{CONFIG}.symmetry_augmentation=True: expected False; symmetries do not "
                "cover the states of the asymmetric critic."
            )
        if critic.network.rnn is not None and network.rnn is None:
            raise ConfigError(
                f"{CONFIG}.central_value_config.network.rnn: expected none, because {NETWORK} has none; both are "
                "recurrent, or the policy only."
            )

    def _check_network(self, network: NetworkConfig) -> None:
        """Raise ConfigError if keys of the network have no effect with the algorithm, or are missing."""
        if isinstance(self.config, SacConfig):
            name, needed = "SAC", "log_std_bounds"
            idle = {"cnn": None, "rnn": None, "normalization": None, "value_activation": "None"}
            _check_sac_network(network)
            if network.space is not None and network.space.continuous is not None:
                raise ConfigError(f"{NETWORK}.space.continuous: has no effect with {name}; leave it out.")
            network.space = None
        else:
            name, needed = "PPO", "space.continuous"
            idle = {"log_std_bounds": None, "central_value": False}
        for key, default in idle.items():
            if getattr(network, key) != default:
                raise ConfigError(f"{NETWORK}.{key}: has no effect with {name}; leave it out.")
        if _lacks(network, needed):
            raise ConfigError(f"{NETWORK}.{needed}: a value is required.")


def _lacks(holder: object, key: str) -> bool:
    """Whether a dotted key, or a section that contains it, is not set."""
    name, _, rest = key.partition(".")
    value = getattr(holder, name)
    return value is None or (rest != "" and _lacks(value, rest))


def _check_sac_network(network: NetworkConfig) -> None:
    """Raise ConfigError if rl_games cannot build the network of SAC."""
    if not network.separate:
        raise ConfigError(f"{NETWORK}.separate=False: expected True; SAC's critics have their own layers.")
    if network.mlp.d2rl:
        raise ConfigError(f"{NETWORK}.mlp.d2rl=True: expected False with SAC.")
    if not network.mlp.units:
        raise ConfigError(f"{NETWORK}.mlp.units=[]: expected at least one layer with SAC.")


@dataclass(kw_only=True)
class TrainConfig:
    """The ``train`` section."""

    params: TrainParams


def train_sections(algorithm: str) -> dict[str, type]:
    """Return the schemas of the sections that depend on the algorithm, by dotted key.

    Args:
        algorithm: a key of :data:`ALGORITHMS`.
    """
    config = ALGORITHMS[algorithm]
    return {CONFIG: config, NETWORK: FlashSacNetworkConfig if config is FlashSacConfig else NetworkConfig}
