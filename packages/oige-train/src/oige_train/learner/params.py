"""The checked training configuration as the nested dictionary that rl_games reads."""

import dataclasses
from typing import Any

from oige_train.schema import TrainParams

__all__ = ["rl_games_params"]


def rl_games_params(params: TrainParams) -> dict[str, Any]:
    """Return the dictionary. Keys whose value is None are left out, because rl_games tests for the presence of keys.

    ``multi_gpu`` is always False: oige-train synchronises the processes, not rl_games. ``mixed_precision`` is False on
    the CPU, where rl_games would compute some terms in 16 bits but not others.
    """
    plain = _plain(params)
    plain["config"]["multi_gpu"] = False
    plain["config"]["print_stats"] = False
    if params.config.device == "cpu":
        for section in (plain["config"], plain["config"].get("central_value_config", {})):
            section["mixed_precision"] = False
    return plain


def _plain(section: Any) -> dict[str, Any]:
    values = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            values[field.name] = _plain(value)
        elif value is not None:
            values[field.name] = list(value) if isinstance(value, list) else value
    return values
