"""Settings that the user changes when a run is resumed take effect; the rest of its state continues.

A checkpoint contains the settings that were configured when it was written. State that depends on a setting, such as an
adaptive learning rate, is restored only if that setting is unchanged.
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from oige_train.config import Run

__all__ = [
    "EPISODE_SETTINGS",
    "changed_settings",
    "flat",
    "keeping_configured",
    "settings_of",
    "settings_without_effect",
]

SECTION = "train.params"
#: If one of these was changed, new episodes begin.
EPISODE_SETTINGS = frozenset({"seed", "config.stagger_episodes"})


def settings_of(run: Run, names: Iterable[str]) -> dict[str, Any]:
    """Return settings by dotted name below ``train.params``: ``names``, those of episodes and those of the network.

    Args:
        run: the checked run.
        names: dotted names below ``train.params``; names in a section that is not configured are left out.
    """
    every = flat(dataclasses.asdict(run.config.train.params))
    wanted = {*names, *EPISODE_SETTINGS}
    return {name: value for name, value in every.items() if name in wanted or name.startswith("network.")}


def changed_settings(run: Run, former: Mapping[str, Any] | None, now: Mapping[str, Any]) -> set[str]:
    """Return the names of settings that were changed since a checkpoint was written.

    Args:
        run: the run that resumes it.
        former: its settings; None if plain rl_games wrote it: the user's overrides then count as changed.
        now: the settings of this run.
    """
    if former is None:
        keys = {override.partition("=")[0] for override in run.record.overrides}
        return {name for name in now if f"{SECTION}.{name}" in keys or (name == "seed" and "seed" in keys)}
    return {name for name in now.keys() | former.keys() if now.get(name) != former.get(name)}


def settings_without_effect(changed: Iterable[str]) -> list[str]:
    """Return the full names of those settings that only affect initial weights, which a checkpoint replaces."""
    return sorted(f"{SECTION}.{name}" for name in changed if "_init" in name or "initializer" in name)


@contextlib.contextmanager
def keeping_configured(optimisers: Iterable[torch.optim.Optimizer]) -> Iterator[None]:
    """Keep the settings of optimisers that load their state in the block."""
    configured = [
        (optimiser, [{name: value for name, value in group.items() if name != "params"} for group in groups])
        for optimiser in optimisers
        if (groups := optimiser.param_groups)
    ]
    yield
    for optimiser, settings in configured:
        for group, values in zip(optimiser.param_groups, settings, strict=True):
            group.update(values)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted key."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result
