"""The layout of a contract: which fields it has, and what each may contain."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from oige_core.description import Reference

from oige_train.checkpoint_info import CheckpointError

__all__ = ["check_layout"]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


#: What a field may contain, and whether a value is that.
Kind = tuple[str, Callable[[Any], bool]]
TEXT: Kind = ("text", lambda value: isinstance(value, str))
NUMBER: Kind = ("a finite number", _is_number)
OPTIONAL: Kind = ("a finite number or null", lambda value: value is None or _is_number(value))
LIMIT: Kind = ("a number of at least 0 or null", lambda value: value is None or (_is_number(value) and value >= 0))
POSITIVE: Kind = ("a number above 0", lambda value: _is_number(value) and value > 0)
FACTOR: Kind = ("a number other than 0", lambda value: _is_number(value) and value != 0)
SPREAD: Kind = ("a number of at least 0", lambda value: _is_number(value) and value >= 0)
COUNT: Kind = ("a whole number of at least 0", _is_count)
SIZE: Kind = ("a whole number above 0", lambda value: _is_count(value) and value > 0)
ARRAY: Kind = (
    "an array",
    lambda value: isinstance(value, list) or (isinstance(value, dict) and value.keys() == {"shape", "base64"}),
)
INDICES: Kind = ("indices", lambda value: isinstance(value, list) and len(value) > 0 and all(map(_is_count, value)))
SECTION: Kind = ("a section", lambda value: isinstance(value, dict))


def _one_of(*choices: str) -> Kind:
    return " or ".join(choices), lambda value: value in choices


ENTRY = {
    **dict.fromkeys(("name", "quantity", "component", "text", "unit"), TEXT),
    "scale": NUMBER,
    "relative_to": _one_of(*get_args(Reference)),
    **dict.fromkeys(("mean", "minimum", "maximum"), NUMBER),
    "deviation": SPREAD,
    "still": COUNT,
}
JOINT = {
    "name": TEXT,
    "default_position": NUMBER,
    "mode": TEXT,
    **dict.fromkeys(("lower_limit", "upper_limit"), OPTIONAL),
    **dict.fromkeys(("max_effort", "max_velocity"), LIMIT),
    **dict.fromkeys(("stiffness", "damping", "armature"), SPREAD),
}
#: A list of one element stands for any number of such elements, and a longer one for as many.
LAYOUT = {
    "policy": {
        **dict.fromkeys(("file", "sha256", "input", "output"), TEXT),
        "hidden": [{"input": TEXT, "output": TEXT, "shape": [SIZE]}],
    },
    "task": {
        **dict.fromkeys(("name", "package", "version", "train", "summary", "compat"), TEXT),
        "episode_length": SIZE,
        "configuration": SECTION,
    },
    "checkpoint": {"file": TEXT, "sha256": TEXT, "info": SECTION},
    "versions": SECTION,
    "control": {"rate": POSITIVE, "period": POSITIVE, "physics_dt": POSITIVE, "decimation": SIZE},
    "observations": {
        "shape": [SIZE],
        "dtype": _one_of("float32", "uint8"),
        "clip": LIMIT,
        "notes": TEXT,
        "entries": [ENTRY],
    },
    "actions": {
        "kinds": SECTION,
        "bound": LIMIT,
        "clip": LIMIT,
        "notes": TEXT,
        "entries": [{**ENTRY, "kind": TEXT, "offset": NUMBER}],
    },
    "robots": [
        {
            "name": TEXT,
            "links": [TEXT],
            "start_position": [NUMBER] * 3,
            "start_orientation": [NUMBER] * 4,
            "joints": [JOINT],
        }
    ],
    "relations": {
        "derivatives": [{"position": COUNT, "velocity": COUNT, "correlation": POSITIVE, "slope": POSITIVE}],
        "echoes": [{"observation": COUNT, "action": COUNT, "slope": FACTOR}],
        "unit_vectors": [{"entries": INDICES, "length": POSITIVE}],
    },
    "recording": {"steps": SIZE, "worlds": SIZE, "seed": NUMBER, "engine": TEXT},
    "vectors": {"observations": ARRAY, "actions": ARRAY, "final_hidden": [ARRAY], "tolerance": POSITIVE},
}


def check_layout(values: Mapping[str, Any], shown: str) -> None:
    """Compare the fields of a contract with the layout.

    Args:
        values: content of the contract.
        shown: name of the contract in messages.

    Raises:
        CheckpointError: a field is missing or contains something else, numbers of entries do not fit the shape, or a
            relation refers to an entry that does not exist.
    """
    _check(values, LAYOUT, "", shown)
    observations, actions = values["observations"], values["actions"]
    expected, found = observations["shape"][-1] if observations["shape"] else 0, len(observations["entries"])
    if found != expected:
        raise _error(shown, f"observations.entries: has {found} entries", f"{expected}, the last size of the shape")
    numbers = {"position": found, "velocity": found, "observation": found, "action": len(actions["entries"])}
    for name, relations in values["relations"].items():
        for index, relation in enumerate(relations):
            chosen = [(key, relation[key]) for key in numbers if key in relation]
            chosen += [("entries", each) for each in relation.get("entries", ())]
            for key, entry in chosen:
                last = numbers.get(key, found) - 1
                if entry > last:
                    raise _error(shown, f"relations.{name}[{index}].{key}: is {entry}", f"an index of at most {last}")


def _check(value: Any, layout: Any, path: str, shown: str) -> None:
    """Compare a value with its part of the layout: a section, a list, or a kind."""
    if isinstance(layout, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(value, "a section", path, shown)
        for key, inner in layout.items():
            name = f"{path}.{key}" if path else key
            if key not in value:
                raise CheckpointError(f"{shown}: {name}: is missing; export the policy again.")
            _check(value[key], inner, name, shown)
    elif isinstance(layout, list):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise _wrong(value, "a list", path, shown)
        if len(layout) > 1 and len(value) != len(layout):
            raise _wrong(value, f"{len(layout)} numbers", path, shown)
        for index, inner in enumerate(value):
            _check(inner, layout[0], f"{path}[{index}]", shown)
    else:
        expected, fits = layout
        if not fits(value):
            raise _wrong(value, expected, path, shown)


def _wrong(value: Any, expected: str, path: str, shown: str) -> CheckpointError:
    text = json.dumps(value, ensure_ascii=False)
    return _error(shown, f"{path}: is {text if len(text) <= 60 else text[:60] + '…'}", expected)


def _error(shown: str, fault: str, expected: str) -> CheckpointError:
    return CheckpointError(f"{shown}: {fault}, expected {expected}; export the policy again.")
