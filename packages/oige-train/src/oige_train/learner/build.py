"""Build the agent of a run: PPO or SAC of rl_games, or FlashSAC."""

import logging
from pathlib import Path
from typing import Any

import torch
from oige_core.errors import ConfigError
from oige_core.garbage import uncollected

from oige_train.learner import rl_games_shim
from oige_train.learner.agent import Session
from oige_train.learner.environment import RlGamesEnv
from oige_train.learner.params import rl_games_params
from oige_train.learner.progress import Observer
from oige_train.schema import NetworkConfig

__all__ = ["build_agent"]

_log = logging.getLogger(__name__)


@uncollected()
def build_agent(session: Session, env: Any, observer: Observer, *, folder: Path) -> Any:
    """Return the agent of the run's algorithm.

    Args:
        session: what the agent needs to know of the program around it.
        env: the vector environment.
        observer: sees every step and epoch.
        folder: folder of the run.

    Raises:
        ConfigError: the run asks for symmetry augmentation, and the task declares no symmetries, or for an asymmetric
            critic, and the task has no states.
    """
    rl_games_shim.install()
    from rl_games.common.tr_helpers import DefaultRewardsShaper

    config = session.run.config
    params = rl_games_params(config.train.params)
    adapter = RlGamesEnv(
        env,
        config.rl_device,
        stagger=config.train.params.config.stagger_episodes,
        upstream=config.task.env.compat == "upstream",
    )
    if params["config"].get("symmetry_augmentation") and not adapter.symmetries:
        raise ConfigError(
            f"train.params.config.symmetry_augmentation=True: expected False; {config.task.name} declares no "
            "symmetries."
        )
    if params["config"].get("central_value_config") and not adapter.env.num_states:
        raise ConfigError(
            f"train.params.config.central_value_config: expected none; {config.task.name} has no states for an "
            "asymmetric critic."
        )
    if (
        params["algo"]["name"] != "flashsac"
        and adapter.env.num_states
        and not params["config"].get("central_value_config")
    ):
        _log.warning(
            "train.params.config.central_value_config is not set: nothing reads the %d privileged states of %s.",
            adapter.env.num_states,
            config.task.name,
        )
    params["config"] |= {
        "reward_shaper": DefaultRewardsShaper(**params["config"]["reward_shaper"]),
        "features": {"observer": observer},
        "train_dir": str(folder.parent),
        "full_experiment_name": folder.name,
        "vec_env": adapter,
        "env_info": adapter.get_env_info(),
    }
    algorithm = params["algo"]["name"]
    if algorithm == "sac":
        from oige_train.learner.sac import SacAgent as Agent
    elif algorithm == "flashsac":
        from oige_train.learner.flashsac.agent import FlashSacAgent as Agent
    else:
        from oige_train.learner.ppo.agent import PpoAgent as Agent
    with rl_games_shim.building_agent(writes=session.workers.rank == 0):
        agent = Agent("run", params, session)
    network = config.train.params.network
    space = network.space if isinstance(network, NetworkConfig) else None
    actions = None if space is None else space.continuous
    if actions is not None and not actions.fixed_sigma:
        _initialise_deviation(agent.model.a2c_network.sigma, actions.sigma_init)
    return agent


@torch.no_grad()
def _initialise_deviation(layer: torch.nn.Linear, initializer: dict[str, Any]) -> None:
    """Let the layer of the standard deviation return the constant of ``const_initializer``, if that is configured.

    rl_games sets all weights to the constant, so that the deviation varies with the sum of the layer's inputs.
    """
    if initializer["name"] == "const_initializer":
        layer.weight.zero_()
        layer.bias.fill_(initializer["val"])
