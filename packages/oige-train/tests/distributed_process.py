"""What the processes of ``test_distributed`` do: collectives, normalisers, minibatches and short trainings."""

from pathlib import Path
from typing import Any

import pytest
import torch
from fake_env import FakeEnv, make_run
from oige_core.errors import OigeError
from oige_train.learner.agent import Session
from oige_train.learner.build import build_agent
from oige_train.learner.distributed import Workers
from oige_train.learner.normalisers import normalised
from oige_train.learner.ppo.normaliser import Normaliser
from oige_train.learner.progress import Observer
from rl_games.algos_torch.running_mean_std import RunningMeanStd

#: Agents whose learners must agree, by name.
AGENTS: dict[str, dict[str, Any]] = {
    "adaptive": {
        "lr_schedule": "adaptive",
        "schedule_type": "standard",
        "kl_threshold": 0.002,
        "shuffle_minibatches": True,
    },
    "per_minibatch": {"lr_schedule": "adaptive", "schedule_type": "legacy", "kl_threshold": 0.002},
    "critic": {"num_states": 5, "truncate_grads": True, "grad_norm": 0.5},
    "recurrent": {"num_states": 5, "recurrent": True},
}


#: Samples of the gradient step that all processes together take.
SAMPLES = 96


class RandomEnv(FakeEnv):
    """Observations, states, rewards and ends of episodes are random, and differ between seeds."""

    def __init__(self, num_envs: int, num_states: int, seed: int) -> None:
        super().__init__(num_envs, num_states)
        self.generator = torch.Generator().manual_seed(seed)

    def _normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self.generator)

    def _observe(self) -> torch.Tensor:
        return self._normal(self.num_envs, 3) * 3.0 + 7.0

    def _info(self) -> dict[str, Any]:
        return {"states": self._normal(self.num_envs, self.num_states) - 2.0} if self.num_states else {}

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        observations, _, _, truncated, info = super().step(actions)
        return observations, self._normal(self.num_envs), self._normal(self.num_envs) > 1.0, truncated, info


def make_agent(workers: Workers, num_envs: int, folder: Path, *, seed: int = 0, **changes: Any) -> Any:
    """Return an agent whose initial weights depend on its process."""
    torch.manual_seed(workers.rank)
    run = make_run(num_envs, **changes)
    env = RandomEnv(num_envs, changes.get("num_states", 0), seed=seed)
    return build_agent(Session(run=run, workers=workers), env, Observer(), folder=folder)


def check_collectives(workers: Workers) -> None:
    """Compare each collective with its result by hand."""
    rank, size = workers.rank, workers.size
    last = size - 1
    tensors = [torch.tensor([1.0, 2.0]) * (rank + 1), torch.tensor(10.0) * rank]
    workers.average(tensors)
    assert [tensor.tolist() for tensor in tensors] == [[1 + last / 2, 2 + last], 5.0 * last], tensors
    assert workers.largest(rank - 0.5) == last - 0.5
    assert workers.any(rank == last)
    assert not workers.any(False)
    assert workers.sum(torch.tensor([rank, 1])).tolist() == [last * size // 2, size]
    assert workers.decide(lambda: f"of {rank}") == "of 0"

    def refuse() -> None:
        raise OigeError(f"refused by {rank}")

    with pytest.raises(OigeError, match=r"^refused by 0$"):
        workers.decide(refuse)


def check_statistics(workers: Workers) -> None:
    """Compare the statistics of a normaliser, and its output, with one that sees the samples of all processes."""
    generator = torch.Generator().manual_seed(1)
    rounds = torch.randn(3, workers.size, 40, 5, generator=generator) * 3.0 + 7.0
    rounds += torch.arange(workers.size).view(-1, 1, 1)
    mine = Normaliser(RunningMeanStd((5,)), workers)
    everyone = RunningMeanStd((5,))
    for parts in rounds:
        whole = everyone(parts.flatten(0, 1)).unflatten(0, parts.shape[:2])
        mine.update(parts[workers.rank])
        torch.testing.assert_close(mine.normalise(parts[workers.rank]), whole[workers.rank])
    for name, value in everyone.state_dict().items():
        torch.testing.assert_close(mine.module.state_dict()[name], value, rtol=1e-6, atol=1e-6)
    assert everyone.count == 1 + 3 * 40 * workers.size
    values = rounds[0, :, :, 0]
    whole = (values - values.mean()) / (values.std() + 1e-8)
    torch.testing.assert_close(normalised(values[workers.rank], workers), whole[workers.rank])


def hand_made_rollout(worlds: slice, count: int) -> dict[str, torch.Tensor]:
    """Return eight steps of some of ``count`` worlds, by the names of a rollout's tensors."""
    generator = torch.Generator().manual_seed(2)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    mu = normal(8, count, 2) * 0.3
    steps = {
        "obs": normal(8, count, 3) * 3.0 + 7.0,
        "states": normal(8, count, 5) - 2.0,
        "rewards": normal(8, count) * 2.0 + 1.0,
        "values": normal(9, count),
        "mu": mu,
        "actions": mu + normal(8, count, 2),
    }
    return {name: values[:, worlds].clone() for name, values in steps.items()}


def take_step(workers: Workers, folder: Path, size: int) -> dict[str, torch.Tensor]:
    """Take a gradient step on a fraction of the worlds; return gradients and statistics of normalisers."""
    count = SAMPLES // size
    sizes = {"horizon_length": 8, "minibatch_size": count, "mini_epochs": 1, "num_states": 5, "truncate_grads": True}
    agent = make_agent(workers, count // 8, folder, **sizes, grad_norm=0.05)
    torch.manual_seed(3)
    for network in agent._networks():
        for tensor in network.parameters():
            tensor.data.copy_(torch.randn(tensor.shape) * 0.3)
    agent.central_value_net.mini_epoch, agent.central_value_net.minibatch_size = 1, count
    agent.env_reset()
    agent.init_tensors()
    agent.set_train()
    rank = workers.rank
    steps = hand_made_rollout(slice(rank * count // 8, (rank + 1) * count // 8), SAMPLES // 8)
    rollout = agent.rollout
    rollout.inputs = {name: steps[name] for name in ("obs", "states")}
    rollout.policy = {"actions": steps["actions"], "mu": steps["mu"], "raw": torch.full((8, 2), -0.1)}
    rollout.rewards, rollout.values = steps["rewards"], steps["values"]
    agent.collector.evaluate_ends = lambda _: None
    agent._prepare_samples()
    agent._train_critic(agent._critic)
    agent._train_policy()
    result = {"divergence": agent.update.terms[0]}
    for name, network in (("policy", agent.model), ("critic", agent.central_value_net.model)):
        result |= {
            f"{name} {key}": parameter.grad
            for key, parameter in network.named_parameters()
            if parameter.grad is not None
        }
        result |= {f"{name} {key}": buffer for key, buffer in network.named_buffers()}
    return {key: value.clone() for key, value in result.items()}


def train(workers: Workers, folder: Path) -> dict[str, Any]:
    """Train each of the agents for a few epochs and return the states of their learners."""
    states = {}
    for name, changes in AGENTS.items():
        agent = make_agent(workers, 4, folder / name, seed=workers.rank, **changes, max_epochs=5, save_best_after=1)
        agent.train()
        states[name] = {
            "networks": [network.state_dict() for network in agent._networks()],
            "moments": [optimiser.state_dict()["state"] for optimiser in agent.optimisers()],
            "scalars": [
                float(value)
                for value in (
                    agent.last_lr,
                    agent.entropy_coef,
                    agent.mean_reward(),
                    agent.last_mean_rewards,
                    agent.frame,
                )
            ],
            "observations": agent.obs["obs"],
        }
    return states


def main() -> None:
    folder = Path.cwd()
    workers = Workers.join("cpu", {})
    check_collectives(workers)
    check_statistics(workers)
    step = take_step(workers, folder / "step", workers.size)
    torch.save({"step": step, "agents": train(workers, folder)}, f"rank{workers.rank}.pth")
    workers.leave()


if __name__ == "__main__":
    main()
