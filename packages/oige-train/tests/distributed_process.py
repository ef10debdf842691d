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
from oige_train.learner.normalisers import normalised, share_statistics
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
    mine = torch.nn.Sequential(torch.jit.script(RunningMeanStd((5,))))
    everyone = RunningMeanStd((5,))
    share_statistics(mine, workers)
    for parts in rounds:
        whole = everyone(parts.flatten(0, 1)).unflatten(0, parts.shape[:2])
        torch.testing.assert_close(mine(parts[workers.rank]), whole[workers.rank])
    for name, value in everyone.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[f"0.{name}"], value, rtol=1e-6, atol=1e-6)
    assert everyone.count == 1 + 3 * 40 * workers.size
    values = rounds[0, :, :, 0]
    whole = (values - values.mean()) / (values.std() + 1e-8)
    torch.testing.assert_close(normalised(values[workers.rank], workers), whole[workers.rank])


def minibatch(agent: Any, rows: slice, count: int) -> dict[str, torch.Tensor]:
    """Return rows of ``count`` hand-made samples of an epoch, as rl_games hands them to ``prepare_dataset``."""
    generator = torch.Generator().manual_seed(2)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator)

    mus = normal(2) * 0.3
    samples = {
        "obses": normal(3) * 3.0 + 7.0,
        "states": normal(5) - 2.0,
        "returns": normal(1) * 2.0 + 1.0,
        "values": normal(1),
        "mus": mus,
        "sigmas": torch.full((count, 2), 0.9),
        "actions": mus + normal(2),
        "neglogpacs": normal().abs() + 1.0,
        "dones": torch.zeros(count),
    }
    return {name: values[rows] for name, values in samples.items()}


def take_step(workers: Workers, folder: Path, size: int) -> dict[str, torch.Tensor]:
    """Take a gradient step on a fraction of the samples; return gradients and statistics of normalisers."""
    count = SAMPLES // size
    sizes = {"horizon_length": 8, "minibatch_size": count, "mini_epochs": 1, "num_states": 5, "truncate_grads": True}
    agent = make_agent(workers, count // 8, folder, **sizes, grad_norm=0.05)
    torch.manual_seed(3)
    for network in agent._networks():
        for tensor in network.parameters():
            tensor.data.copy_(torch.randn(tensor.shape) * 0.3)
    agent.init_tensors()
    agent.env_reset()
    agent.set_train()
    critic = agent.central_value_net
    critic.mini_epoch, critic.dataset.batch_size, critic.dataset.minibatch_size, critic.dataset.length = (
        1,
        count,
        count,
        1,
    )
    agent.prepare_dataset(minibatch(agent, slice(workers.rank * count, (workers.rank + 1) * count), SAMPLES))
    agent.train_central_value()
    divergence = agent.train_actor_critic(agent.dataset[0])[3]
    result = {"divergence": divergence}
    for name, network in (("policy", agent.model), ("critic", critic.model)):
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
    workers = Workers.join("cpu")
    check_collectives(workers)
    check_statistics(workers)
    step = take_step(workers, folder / "step", workers.size)
    torch.save({"step": step, "agents": train(workers, folder)}, f"rank{workers.rank}.pth")
    workers.leave()


if __name__ == "__main__":
    main()
