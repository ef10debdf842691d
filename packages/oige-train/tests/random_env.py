"""An environment of random observations, rewards and endings, and agents of every kind that learn in it."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from fake_env import FakeEnv, build, make_run
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from oige_core.tasks import SignedPermutation, Symmetry
from oige_train.schema import CentralValueConfig, CnnConfig, ContinuousConfig, MlpConfig, NetworkConfig, SpaceConfig

MIRROR = Symmetry(SignedPermutation.of([-1.0, 1.0, -1.0], [2, 1, 0]), SignedPermutation.of([-1.0, 1.0], [1, 0]))
#: Two layers of convolution for images of 6 × 5 pixels.
CNN = CnnConfig(convs=[{"filters": 4, "kernel_size": 2, "strides": 1, "padding": 0}] * 2)


class RandomEnv(FakeEnv):
    """Pays for actions that are like the observation; a tenth of the episodes ends in each step, in either way.

    Its random stream is its own, so that learners with the same actions see the same.

    Args:
        num_envs: number of worlds.
        num_states: size of the privileged state.
        images: observe images of 6 × 5 pixels with three channels.
        endings: probability that an episode terminates, and that it is truncated, in each step.
        device: where the worlds are.
    """

    symmetries = (MIRROR,)
    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        num_envs: int,
        num_states: int = 0,
        *,
        images: bool = False,
        endings: tuple[float, float] = (0.1, 0.1),
        device: str = "cpu",
    ) -> None:
        super().__init__(num_envs, num_states)
        self.device = torch.device(device)
        self.probabilities = endings
        if images:
            self.single_observation_space = spaces.Box(0, 255, (6, 5, 3), np.uint8)
        self.images = images
        self.generator = torch.Generator().manual_seed(7)

    def _uniform(self, *shape: int) -> torch.Tensor:
        return torch.rand(self.num_envs, *shape, generator=self.generator)

    def _observe(self) -> torch.Tensor:
        if self.images:
            self.shown = (self._uniform(6, 5, 3) * 256).to(torch.uint8)
        else:
            self.shown = self._uniform(3) * 4.0 - 1.0
        return self.shown.to(self.device)

    def _states(self) -> torch.Tensor:
        return (self._uniform(self.num_states) * 3.0 + 5.0).to(self.device)

    def _info(self) -> dict[str, Any]:
        return {"states": self._states()} if self.num_states else {}

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        self.steps += 1
        self.actions.append(actions.clone())
        wanted = self.shown.flatten(1)[:, :2].float()
        rewards = 1.0 - (actions.cpu() - wanted / wanted.abs().max()).square().sum(1)
        terminated, truncated = (self._uniform() < probability for probability in self.probabilities)
        final = {"final_obs": self._observe()} | ({"final_states": self._states()} if self.num_states else {})
        outcome = [each.to(self.device) for each in (rewards, terminated, truncated)]
        return self._observe(), *outcome, self._info() | final

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"random": self.generator.get_state(), "shown": self.shown}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.generator.set_state(state["random"].cpu())
        self.shown = state["shown"].cpu()


def network(*, fixed_sigma: bool = True, units: tuple[int, ...] = (16, 8), **changes: Any) -> NetworkConfig:
    """Return the section of a network whose weights are not small.

    Args:
        fixed_sigma: the deviation does not depend on the observation.
        units: of the layers.
        changes: of the section.
    """
    initial: dict[str, Any] = {"name": "orthogonal_initializer", "gain": 1.4}
    values = {"name": "random_uniform_initializer", "a": -0.6, "b": -0.2}
    mlp = {"units": list(units), "initializer": initial} | changes.pop("mlp", {})
    space = SpaceConfig(
        continuous=ContinuousConfig(
            mu_init=initial, sigma_init=values if fixed_sigma else initial, fixed_sigma=fixed_sigma
        )
    )
    return NetworkConfig(**{"name": "actor_critic", "mlp": MlpConfig(**mlp), "space": space} | changes)


def critic(**changes: Any) -> CentralValueConfig:
    """Return the section of an asymmetric critic."""
    values: dict[str, Any] = {"learning_rate": 1e-3, "mini_epochs": 2, "clip_value": True, "normalize_input": True}
    net = network(central_value=True, **changes.pop("network", {}))
    net.space = None
    return CentralValueConfig(**{"network": net, "minibatch_size": 32} | values | changes)


def random_agent(folder: Path, env: RandomEnv, *, model: str = "continuous_a2c_logstd", **changes: Any) -> Any:
    """Return an agent.

    Args:
        folder: of its files.
        env: its environment.
        model: name of the model.
        changes: see ``make_run``.
    """
    changes = {"network": network()} | changes
    if env.num_states:
        changes = {"central_value_config": critic()} | changes
    run = make_run(env.num_envs, num_states=env.num_states, **changes)
    run.config.train.params.model.name = model
    run.config.train.params.config.device = run.config.rl_device = str(env.device)
    return build(run, env, folder)


def played(agent: Any, epochs: int) -> Any:
    """Train an agent for some epochs and return it."""
    if agent.obs is None:
        agent.init_tensors()
        agent.obs = agent.env_reset()
    for _ in range(epochs):
        agent.update_epoch()
        agent.train_epoch()
    return agent


def state_of(agent: Any) -> dict[str, torch.Tensor]:
    """Return copies of all tensors that training changes."""
    return {name: tensor.detach().clone() for name, tensor in agent.learner_tensors().items()}
