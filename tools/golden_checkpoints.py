"""Record what the players of rl_games 1.6.1 make of checkpoints that it wrote.

    uv venv --python 3.10 .rl_games
    uv pip install --python .rl_games rl-games==1.6.1 torch==2.0.1 "numpy<2" setuptools==80.9.0
    .rl_games/bin/python tools/golden_checkpoints.py --original OmniIsaacGymEnvs

rl_games 1.6.1 needs Python 3.10 or older, so this program uses nothing of OIGE. For every training configuration of
OmniIsaacGymEnvs, it lets rl_games build the agent, sets its weights to :func:`weights`, saves it, loads the file with
rl_games' player and records normalised observations, deterministic actions and values. Tests write files of the same
layout from the recorded names and shapes. It also trains CartpolePPO for an epoch on random numbers and keeps its
checkpoint as it is.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import io
import json
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

# Observations, actions and states of the original's tasks. Images are smaller than there; weights are shared by pixels.
SIZES: dict[str, tuple[tuple[int, ...], int, int]] = {
    "AllegroHandPPO": ((72,), 16, 0),
    "AntPPO": ((60,), 8, 0),
    "AntSAC": ((60,), 8, 0),
    "AnymalPPO": ((48,), 12, 0),
    "AnymalTerrainPPO": ((188,), 12, 0),
    "BallBalancePPO": ((24,), 3, 0),
    "CartpoleCameraPPO": ((60, 40, 3), 1, 0),
    "CartpolePPO": ((4,), 1, 0),
    "CrazyfliePPO": ((18,), 4, 0),
    "FactoryTaskNutBoltPickPPO": ((20,), 12, 0),
    "FactoryTaskNutBoltPlacePPO": ((27,), 12, 0),
    "FactoryTaskNutBoltScrewPPO": ((32,), 12, 0),
    "FrankaCabinetPPO": ((23,), 9, 0),
    "FrankaDeformablePPO": ((39,), 9, 0),
    "HumanoidPPO": ((87,), 21, 0),
    "HumanoidSAC": ((87,), 21, 0),
    "IngenuityPPO": ((13,), 6, 0),
    "QuadcopterPPO": ((21,), 12, 0),
    "ShadowHandOpenAI_FFPPO": ((42,), 20, 187),
    "ShadowHandOpenAI_LSTMPPO": ((42,), 20, 187),
    "ShadowHandPPO": ((157,), 20, 0),
    "TargetFollowingPPO": ((64, 64, 3), 2, 0),
}
WORLDS = 4
STEPS = 2
EXAMPLE = "CartpolePPO"


def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return normally distributed numbers that are the same with every version of NumPy."""
    return np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)


def weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the tensor of a name: statistics of plausible size, and weights scaled by their number of inputs."""
    drawn = values(name, shape)
    if name.endswith("count"):
        return np.full(shape, 1000.0)
    if name.endswith("running_var"):
        return 0.5 + drawn**2
    return drawn / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.3 * drawn


class RandomEnv:
    """An environment of random numbers with the interface that rl_games expects."""

    def __init__(self, train: str) -> None:
        shape, num_actions, num_states = SIZES[train]
        box = importlib.import_module("gym").spaces.Box
        self.rng = np.random.RandomState(0)
        self.info: dict[str, Any] = {
            "observation_space": box(-np.inf, np.inf, shape, np.float32),
            "action_space": box(-1.0, 1.0, (num_actions,), np.float32),
        }
        if num_states:
            self.info["state_space"] = box(-np.inf, np.inf, (num_states,), np.float32)

    def get_env_info(self) -> dict[str, Any]:
        """Return the spaces."""
        return self.info

    def get_env_state(self) -> None:
        """Return nothing, as the environments of OmniIsaacGymEnvs."""

    def set_train_info(self, *_: Any) -> None:
        """Ignore what the environment may know of training."""

    def reset(self) -> dict[str, torch.Tensor]:
        """Return random observations."""
        drawn = self.rng.standard_normal((WORLDS, *self.info["observation_space"].shape))
        return {"obs": torch.from_numpy(drawn).float()}

    def step(self, _: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, dict]:
        """Return random observations, rewards and ends of episodes."""
        rewards, draws = self.rng.standard_normal((2, WORLDS))
        return self.reset(), torch.from_numpy(rewards).float(), torch.from_numpy(draws > 1).byte(), {}


def load_params(original: Path, train: str, folder: Path) -> dict[str, Any]:
    """Return the parameters of a training configuration of the original, for :class:`RandomEnv` and few samples."""
    file = original / "omniisaacgymenvs" / "cfg" / "train" / f"{train}.yaml"
    params = yaml.safe_load(file.read_text())["params"]
    config = params["config"]
    env = RandomEnv(train)
    helpers = importlib.import_module("rl_games.common.tr_helpers")
    observers = importlib.import_module("rl_games.common.algo_observer")
    config.update(
        name="run",
        full_experiment_name="run",
        train_dir=str(folder),
        device="cpu",
        device_name="cpu",
        multi_gpu=False,
        mixed_precision=False,
        num_actors=WORLDS,
        horizon_length=4,
        minibatch_size=4 * WORLDS,
        replay_buffer_size=100,
        max_epochs=10,
        vec_env=env,
        env_info=env.info,
        reward_shaper=helpers.DefaultRewardsShaper(**config["reward_shaper"]),
        features={"observer": observers.AlgoObserver()},
    )
    critic = config.get("central_value_config")
    if critic is not None:
        critic["minibatch_size"] = 4 * WORLDS
    return params


def make_agent(original: Path, train: str, folder: Path) -> Any:
    """Return the agent of a training configuration of the original."""
    params = load_params(original, train, folder)
    module, name = ("sac_agent", "SACAgent") if params["algo"]["name"] == "sac" else ("a2c_continuous", "A2CAgent")
    agent = getattr(importlib.import_module(f"rl_games.algos_torch.{module}"), name)("run", params)
    agent.vec_env = params["config"]["vec_env"]
    return agent


def make_player(original: Path, train: str, folder: Path, file: Path) -> Any:
    """Return rl_games' player of a checkpoint."""
    params = load_params(original, train, folder)
    players = importlib.import_module("rl_games.algos_torch.players")
    is_sac = params["algo"]["name"] == "sac"
    player = (players.SACPlayer if is_sac else players.PpoPlayerContinuous)(params)
    player.restore(str(file))
    player.has_batch_dimension = True
    if player.is_rnn:
        player.model.a2c_network.num_seqs = WORLDS
        player.states = list(player.model.get_default_rnn_state())
    return player


def layout(state: dict[str, Any]) -> dict[str, dict[str, list[int]]]:
    """Return the names and shapes of the tensors of a checkpoint, without those of optimisers."""
    sections = {name: entry for name, entry in state.items() if hasattr(entry, "items") and "optim" not in name}
    return {
        section: {name: list(value.shape) for name, value in entry.items()}
        for section, entry in sections.items()
        if entry and all(isinstance(value, torch.Tensor) for value in entry.values())
    }


def set_weights(agent: Any, sections: dict[str, dict[str, list[int]]]) -> None:
    """Set all tensors of an agent to :func:`weights`."""
    state = agent.get_full_state_weights()
    with torch.no_grad():
        for section, shapes in sections.items():
            for name, shape in shapes.items():
                state[section][name].copy_(torch.from_numpy(weights(f"{section}/{name}", tuple(shape))))


@torch.no_grad()
def play(player: Any, train: str) -> dict[str, np.ndarray]:
    """Return what a player makes of random observations, ``(STEPS, WORLDS, …)`` each."""
    shape = SIZES[train][0]
    observations = torch.from_numpy(2.0 * values(train, (STEPS, WORLDS, *shape))).float()
    rows: dict[str, list[torch.Tensor]] = {"actions": [], "values": [], "normalised": []}
    for each in observations:
        if hasattr(player.model, "a2c_network"):
            inputs = {"is_train": False, "prev_actions": None, "obs": each.clone(), "rnn_states": player.states}
            rows["values"].append(player.model(inputs)["values"])
            if len(shape) == 1:
                rows["normalised"].append(player.model.norm_obs(each))
            rows["actions"].append(player.get_action(each.clone(), is_deterministic=True))
        else:
            # This version samples if it is told to be deterministic, and the other way round.
            rows["actions"].append(player.get_action(each.clone(), is_deterministic=False))
    return {name: torch.stack(row).numpy() for name, row in rows.items() if row}


@torch.no_grad()
def critic_values(agent: Any, train: str) -> dict[str, np.ndarray]:
    """Return the values of an asymmetric critic on random states, ``(WORLDS, 1)``."""
    num_states = SIZES[train][2]
    if not num_states:
        return {}
    states = torch.from_numpy(2.0 * values(f"{train}/states", (WORLDS, num_states))).float()
    model = agent.central_value_net.model.eval()
    memory = model.get_default_rnn_state() if model.is_rnn() else None
    inputs = {"is_train": False, "obs": states, "rnn_states": memory}
    return {"critic_values": model(inputs)["values"].numpy()}


def record_example(original: Path, folder: Path, out: Path) -> dict[str, np.ndarray]:
    """Train :data:`EXAMPLE` for an epoch, keep its checkpoint and return what its player does."""
    torch.manual_seed(0)
    agent = make_agent(original, EXAMPLE, folder)
    agent.init_tensors()
    agent.algo_observer.after_init(agent)
    agent.obs = agent.env_reset()
    agent.epoch_num = 1
    agent.train_epoch()
    agent.last_mean_rewards = np.float32(12.5)  # what rl_games assigns is a NumPy number
    agent.save(str(out / "CartpolePPO_rl_games_1.6.1"))
    player = make_player(original, EXAMPLE, folder, out / "CartpolePPO_rl_games_1.6.1.pth")
    return {f"example/{name}": value for name, value in play(player, EXAMPLE).items()}


def main() -> None:
    """Record all training configurations of the original."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, required=True, help="checkout of OmniIsaacGymEnvs at f8f91bc")
    parser.add_argument("--out", type=Path, default=Path("tests/golden/data"), help="default: %(default)s")
    options = parser.parse_args()
    version = importlib.metadata.version("rl-games")
    if version != "1.6.1":
        parser.error(f"rl_games is {version}, expected 1.6.1")
    torch.set_num_threads(1)
    arrays: dict[str, np.ndarray] = {}
    note: dict[str, Any] = {
        "method": "rl_games' own agents, save and players; see tools/golden_checkpoints.py",
        "commit": "f8f91bcf73cfd8ede2eab70e19dd70162abf9775",
        "versions": {name: importlib.metadata.version(name) for name in ("rl-games", "torch", "numpy")},
        "seeds": "weights and observations: the CRC-32 of their names",
        "layouts": {},
    }
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        folder = Path(name)
        for train in SIZES:
            agent = make_agent(options.original, train, folder)
            note["layouts"][train] = sections = layout(agent.get_full_state_weights())
            set_weights(agent, sections)
            agent.save(str(folder / train))
            player = make_player(options.original, train, folder, folder / f"{train}.pth")
            recorded = play(player, train) | critic_values(agent, train)
            arrays |= {f"{train}/{key}": value for key, value in recorded.items()}
        arrays |= record_example(options.original, folder, options.out)
    file = options.out / "checkpoints.npz"
    np.savez_compressed(file, note=np.array(json.dumps(note)), **arrays)  # type: ignore[arg-type]
    print(f"{file}: {len(arrays)} arrays, {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
