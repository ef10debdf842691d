"""Build the agent of a run: PPO or SAC of rl_games."""

from pathlib import Path
from typing import Any

from oige_core.errors import ConfigError

from oige_train.learner import rl_games_shim
from oige_train.learner.agent import Session
from oige_train.learner.environment import RlGamesEnv
from oige_train.learner.params import rl_games_params
from oige_train.learner.progress import Observer

__all__ = ["build_agent"]


def build_agent(session: Session, env: Any, observer: Observer, *, folder: Path, writes: bool = True) -> Any:
    """Return the agent of the run's algorithm.

    Args:
        session: what the agent needs to know of the program around it.
        env: the vector environment.
        observer: sees every step and epoch.
        folder: folder of the run.
        writes: whether summaries are written; only process 0 ever does.

    Raises:
        ConfigError: the run asks for symmetry augmentation, and the task declares no symmetries.
    """
    rl_games_shim.install()
    from rl_games.common.tr_helpers import DefaultRewardsShaper

    config = session.run.config
    params = rl_games_params(config.train.params)
    adapter = RlGamesEnv(env, config.rl_device, stagger=config.train.params.config.stagger_episodes)
    if params["config"].get("symmetry_augmentation") and not adapter.symmetries:
        raise ConfigError(
            f"train.params.config.symmetry_augmentation=True: expected False; {config.task.name} declares no "
            "symmetries."
        )
    params["config"] |= {
        "reward_shaper": DefaultRewardsShaper(**params["config"]["reward_shaper"]),
        "features": {"observer": observer},
        "train_dir": str(folder.parent),
        "full_experiment_name": folder.name,
        "vec_env": adapter,
        "env_info": adapter.get_env_info(),
    }
    if params["algo"]["name"] == "sac":
        from oige_train.learner.sac import SacAgent as Agent
    else:
        from oige_train.learner.ppo.agent import PpoAgent as Agent
    with rl_games_shim.building_agent(writes=writes and session.workers.rank == 0):
        return Agent("run", params, session)
