"""Build networks and learner of FlashSAC from ``train.params``."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from oige_core.tasks import Symmetry

from oige_train.learner.flashsac.learner import Learner, LearnerSettings
from oige_train.learner.flashsac.networks import Actor, Critics
from oige_train.learner.flashsac.replay import Replay
from oige_train.learner.flashsac.targets import RewardScale

__all__ = ["build_actor", "build_learner"]

Shapes = Mapping[str, tuple[int, ...]]


def build_actor(params: Mapping[str, Any], observations: int, actions: int) -> Actor:
    """Return the policy, on the CPU.

    Args:
        params: ``train.params`` as plain values.
        observations: size of an observation.
        actions: size of an action.
    """
    return Actor(observations, actions, **params["network"]["actor"])


def build_learner(
    params: Mapping[str, Any],
    shapes: Shapes,
    actions: int,
    device: torch.device,
    *,
    num_updates: int | None,
    symmetries: Sequence[Symmetry],
) -> Learner:
    """Return the learner.

    Args:
        params: ``train.params`` as plain values.
        shapes: shapes of one world's observations by name: ``obs`` and, for asymmetric critics, ``states``.
        actions: size of an action.
        device: device of everything.
        num_updates: gradient steps until the end of training; None: unknown.
        symmetries: of the task, on the device.
    """
    config, network = params["config"], params["network"]
    num_envs, gamma, limit = config["num_actors"], config["gamma"], config["return_limit"]
    (observations,) = shapes["obs"]
    (seen_by_critics,) = shapes.get("states", shapes["obs"])

    def critics() -> Critics:
        sizes = network["critic"] | {"bins": network["bins"], "limit": limit}
        return Critics(seen_by_critics, actions, **sizes).to(device)

    stored = {**shapes, "action": (actions,), **{f"next_{name}": shape for name, shape in shapes.items()}}
    return Learner(
        build_actor(params, observations, actions).to(device),
        critics(),
        critics(),
        Replay(config["replay_buffer_size"], num_envs, stored, n_step=config["n_step"], gamma=gamma, device=device),
        RewardScale(num_envs, gamma, limit, device),
        LearnerSettings(
            batch_size=config["batch_size"],
            learning_rate=config["learning_rate"],
            final_learning_rate=config["final_learning_rate"],
            num_updates=num_updates,
            alpha_lr=config["alpha_lr"],
            critic_tau=config["critic_tau"],
            init_alpha=config["init_alpha"],
            target_deviation=config["target_deviation"],
            bfloat16=config["mixed_precision"],
        ),
        symmetries if config["symmetry_augmentation"] else (),
    )
