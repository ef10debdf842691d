"""Build and write the contract of an exported policy."""

import dataclasses
import importlib.metadata
import json
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from oige_core import VecEnv
from oige_core.description import ResolvedDescription, describe

from oige_train.checkpoint import CheckpointInfo, read_info
from oige_train.config import Run
from oige_train.download import content_hash
from oige_train.export.actor import Actor
from oige_train.export.contract import FORMAT
from oige_train.export.robots import finite
from oige_train.export.statistics import (
    Recording,
    entry_statistics,
    find_derivatives,
    find_echoes,
    find_unit_vectors,
    image_statistics,
)
from oige_train.export.vectors import make_vectors
from oige_train.policy import FlashSacPolicy

__all__ = ["build_contract", "write_contract"]

#: Packages whose versions the contract lists.
PACKAGES = ("oige-core", "oige-train", "torch", "mujoco", "rl-games", "onnx", "onnxruntime", "numpy")
#: What the kinds of commands mean, for readers of a contract.
KINDS = {
    "effort": "effort of a joint, within max_effort",
    "force": "force or torque on a body",
    "force_rate": "change per second of a force or torque on a body",
    "position_target": "position target of a drive or a controller",
    "position_target_speed": "change per second of the position target of a drive; targets begin at the default "
    "position and stay within the limits of the joint",
    "velocity_target": "velocity target of a drive or a controller",
    "none": "nothing",
}
RATES = {"rad": "rad/s", "m": "m/s"}


def build_contract(run: Run, env: VecEnv, actor: Actor, recording: Recording, robots: list[dict[str, Any]]) -> Any:
    """Return the contract of a policy as plain values, without what depends on its file.

    Args:
        run: the checked run, which has a checkpoint.
        env: the environment in which it was recorded.
        actor: the policy.
        recording: of the policy in its task.
        robots: see :func:`~oige_train.export.robots.describe_robots`.
    """
    task, description = env.task, describe(run.config)
    control = {
        "rate": 1.0 / task.control_dt,
        "period": task.control_dt,
        "physics_dt": task.engine.physics_dt,
        "decimation": task.control_frequency_inv,
    }
    return {
        "format": FORMAT,
        "task": _describe_task(run, description),
        "checkpoint": _describe_checkpoint(run),
        "versions": {"python": platform.python_version(), **_versions(PACKAGES)},
        "control": control,
        "observations": _describe_observations(env, actor, recording, description),
        "actions": _describe_actions(run, actor, recording, description),
        "robots": robots,
        "relations": _relations(actor, recording, description, control["rate"]),
        "recording": {
            "steps": len(recording.starts),
            "worlds": recording.starts.shape[1],
            "seed": run.config.seed,
            "engine": task.engine.name,
        },
        "vectors": make_vectors(actor, recording),
    }


def write_contract(values: dict[str, Any], policy: Path, actor: Actor, file: Path, name: str) -> None:
    """Write a contract.

    Args:
        values: what :func:`build_contract` returned.
        policy: the file of the policy.
        actor: the policy.
        file: the contract's file.
        name: name that the policy's file will have.
    """
    network = {
        "file": name,
        "sha256": content_hash(policy),
        "input": actor.input_names[0],
        "output": actor.output_names[0],
        "hidden": [
            {"input": source, "output": target, "shape": list(shape), "initial": 0.0}
            for source, target, shape in zip(
                actor.input_names[1:], actor.output_names[1:], actor.hidden_shapes, strict=True
            )
        ],
    }
    text = json.dumps({"format": values["format"], "policy": network, **values}, indent=1, ensure_ascii=False)
    one_line = re.sub(r"\[\n([^\[\]{}]*?)\n *\]", lambda rows: f"[{' '.join(rows[1].split())}]", text)
    file.write_text(one_line + "\n", encoding="utf-8")


def _describe_task(run: Run, description: ResolvedDescription) -> dict[str, Any]:
    source = description.source
    return {
        "name": run.task.name,
        "package": run.task.package,
        "version": _versions([run.task.package]).get(run.task.package, ""),  # a task in one file has none
        "train": run.train_name,
        "summary": source.summary if source else "",
        "compat": run.config.task.env.compat,
        "episode_length": run.config.task.env.episodeLength,
        "configuration": run.resolved["task"],
    }


def _describe_checkpoint(run: Run) -> dict[str, Any]:
    assert run.checkpoint is not None
    info = read_info(run.checkpoint, str(run.checkpoint)) or CheckpointInfo(
        task=run.task.name,
        algo=run.config.train.params.algo.name,
        observation_shape=run.spec.shape_for(run.config.task.env),
        num_actions=run.spec.num_actions,
        num_states=run.spec.states_for(run.config.task.env),
        epoch=0,
        mean_reward=None,
    )
    own = run.record if info.run is None else info.run
    # The number of worlds is that of the recording, and not what the policy needs.
    kept = tuple(text for text in own.overrides if text.partition("=")[0] not in ("num_envs", "task.env.numEnvs"))
    own = dataclasses.replace(own, overrides=kept)
    return {
        "file": run.checkpoint.name,
        "sha256": content_hash(run.checkpoint),
        "info": dataclasses.asdict(dataclasses.replace(info, run=own)),
    }


def _versions(packages: Iterable[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _describe_observations(
    env: VecEnv, actor: Actor, recording: Recording, description: ResolvedDescription
) -> dict[str, Any]:
    statistics = (
        image_statistics(recording.observations, recording.starts)
        if actor.bytes_in or len(actor.shape) > 1
        else entry_statistics(recording.observations, recording.starts)
    )
    entries = [
        {**dataclasses.asdict(entry), **numbers}
        for entry, numbers in zip(description.observations, statistics, strict=True)
    ]
    return {
        "shape": list(actor.shape),
        "dtype": "uint8" if actor.bytes_in else "float32",
        "clip": finite(env.task.cfg.clipObservations),
        "notes": description.source.observation_notes if description.source else "",
        "entries": entries,
    }


def _describe_actions(run: Run, actor: Actor, recording: Recording, description: ResolvedDescription) -> dict[str, Any]:
    numbers = entry_statistics(recording.actions, recording.starts)
    policy = actor.policy
    if isinstance(policy, FlashSacPolicy):
        bound: float | None = policy.action_bound
    else:
        bound = 1.0 if policy.clips_actions else None
    kinds = dict.fromkeys(entry.kind for entry in description.actions)
    return {
        "kinds": {kind: KINDS[kind] for kind in kinds if kind},
        "bound": bound,
        "clip": finite(run.config.task.env.clipActions),
        "notes": description.source.action_notes if description.source else "",
        "entries": [
            {**dataclasses.asdict(entry), **each} for entry, each in zip(description.actions, numbers, strict=True)
        ],
    }


def _relations(
    actor: Actor, recording: Recording, description: ResolvedDescription, rate: float
) -> dict[str, list[dict[str, Any]]]:
    """Return what holds between entries of the recording; nothing for images."""
    if len(actor.shape) > 1:
        return {"derivatives": [], "echoes": [], "unit_vectors": []}
    entries = description.observations
    pairs = [
        (position, velocity)
        for position, first in enumerate(entries)
        for velocity, second in enumerate(entries)
        if RATES.get(first.unit) == second.unit and first.component == second.component
    ]
    groups: dict[str, list[int]] = {}
    for index, entry in enumerate(entries):
        groups.setdefault(entry.quantity, []).append(index)
    return {
        "derivatives": find_derivatives(recording, pairs, rate),
        "echoes": find_echoes(recording),
        "unit_vectors": find_unit_vectors(recording, [group for group in groups.values() if len(group) in (3, 4)]),
    }
