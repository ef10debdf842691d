"""Writes the record, the configuration class and the YAML files of a ported task."""

import copy
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import yaml
from oige_core.config.schema import EnvConfig, MujocoConfig
from oige_core.errors import ConfigError
from oige_core.randomization.schema import parse_params
from oige_core.registry import load_config

from oige_compat.port.constructor import Constructor
from oige_compat.port.scenes import TaskScene
from oige_compat.port.sources import Source
from oige_compat.robots import find_robot

__all__ = ["config_module", "own_keys", "solver_step", "task_yaml", "train_yaml"]

LENGTHS = ("episodeLength", "maxEpisodeLength")
INHERITED = {field.name for field in fields(EnvConfig)}
SIM = ("dt", "gravity", "substeps", "default_physics_material")
PLACEHOLDER = 1000


def own_keys(source: Source) -> dict[str, Any]:
    """Return the keys of ``env`` that only the task has, with their values."""
    env = source.task.get("env") or {}
    return {
        str(key): value
        for key, value in env.items()
        if key not in INHERITED and key not in LENGTHS and str(key).isidentifier()
    }


def config_module(source: Source, constructor: Constructor, package: str) -> str:
    """Return the text of ``__init__.py``: the configuration class and the record."""
    name = source.name
    keys = own_keys(source)
    lines = [
        f'"""{name}, ported from {source.info.module.source.name}.',
        "",
        "OIGE reads this file before it imports torch. Keep it light: the class is in task.py.",
        '"""',
        "",
        "from dataclasses import dataclass",
        *(["from typing import Any"] if any(_type(value).count("Any") for value in keys.values()) else []),
        "",
        "from oige_core import EnvConfig, TaskSpec",
        "",
        f'__all__ = ["{package.upper()}", "{name}Config"]',
        "",
        "",
        "@dataclass(kw_only=True)",
        f"class {name}Config(EnvConfig):",
        f'    """The ``task.env`` section of {name}."""',
        *([""] if keys else []),
        *(f"    {key}: {_type(value)}" for key, value in keys.items()),
        "",
        "",
    ]
    sizes = constructor.sizes
    for size in ("observations", "actions"):
        if size not in sizes:
            lines.append(f"# TODO(port): the number of {size} could not be computed; 1 stands for it.")
    states = f"    num_states={sizes['states']},\n" if sizes.get("states") else ""
    lines += [
        f"{package.upper()} = TaskSpec(",
        f'    task="{package}.task:{name}Task",',
        f"    env={name}Config,",
        f"    observation_shape=({sizes.get('observations', 1)},),",
        f"    num_actions={sizes.get('actions', 1)},",
    ]
    return "\n".join(lines) + "\n" + states + ")\n"


def _type(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "str"
        case list() if value and all(isinstance(each, int | float) and not isinstance(each, bool) for each in value):
            return "list[float]"
        case list():
            return "list[Any]"
        case dict():
            return "dict[str, Any]"
    return "Any"


def task_yaml(source: Source, constructor: Constructor, scene: TaskScene) -> str:
    """Return the text of the task's YAML file."""
    env = source.task.get("env") or {}
    sim = scene.config.get("sim") or {}
    inherited = {
        key: value for key, value in env.items() if key in INHERITED and _is_plain(value) and key not in LENGTHS
    }
    common = {"numEnvs": 512, "envSpacing": 4.0, **inherited}
    common["episodeLength"], note = _episode_length(env, constructor)
    if "numEnvs" in env and not _is_plain(env["numEnvs"]):
        common["numEnvs"] = _default_of(env["numEnvs"]) or 512
    missing = f"# TODO(port): no cfg/task/{source.name}.yaml was found; these values are defaults."
    lines = [f"name: {source.name}", "", *([] if source.task else [missing, ""]), "env:"]
    for key, value in common.items():
        lines.append(f"  {key}: {_value(value)}" + (f"   # {note}" if key == "episodeLength" and note else ""))
    lines += [
        "  autoresetMode: upstream   # worlds are reset at the start of the next step, as in OmniIsaacGymEnvs",
        "  captureStep: False        # the ported code may wait for the GPU; leave this out if it does not",
    ]
    lines += _section(own_keys(source), "  ")
    lines += ["", "sim:"]
    lines += _section({key: sim[key] for key in SIM if key in sim and _is_plain(sim[key])}, "  ")
    lines += _section(_solver(scene, sim.get("dt")), "  ")
    for element in scene.elements:
        actor = _actor(sim.get(element.section), is_robot=element.is_robot)
        if any(view.view.mass is not None for view in scene.views if scene.is_whole(view.view, element)):
            actor.pop("density", None)  # masses of a view are set after the settings of actors
        if actor:
            lines += _section({scene.names[element.path]: actor}, "  ")
    return "\n".join([*lines, *_randomization(source, scene)]) + "\n"


def _randomization(source: Source, scene: TaskScene) -> list[str]:
    """Return the section of randomisation, in which whole elements have their names here instead of those of views."""
    section = source.task.get("domain_randomization")
    if not isinstance(section, Mapping):
        return []
    section = copy.deepcopy(dict(section))
    params = section.get("randomization_params") or {}
    names: dict[str, str] = {}
    for view in scene.views:
        for element in scene.elements:
            if scene.is_whole(view.view, element):
                names[view.view.name] = scene.names[element.path]
    for group in ("rigid_prim_views", "articulation_views"):
        if isinstance(params.get(group), Mapping):
            params[group] = {names.get(name, name): value for name, value in params[group].items()}
    lines = ["", *yaml.safe_dump({"domain_randomization": section}, sort_keys=False).splitlines()]
    try:
        parse_params(params)
    except ConfigError as error:
        return ["", f"# TODO(port): {error}", *(f"# {line}" for line in lines[1:])]
    return lines


def _solver(scene: TaskScene, dt: object) -> dict[str, Any]:
    """Return solver settings that fit the first robot of OIGE in the scene, and substeps no longer than its own."""
    robots = (find_robot(f"/{element.usd}") for element in scene.elements if element.is_robot and element.usd)
    tasks = next((robot.tasks for robot in robots if robot is not None and robot.tasks), ())
    if not tasks:
        return {"mujoco": {"integrator": "discrete"}}
    sim = load_config(tasks[0]).task.sim
    standard = MujocoConfig()
    settings = {
        each.name: getattr(sim.mujoco, each.name)
        for each in fields(sim.mujoco)
        if getattr(sim.mujoco, each.name) != getattr(standard, each.name)
    }
    substeps = math.ceil(dt * sim.substeps / sim.dt - 1e-6) if isinstance(dt, float) else 1
    return {**({"mujoco": settings} if settings else {}), **({"substeps": substeps} if substeps > 1 else {})}


def solver_step(scene: TaskScene) -> float:
    """Return the time of a solver step of the ported task, in s."""
    dt = (scene.config.get("sim") or {}).get("dt")
    return float(dt) / _solver(scene, dt).get("substeps", 1) if isinstance(dt, int | float) else 1.0 / 60.0


def _actor(section: object, *, is_robot: bool) -> dict[str, Any]:
    if not isinstance(section, Mapping):
        return {}
    keys = ("enable_self_collisions",) if is_robot else ("density", "mass", "make_kinematic")
    return {key: section[key] for key in keys if key in section and section[key] != -1 and _is_plain(section[key])}


def _episode_length(env: Mapping[str, Any], constructor: Constructor) -> tuple[int, str]:
    if constructor.episode_length is not None:
        return constructor.episode_length, ""
    found = next((env[key] for key in LENGTHS if isinstance(env.get(key), int)), None)
    if found is not None:
        return found, ""
    return PLACEHOLDER, "TODO(port): set the number of control steps; it could not be computed"


def _section(content: Mapping[str, Any], indent: str) -> list[str]:
    return [f"{indent}{key}: {_value(value)}" for key, value in content.items()]


def _value(value: object) -> str:
    if isinstance(value, float) and math.isinf(value):
        return ".inf"
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).splitlines()[0]


def _is_plain(value: object) -> bool:
    """Whether a value is no interpolation."""
    return "${" not in str(value)


def _default_of(value: object) -> int | None:
    """Return the number in ``${resolve_default:512,…}``."""
    start = str(value).removeprefix("${resolve_default:").partition(",")[0]
    return int(start) if start.isdigit() else None


def train_yaml(source: Source) -> str:
    """Return the text of the training's YAML file: that of the code base, or one that sets nothing."""
    if source.train is not None:
        return source.train
    missing = f"# TODO(port): no cfg/train/{source.name}PPO.yaml was found; these values are defaults."
    return f"{missing}\ndefaults:\n  - PPO\n  - _self_\n"
