"""A learner whose networks are no longer finite stops and keeps its good checkpoints."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from oige_train.checkpoint import CheckpointInfo, load_checkpoint, read_info, save_checkpoint
from oige_train.learner.divergence import largest_value, learner_tensors, non_finite_names

CARTPOLE = ("num_envs=16", "seed=3", "sim_device=cpu", "task.env.episodeLength=8")
CONFIG = "train.params.config"


def checkpoints(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.pth"))


@pytest.mark.parametrize("old", [False, True])
def test_largest_value_of_many_tensors(old: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if old:  # as before PyTorch 2.6
        monkeypatch.delattr(torch.nn.utils, "get_total_norm", raising=False)
    tensors = [torch.tensor([[1.0, -7.5], [3.0, 0.0]]), torch.tensor(2.0, dtype=torch.float64)]
    assert largest_value(tensors) == 7.5
    assert largest_value([*tensors, torch.tensor([-torch.inf])]) == torch.inf
    assert largest_value([torch.tensor([torch.nan, 1.0]), *tensors]).isnan()


def test_non_finite_weights_buffers_and_moments_are_found() -> None:
    linear, norm = torch.nn.Linear(2, 1, bias=False), torch.nn.BatchNorm1d(1)
    network = torch.nn.Sequential(linear, norm)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.randn(4, 2)).sum().backward()
    optimiser.step()
    tensors = learner_tensors({"net": network}, [optimiser])
    assert non_finite_names(tensors) == []
    damaged = {
        "net.0.weight": linear.weight,
        "net.1.running_var": norm.running_var,
        "optimiser 0, exp_avg_sq of parameter 1": optimiser.state[norm.weight]["exp_avg_sq"],
    }
    for value in (math.nan, math.inf, -math.inf):
        for name, tensor in damaged.items():
            before = tensor.detach().clone()
            tensor.data.view(-1)[0] = value
            assert non_finite_names(tensors) == [name]
            tensor.data.copy_(before)
    linear.weight.data.fill_(1e20)
    assert non_finite_names(tensors) == []
    assert non_finite_names(tensors, 1e19) == ["net.0.weight"]


def test_diverging_ppo_names_the_last_good_checkpoint(program, monkeypatch) -> None:
    spoil_rewards_from_step(monkeypatch, 16 * 3 + 5)  # of epoch 4
    outcome = program(*CARTPOLE, "max_iterations=9", f"{CONFIG}.save_frequency=2", f"{CONFIG}.save_best_after=1")
    assert outcome.code == 2
    error = outcome.err.splitlines()[-1]
    assert error.startswith("error: training diverged in epoch 4: policy.")
    (last,) = Path("runs/Cartpole/nn").glob("last_*")
    assert last.name.startswith("last_Cartpole_ep_2_")
    assert f"the last good checkpoint is {last}. Try a lower train.params.config.learning_rate (" in error
    for file in Path("runs/Cartpole/nn").iterdir():
        assert all(tensor.isfinite().all() for tensor in load_checkpoint(file, "cpu")["model"].values())


def spoil_rewards_from_step(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    """Let the learner get a NaN as the reward of world 0 from a control step on, counted from 1."""
    from oige_train.learner.environment import RlGamesEnv

    step, calls = RlGamesEnv.step, []

    def spoilt(self: RlGamesEnv, actions: torch.Tensor) -> Any:
        observations, rewards, *rest = step(self, actions)
        calls.append(1)
        if len(calls) >= first:
            rewards = rewards.clone()
            rewards[0] = math.nan
        return (observations, rewards, *rest)

    monkeypatch.setattr(RlGamesEnv, "step", spoilt)


def test_diverging_sac_names_the_last_good_checkpoint(program) -> None:
    outcome = program(
        "task=AntSAC",
        "num_envs=8",
        "sim_device=cpu",
        "max_iterations=9",
        f"{CONFIG}.num_warmup_steps=2",
        f"{CONFIG}.batch_size=16",
        f"{CONFIG}.replay_buffer_size=1000",
        f"{CONFIG}.save_frequency=1",
        f"{CONFIG}.actor_lr=1e30",
    )
    assert outcome.code == 2
    error = outcome.err.splitlines()[-1]
    # One update makes weights of 1e30, which are finite; the policy that they make is not.
    assert error.startswith("error: training diverged in epoch 3: actor and critics.sac_network.actor.")
    assert (
        "runs/AntSAC/nn/last_AntSAC_ep_2_rew_none.pth. Try lower rates in train.params.config: actor_lr (1e+30" in error
    )
    assert checkpoints(Path("runs/AntSAC/nn")) == ["last_AntSAC_ep_1_rew_none.pth", "last_AntSAC_ep_2_rew_none.pth"]


def test_other_errors_are_not_reported_as_divergence(program, monkeypatch) -> None:
    from oige_train.learner.environment import RlGamesEnv

    def fail(*_: Any) -> Any:
        raise RuntimeError("engine on fire")

    monkeypatch.setattr(RlGamesEnv, "step", fail)
    with pytest.raises(RuntimeError, match="engine on fire"):
        program(*CARTPOLE, "max_iterations=1")


def test_non_finite_checkpoint_is_refused(program) -> None:
    program(*CARTPOLE, "max_iterations=1")
    (last,) = Path("runs/Cartpole/nn").glob("last_*")
    state, info = load_checkpoint(last, "cpu"), read_info(last, "x")
    assert isinstance(info, CheckpointInfo)
    state["model"]["a2c_network.mu.weight"][0, 0] = math.nan
    save_checkpoint(last, state, info)
    for arguments in ((), ("test=True",)):
        outcome = program(*CARTPOLE, "max_iterations=2", f"checkpoint={last}", *arguments)
        assert outcome.code == 2
        assert f"error: checkpoint={last}: " in outcome.err.splitlines()[-1]
        assert "a2c_network.mu.weight is not finite" in outcome.err.splitlines()[-1]
