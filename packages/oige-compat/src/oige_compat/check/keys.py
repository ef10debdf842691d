"""Finds what becomes of the keys of YAML files: those of tasks, of training, and of the root."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from oige_core.config.fields import field_type, keys_without_effect
from oige_core.config.schema import RunConfig, SimConfig
from oige_core.errors import ConfigError
from oige_core.randomization.schema import parse_params
from oige_train.schema.run import TrainRunConfig
from oige_train.schema.train import ALGORITHMS, train_sections
from oige_train.schema.unsupported import UNSUPPORTED

from oige_compat.check.files import SourceFile
from oige_compat.check.findings import Finding
from oige_compat.served import Served

__all__ = ["find_in_yaml", "group_of"]

READ = Served("served", "has the same meaning here")
OWN = Served("served", "a key of the task")
UNUSED = Served("approximated", "a key of the task that no code of the code base reads")
NO_EFFECT = Served("approximated", "of PhysX or of the application; has no effect here")
NOT_A_KEY = Served("approximated", "no key of OmniIsaacGymEnvs; has no effect")
NOT_TRAINED = Served("approximated", "oige-train does not have this key; a script of rl_games may read it")
SIM_KEYS = {field.name for field in dataclasses.fields(SimConfig)}
ACTOR = ("enable_self_collisions", "density", "make_kinematic", "mass")
"""Keys of an actor that have an effect here."""


def group_of(file: SourceFile, content: object) -> str:
    """Return ``task``, ``train``, ``root`` or an empty string for the contents of a YAML file."""
    if not isinstance(content, Mapping):
        return ""
    if isinstance(content.get("params"), Mapping) and "algo" in content["params"]:
        return "train"
    if "env" in content and ("sim" in content or "name" in content):
        return "task"
    return "root" if "task_name" in content else ""


def find_in_yaml(file: SourceFile, strings: set[str]) -> Iterator[Finding]:
    """Yield the keys of a YAML file of OmniIsaacGymEnvs; nothing for other YAML files.

    Args:
        file: the file.
        strings: all strings and names of attributes in the Python code, with which it may read keys.
    """
    try:
        node = yaml.compose(file.text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(file.text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or type(error).__name__
        yield Finding("file", file.name, "missing", f"not YAML: {problem}", file.name, mark.line + 1 if mark else 1)
        return
    group = group_of(file, content)
    if not group or not isinstance(node, yaml.MappingNode):
        return
    prefix = "" if group == "root" else f"{group}."
    for key, line in _leaves(node, prefix):
        if group == "root" and key.startswith("hydra."):
            continue
        served = _state(key, group, content, strings)
        yield Finding("key", key, served.state, served.text, file.name, line)
    if group == "task":
        yield from _randomization(file, content, node)


def _leaves(node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield dotted keys of values and their lines."""
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode) and value.value:
            if name != "task.domain_randomization.randomization_params":
                yield from _leaves(value, f"{name}.")
        elif key.value != "defaults":
            yield name, key.start_mark.line + 1


def _state(key: str, group: str, content: Mapping[str, Any], strings: set[str]) -> Served:
    parts = key.split(".")
    if group == "train":
        return _train(key, parts, content)
    if group == "root":
        return READ if field_type(TrainRunConfig, key, {}) is not None else _own(parts[-1], strings)
    if parts[1] == "sim" and len(parts) > 3 and parts[2] not in SIM_KEYS:
        return _actor(key, parts, content)
    if parts[1] == "sim" and parts[2] not in SIM_KEYS:
        return NOT_A_KEY
    if parts[1] == "env" and len(parts) > 3:
        return _own(parts[2], strings)
    if field_type(RunConfig, key, {}) is None:
        return NOT_A_KEY if parts[1] == "sim" else _own(parts[-1], strings)
    if keys_without_effect(RunConfig, [key], {}, "mujoco"):
        return NO_EFFECT
    return READ


def _actor(key: str, parts: list[str], content: Mapping[str, Any]) -> Served:
    section = content["sim"][parts[2]]
    if not isinstance(section, Mapping) or field_type(RunConfig, key, {}) is None:
        return NOT_A_KEY
    return READ if parts[3] in ACTOR else NO_EFFECT


def _own(name: str, strings: set[str]) -> Served:
    return OWN if name in strings else UNUSED


def _train(key: str, parts: list[str], content: Mapping[str, Any]) -> Served:
    algorithm = content["params"]["algo"].get("name") if isinstance(content["params"]["algo"], Mapping) else None
    if algorithm not in ALGORITHMS:
        known = ", ".join(sorted(ALGORITHMS))
        return Served("approximated", f"oige-train does not have the algorithm {algorithm}; it has {known}")
    if parts[1:3] == ["params", "config"] and parts[3] in UNSUPPORTED:
        return Served("approximated", f"oige-train does not have this key: {UNSUPPORTED[parts[3]]}")
    if field_type(TrainRunConfig, key, train_sections(algorithm)) is None:
        return NOT_TRAINED
    return READ


def _randomization(file: SourceFile, content: Mapping[str, Any], node: yaml.MappingNode) -> Iterator[Finding]:
    """Yield the section of domain randomisation as one key."""
    section = content.get("domain_randomization")
    params = section.get("randomization_params") if isinstance(section, Mapping) else None
    if not params:
        return
    line = next(key.start_mark.line + 1 for key, _ in node.value if key.value == "domain_randomization")
    name = "task.domain_randomization.randomization_params"
    try:
        parse_params(params)
    except ConfigError as error:
        yield Finding("key", name, "missing", str(error).rstrip("."), file.name, line)
    else:
        yield Finding("key", name, READ.state, READ.text, file.name, line)
