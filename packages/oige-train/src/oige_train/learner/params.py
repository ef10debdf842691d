"""The checked training configuration as the nested dictionary that rl_games reads."""

import dataclasses
from typing import Any

from oige_train.schema import TrainParams

__all__ = ["rl_games_params"]


def rl_games_params(params: TrainParams) -> dict[str, Any]:
    """Return a fresh dictionary; a key that is None is left out, as rl_games asks whether a key is there.

    ``multi_gpu`` is always False in it: processes are synchronised here, not by rl_games.
    """
    plain = _plain(params)
    plain["config"]["multi_gpu"] = False
    plain["config"]["print_stats"] = False
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
