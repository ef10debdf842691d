"""Checkpoints of rl_games 1.6.1 play as its own players do; ``tools/golden_checkpoints.py`` recorded them."""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from golden_support import DATA
from gymnasium import spaces
from oige_core import make_env
from oige_core.registry import find_task
from oige_train.checkpoint import load_checkpoint
from oige_train.cli.common import checked_run
from oige_train.config.adoption import adopt_network
from oige_train.config.overrides import TRAIN_CFG
from oige_train.console import ProgressLine
from oige_train.learner import rl_games_shim
from oige_train.play import evaluate
from oige_train.play_result import PlayResult
from oige_train.policy import build_policy
from oige_train.pretrained import policy_files
from omegaconf import DictConfig, OmegaConf

TOLERANCE = 1e-5
WORLDS = 4
TOOL = Path(__file__).resolve().parents[2] / "tools" / "golden_checkpoints.py"
EXAMPLE = DATA / "CartpolePPO_rl_games_1.6.1.pth"
with np.load(DATA / "checkpoints.npz") as _file:
    ARRAYS = {name: _file[name] for name in _file.files}
LAYOUTS: dict[str, dict[str, dict[str, list[int]]]] = json.loads(str(ARRAYS.pop("note")))["layouts"]
OTHER_LAYERS = {"units": [8], "activation": "elu", "initializer": {"name": "default"}}
CRITICS = {"central_value_config": {"network": {"name": "actor_critic", "mlp": OTHER_LAYERS}}}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_checkpoints", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recorded(name: str) -> torch.Tensor:
    return torch.from_numpy(ARRAYS[name])


def write_checkpoint(tool: ModuleType, train: str, file: Path) -> Path:
    """Write the checkpoint of which rl_games 1.6.1 recorded the outputs, without its optimisers."""
    state: dict[str, Any] = {
        section: {
            name: torch.from_numpy(tool.weights(f"{section}/{name}", tuple(shape))).to(
                torch.float64 if "running_" in name or name.endswith("count") else torch.float32
            )
            for name, shape in shapes.items()
        }
        for section, shapes in LAYOUTS[train].items()
    }
    torch.save(state | {"epoch": 3, "frame": 96, "last_mean_rewards": np.float32(1.5), "env_state": None}, file)
    return file


def observations_of(tool: ModuleType, train: str) -> torch.Tensor:
    shape = tool.SIZES[train][0]
    return torch.from_numpy(2.0 * tool.values(train, (tool.STEPS, WORLDS, *shape))).float()


def assert_equal(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=TOLERANCE)


def model_outputs(model: Any, observations: torch.Tensor, memory: Any) -> dict[str, Any]:
    with torch.no_grad():
        return model({"is_train": False, "prev_actions": None, "obs": observations.clone(), "rnn_states": memory})


@pytest.mark.parametrize("train", LAYOUTS)
def test_policy_acts_and_values_as_the_player_of_rl_games(train: str, tool: ModuleType, tmp_path: Path) -> None:
    file = write_checkpoint(tool, train, tmp_path / "policy.pth")
    task = train.removesuffix("PPO")
    arguments = [f"task={task}", f"train={train}", "test=True", f"checkpoint={file}", "rl_device=cpu"]
    run = checked_run([*arguments, *(["task.env.frames=1"] if task == "CartpoleCamera" else [])])
    observations = observations_of(tool, train)
    shape, num_actions, _ = tool.SIZES[train]
    infos = {
        "observation_space": spaces.Box(-np.inf, np.inf, shape),
        "action_space": spaces.Box(-1.0, 1.0, (num_actions,)),
    }
    policy: Any = build_policy(run, infos, "cpu", WORLDS)
    policy.load(load_checkpoint(file, "cpu"))
    for step, each in enumerate(observations):
        if f"{train}/values" in ARRAYS:
            assert_equal(model_outputs(policy.model, each, policy.states)["values"], recorded(f"{train}/values")[step])
        if f"{train}/normalised" in ARRAYS:
            assert_equal(policy.model.norm_obs(each), recorded(f"{train}/normalised")[step])
        assert_equal(policy.act(each.clone(), deterministic=True), recorded(f"{train}/actions")[step])


def base_configuration(task: str, *, critic: bool) -> DictConfig:
    """The base configuration of PPO, as a task of that name would have it."""
    cfg = OmegaConf.create({"task": {"name": task}, "train": OmegaConf.load(TRAIN_CFG / "train" / "PPO.yaml")})
    if critic:
        OmegaConf.update(cfg, "train.params.config", CRITICS, force_add=True)
    return cfg


def build_model(network: DictConfig, model: str, sizes: Mapping[str, Any]) -> Any:
    rl_games_shim.install()
    from rl_games.algos_torch.model_builder import ModelBuilder

    plain = OmegaConf.to_container(network)
    with rl_games_shim.building_model():
        return ModelBuilder().load({"model": {"name": model}, "network": plain}).build(dict(sizes)).eval()


@pytest.mark.parametrize("train", [train for train in LAYOUTS if f"{train}/critic_values" in ARRAYS])
def test_asymmetric_critic_is_adopted_for_training(train: str, tool: ModuleType, tmp_path: Path) -> None:
    file = write_checkpoint(tool, train, tmp_path / "policy.pth")
    state = torch.load(file, weights_only=False)
    torch.save(state | {"optimizer": {}}, file)
    task = train.removesuffix("PPO")
    cfg = base_configuration(task, critic=True)
    adopt_network(cfg, file, overridden=(), resumes=True, tasks=[task])
    critic = cfg.train.params.config.central_value_config
    num_states = tool.SIZES[train][2]
    sizes = {
        "input_shape": (num_states,),
        "actions_num": 0,
        "num_seqs": WORLDS,
        "value_size": 1,
        "normalize_value": True,
        "normalize_input": critic.normalize_input,
    }
    network = OmegaConf.merge(critic.network, {"central_value": True})
    model = build_model(network, "central_value", sizes)  # type: ignore[arg-type]
    weights = load_checkpoint(file, "cpu")["assymetric_vf_nets"]
    model.load_state_dict({name.removeprefix("model."): value for name, value in weights.items()})
    states = torch.from_numpy(2.0 * tool.values(f"{train}/states", (WORLDS, num_states))).float()
    memory = list(model.get_default_rnn_state()) if model.is_rnn() else None
    assert_equal(model_outputs(model, states, memory)["values"], recorded(f"{train}/critic_values"))


def test_file_of_rl_games_loads_with_its_optimiser(tool: ModuleType) -> None:
    run = checked_run(["task=Cartpole", "test=True", f"checkpoint={EXAMPLE}", "rl_device=cpu"])
    infos = {"observation_space": spaces.Box(-np.inf, np.inf, (4,)), "action_space": spaces.Box(-1.0, 1.0, (1,))}
    policy: Any = build_policy(run, infos, "cpu", WORLDS)
    state = load_checkpoint(EXAMPLE, "cpu")
    policy.load(state)
    assert (state["epoch"], state["last_mean_rewards"]) == (1, 12.5)
    assert {"step", "exp_avg", "exp_avg_sq"} <= state["optimizer"]["state"][0].keys()
    assert not run.config.train.params.network.separate  # type: ignore[union-attr]
    for step, each in enumerate(observations_of(tool, "CartpolePPO")):
        assert_equal(policy.act(each, deterministic=True), recorded("example/actions")[step])


def played(checkpoint: Path | str) -> PlayResult:
    arguments = ["num_envs=4", "train.params.config.player.games_num=4", "task.env.episodeLength=60"]
    devices = ["sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
    run = checked_run(["task=Cartpole", "test=True", f"checkpoint={checkpoint}", *arguments, *devices])
    env = make_env(run.config)
    result = evaluate(run, env, ProgressLine())
    env.close()
    return result


def test_policy_in_a_file_of_rl_games_plays_to_the_same_return(tmp_path: Path) -> None:
    state = load_checkpoint(policy_files(find_task("Cartpole"))[0], "cpu")
    torch.save({"model": state["model"], "epoch": 1, "last_mean_rewards": np.float32(1.0)}, tmp_path / "policy.pth")
    assert played(tmp_path / "policy.pth") == played("pretrained")
