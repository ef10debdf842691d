"""An environment on torch tensors that is small enough to compute by hand, and agents that learn in it."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import torch
from gymnasium import spaces
from oige_core.registry import find_task, load_config
from oige_core.spec import TaskSpec
from oige_train.config import Run
from oige_train.learner import rl_games_shim
from oige_train.learner.agent import Session
from oige_train.learner.build import build_agent
from oige_train.learner.distributed import Workers
from oige_train.learner.ppo.advantages import generalised_advantages
from oige_train.learner.progress import Observer
from oige_train.run_record import RunRecord
from oige_train.schema import (
    CentralValueConfig,
    ContinuousConfig,
    FlashSacConfig,
    FlashSacNetworkConfig,
    MlpConfig,
    NamedConfig,
    NetworkConfig,
    PpoConfig,
    ResidualConfig,
    RnnConfig,
    SacConfig,
    SpaceConfig,
    TrainConfig,
    TrainParams,
    TrainRunConfig,
)

rl_games_shim.install()


class FakeEnv:
    """Worlds whose observation is a step counter; each step gives ``reward``, and ``endings`` sets when worlds end.

    Args:
        num_envs: number of worlds.
        num_states: size of the privileged state.
        endings: by step from 1 on, what ends in every world: ``"terminated"``, ``"truncated"``, ``"both"`` or nothing.
        reward: what each step pays.
    """

    state_format = "episodes that were written down"
    symmetries = ()
    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": "upstream"}

    def __init__(
        self, num_envs: int, num_states: int = 0, endings: dict[int, str] | None = None, reward: float = 1.0
    ) -> None:
        self.num_envs, self.num_states = num_envs, num_states
        self.device = torch.device("cpu")
        self.single_observation_space = spaces.Box(-100.0, 100.0, (3,))
        self.single_action_space = spaces.Box(-1.0, 1.0, (2,))
        self.endings, self.reward = endings or {}, reward
        self.steps = 0
        self.actions: list[torch.Tensor] = []

    def _observe(self) -> torch.Tensor:
        return torch.full((self.num_envs, 3), float(self.steps))

    def _info(self) -> dict[str, Any]:
        return {"states": torch.ones(self.num_envs, self.num_states)} if self.num_states else {}

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, ...]:
        return self._observe(), self._info()

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        self.steps += 1
        self.actions.append(actions)
        ending = self.endings.get(self.steps, "")
        flags = [torch.full((self.num_envs,), ending in (name, "both")) for name in ("terminated", "truncated")]
        return self._observe(), torch.full((self.num_envs,), self.reward), *flags, self._info()

    def problems(self) -> dict[str, int]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def accepts(self, state: dict[str, Any]) -> bool:
        return True

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]


SPACE = SpaceConfig(continuous=ContinuousConfig())


def make_run(
    num_envs: int,
    *,
    recurrent: bool = False,
    num_states: int = 0,
    network: NetworkConfig | None = None,
    seed: int = 42,
    compat: str = "fixed",
    **changes: Any,
) -> Run:
    rnn = RnnConfig(name="lstm", units=8) if recurrent else None
    critic = CentralValueConfig(
        network=NetworkConfig(name="actor_critic", central_value=True, mlp=MlpConfig(units=[8]), rnn=rnn),
        learning_rate=1e-3,
        mini_epochs=2,
        clip_value=True,
        normalize_input=True,
        minibatch_size=4 * num_envs,
    )
    learner = PpoConfig(
        **{
            "name": "Fake",
            "full_experiment_name": "Fake",
            "num_actors": num_envs,
            "device": "cpu",
            "device_name": "cpu",
            "horizon_length": 8,
            "minibatch_size": 4 * num_envs,
            "mini_epochs": 2,
            "learning_rate": 1e-3,
            "gamma": 0.5,
            "tau": 0.5,
            "normalize_input": True,
            "normalize_value": True,
            "max_epochs": 4,
            "save_frequency": 2,
            "central_value_config": critic if num_states else None,
        }
        | changes
    )
    params = TrainParams(
        algo=NamedConfig(name="a2c_continuous"),
        model=NamedConfig(name="continuous_a2c_logstd"),
        network=network or NetworkConfig(name="actor_critic", mlp=MlpConfig(units=[8]), space=SPACE, rnn=rnn),
        config=learner,
        seed=seed,
    )
    return _run(num_envs, params, num_states, compat)


def make_sac_run(num_envs: int, compat: str = "fixed", **changes: Any) -> Run:
    learner = SacConfig(
        **{
            "name": "Fake",
            "full_experiment_name": "Fake",
            "num_actors": num_envs,
            "device": "cpu",
            "device_name": "cpu",
            "batch_size": 4,
            "replay_buffer_size": 100,
            "init_alpha": 1.0,
            "learnable_temperature": True,
            "actor_lr": 1e-3,
            "critic_lr": 1e-3,
            "alpha_lr": 1e-3,
        }
        | changes
    )
    params = TrainParams(
        algo=NamedConfig(name="sac"),
        model=NamedConfig(name="soft_actor_critic"),
        network=NetworkConfig(
            name="soft_actor_critic", separate=True, mlp=MlpConfig(units=[8], activation="relu"), log_std_bounds=[-5, 2]
        ),
        config=learner,
    )
    return _run(num_envs, params, num_states=0, compat=compat)


def make_flashsac_run(num_envs: int, num_states: int = 0, **changes: Any) -> Run:
    learner = FlashSacConfig(
        **{
            "name": "Fake",
            "full_experiment_name": "Fake",
            "num_actors": num_envs,
            "device": "cpu",
            "device_name": "cpu",
            "gamma": 0.5,
            "batch_size": 4,
            "replay_buffer_size": 100,
            "learning_rate": 1e-3,
            "final_learning_rate": 1e-3,
            "alpha_lr": 1e-3,
            "init_alpha": 0.1,
            "num_steps_per_episode": 4,
            "num_updates_per_step": 1,
            "num_warmup_frames": 0,
        }
        | changes
    )
    sizes = ResidualConfig(units=8, blocks=1)
    params = TrainParams(
        algo=NamedConfig(name="flashsac"),
        model=NamedConfig(name="flashsac"),
        network=FlashSacNetworkConfig(name="flashsac", actor=sizes, critic=sizes, bins=11),
        config=learner,
    )
    return _run(num_envs, params, num_states)


def _run(num_envs: int, params: TrainParams, num_states: int, compat: str = "fixed") -> Run:
    base = load_config("Cartpole", {"num_envs": num_envs, "task.env.compat": compat})
    fields = {field.name: getattr(base, field.name) for field in dataclasses.fields(base)}
    config = TrainRunConfig(**fields, train=TrainConfig(params=params), rl_device="cpu")
    fake = TaskSpec(task="", env=type(base.task.env), observation_shape=(3,), num_actions=2, num_states=num_states)
    record = RunRecord(task="Cartpole", train="FakePPO", folder="Fake", overrides=(), config={"task": {}, "train": {}})
    return Run(
        config=config,
        task=find_task("Cartpole"),
        train_name="FakePPO",
        spec=fake,
        checkpoint=None,
        notes=(),
        record=record,
    )


def make_agent(env: Any, folder: Path, **changes: Any) -> Any:
    return build(make_run(env.num_envs, num_states=env.num_states, **changes), env, folder)


def make_sac_agent(env: Any, folder: Path, **changes: Any) -> Any:
    return build(make_sac_run(env.num_envs, **changes), env, folder)


def collected(agent: Any) -> dict[str, torch.Tensor]:
    """Collect the samples of an epoch and do not train; return what their advantages are computed from.

    Returns:
        ``rewards`` ``(T, N)``, ``values`` ``(T + 1, N)``, ``ended`` ``(T, N)``, and ``advantages`` ``(T, N)``.
    """
    agent._train_policy = lambda: None
    agent._train_critic = lambda update: None
    if agent.obs is None:
        agent.init_tensors()
        agent.obs = agent.env_reset()
    seen: dict[str, torch.Tensor] = {}

    def note(*arguments: Any) -> torch.Tensor:
        seen.update(zip(("rewards", "values", "ended"), (each.clone() for each in arguments[:3]), strict=True))
        advantages = generalised_advantages(*arguments)
        seen["advantages"] = advantages.clone()
        return advantages

    with mock.patch("oige_train.learner.ppo.rollout.generalised_advantages", note):
        agent.train_epoch()
    return seen


def build(run: Run, env: Any, folder: Path) -> Any:
    torch.manual_seed(0)
    return build_agent(Session(run=run, workers=Workers()), env, Observer(), folder=folder / "Fake")
