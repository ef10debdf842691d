"""Trained policies in task packages: ``checkpoint=pretrained``.

A package has them in ``<package>/pretrained/``: ``<Task>.pth``, a checkpoint without the state that only training
needs, and ``<Task>.json``, a :class:`PolicyCard`. ``tools/publish_policy.py`` writes both.
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from oige_core.registry import installed_tasks
from oige_core.spec import InstalledTask
from omegaconf import DictConfig, OmegaConf

from oige_train.checkpoint import CheckpointError
from oige_train.download import content_hash

__all__ = ["PRETRAINED", "PolicyCard", "find_pretrained", "notes_on_card", "policy_files", "read_card"]

#: Value of ``checkpoint=`` that stands for the policy of the task's package.
PRETRAINED = "pretrained"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolicyCard:
    """Origin and quality of a policy.

    Attributes:
        task: name of the task.
        train: name of its training configuration.
        seed: seed of the training run.
        steps: environment steps that it was trained for.
        mean_return: mean return when played, without exploration noise, over ``games`` episodes from seed 42.
        games: number of those episodes.
        sha256: SHA-256 of the checkpoint file, in hexadecimal.
        machine: the machine that it was trained on.
        date: date of the training, as ISO 8601.
        configuration: the resolved configuration of the training run.
    """

    task: str
    train: str
    seed: int
    steps: int
    mean_return: float
    games: int
    sha256: str
    machine: str
    date: str
    configuration: dict[str, Any]


def policy_files(task: InstalledTask) -> tuple[Path, Path]:
    """Return the paths of a task's policy and its card, which need not exist."""
    folder = task.cfg.parent / PRETRAINED
    return folder / f"{task.name}.pth", folder / f"{task.name}.json"


def read_card(task: InstalledTask) -> PolicyCard:
    """Return the card of the policy that came with a task; its files must exist.

    Raises:
        CheckpointError: it is damaged.
    """
    card_file = policy_files(task)[1]
    try:
        return PolicyCard(**json.loads(card_file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"checkpoint=pretrained: {card_file} is damaged ({error}); reinstall {task.package}."
        ) from error


def find_pretrained(task: InstalledTask, train: str) -> Path:
    """Return the file of the policy that came with a task.

    Args:
        task: the task.
        train: name of the training configuration of the run, which describes the network.

    Raises:
        CheckpointError: there is none, it is damaged, or it was trained with another training configuration.
    """
    file, card_file = policy_files(task)
    if not file.is_file() or not card_file.is_file():
        others = [other.name for other in installed_tasks().values() if policy_files(other)[0].is_file()]
        hint = f"there are policies for {', '.join(others)}" if others else "no installed package has any"
        raise CheckpointError(f"checkpoint=pretrained: {task.package} has no policy for {task.name}; {hint}.")
    card = read_card(task)
    if content_hash(file) != card.sha256:
        raise CheckpointError(f"checkpoint=pretrained: {file} is damaged; reinstall {task.package}.")
    if card.train != train:
        raise CheckpointError(
            f"checkpoint=pretrained: the policy for {task.name} was trained with train={card.train}, not {train}; "
            "leave train= out."
        )
    return file


def notes_on_card(card: PolicyCard, cfg: DictConfig, overridden: Iterable[str]) -> list[str]:
    """Return a note if overrides of the task differ from what a policy was trained with.

    Args:
        card: of the policy.
        cfg: root of the composed configuration.
        overridden: dotted keys that the user overrides now.
    """
    trained = OmegaConf.create(card.configuration)
    changes = []
    for key in sorted(overridden):
        value, former = (OmegaConf.select(each, key) for each in (cfg, trained))
        if key.startswith("task.") and key != "task.env.numEnvs" and former is not None and value != former:
            changes.append(f"{key}={value} instead of {former}")
    return [f"checkpoint=pretrained: was trained with other settings: {', '.join(changes)}"] if changes else []
