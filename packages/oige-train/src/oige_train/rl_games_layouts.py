"""Convert the checkpoints of all versions of rl_games to the layout of the installed one.

Up to version 1.2, the statistics of observations and values are entries of their own, and the asymmetric critic has no
model around its network. Up to version 1.4, the weights of recurrent cells have shorter names. With ``torch_compile``,
names contain a prefix.
"""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["to_installed_layout"]

#: Part of the names of weights that ``torch.compile`` inserts.
COMPILED = "_orig_mod."
#: Entries of old files with the statistics of a normaliser, and the name of that normaliser in the model.
STATISTICS = {"running_mean_std": "running_mean_std", "reward_mean_std": "value_mean_std"}
CRITIC = "assymetric_vf_nets"
#: Entries that rl_games expects when it resumes a run, and that some of its versions do not write.
COUNTS = ("epoch", "frame")


def to_installed_layout(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a checkpoint in the layout of the installed rl_games; that of our own is not changed.

    Args:
        state: content of a checkpoint of any version of rl_games.
    """
    result: dict[str, Any] = {
        name: _renamed(entry) if isinstance(entry, Mapping) else entry for name, entry in state.items()
    }
    model = result.get("model")
    if isinstance(model, dict):
        for name, normaliser in STATISTICS.items():
            _add_statistics(model, normaliser, result.get(name))
    critic = result.get(CRITIC)
    if isinstance(critic, dict):
        result[CRITIC] = _wrapped_critic(critic, result.get("reward_mean_std"))
    if "optimizer" in result or "actor_optimizer" in result:
        for name in COUNTS:
            result.setdefault(name, 0)
    return result


def _renamed(weights: Mapping[Any, Any]) -> dict[Any, Any]:
    return {_name(name) if isinstance(name, str) else name: value for name, value in weights.items()}


def _name(name: str) -> str:
    return re.sub(r"(?<!rnn)(^|\.)((?:[ac]_)?rnn)\.((?:weight|bias)_)", r"\1\2.rnn.\3", name.replace(COMPILED, ""))


def _add_statistics(model: dict[str, Any], normaliser: str, statistics: Any) -> None:
    """Add the statistics of a normaliser to a model that has none."""
    if isinstance(statistics, Mapping) and f"{normaliser}.running_mean" not in model:
        model |= {f"{normaliser}.{name}": value for name, value in statistics.items()}


def _wrapped_critic(critic: dict[str, Any], value_statistics: Any) -> dict[str, Any]:
    """Return the weights of an asymmetric critic with the names of a network within a model."""
    if any(name.startswith("model.a2c_network.") for name in critic):
        return critic
    renamed = {
        re.sub(r"^model\.", "model.a2c_network.", name)
        if name.startswith("model.")
        else re.sub(r"^running_mean_std\.", "model.running_mean_std.", name): value
        for name, value in critic.items()
    }
    _add_statistics(renamed, "model.value_mean_std", value_statistics)
    return renamed
