"""The files of one task's page: what the browser runs, as a description and a file of arrays."""

import dataclasses
from typing import Any

import mujoco
import numpy as np
import torch
from oige_core.description import load_description
from oige_core.engines.mujoco.compile import CompiledScene
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.protocol import FORCE_FIELDS, scalar_joints
from oige_core.envs import VecEnv
from oige_core.registry import find_task, load_spec, load_task_class
from oige_core.scene import Scene
from oige_core.scene.elements import CameraElement
from oige_core.tasks import RLTask, Steerable

from oige_train.cli.common import checked_run
from oige_train.config import Run
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy_loading import load_policy
from oige_train.zoo.executor import PageExecutor
from oige_train.zoo.geometry import add_geometry
from oige_train.zoo.graphs import write_graphs
from oige_train.zoo.lowering import array_of
from oige_train.zoo.model import mesh_files, model_xml, stated_fields
from oige_train.zoo.pack import Pack
from oige_train.zoo.program import record_task
from oige_train.zoo.recorder import RecordingError

__all__ = ["PageTask", "build_page_task", "page_run", "task_files"]

_START_FIELDS = ("qpos", "qvel", "ctrl", "mocap_pos", "mocap_quat")


@dataclasses.dataclass
class PageTask:
    """A task on one world for a page.

    Attributes:
        run: its run.
        task: the task.
        executor: its world.
        compiled: its scene.
        policy: its policy.
        scene: what a world contains.
    """

    run: Run
    task: RLTask
    executor: PageExecutor
    compiled: CompiledScene
    policy: Any
    scene: Scene


def page_run(name: str) -> Run:
    """Return the run of a task's shipped policy in one world.

    Raises:
        OigeError: the task is unknown or has no policy.
    """
    devices = ("sim_device=cpu", "pipeline=cpu", "rl_device=cpu")
    overrides = load_spec(find_task(name)).demo or {}
    own = [f"{key}={value}" for key, value in overrides.items()]
    return checked_run([f"task={name}", "test=True", "checkpoint=pretrained", "num_envs=1", "seed=42", *devices, *own])


def build_page_task(name: str) -> PageTask:
    """Build a task on one world.

    Raises:
        RecordingError: the task observes images.
        OigeError: the task is unknown or has no policy.
    """
    run = page_run(name)
    spec = load_spec(find_task(name))
    built: list[tuple[PageExecutor, CompiledScene, Scene]] = []

    def make(compiled: CompiledScene, scene: Scene) -> PageExecutor:
        built.append((PageExecutor(compiled.model), compiled, scene))
        return built[0][0]

    with torch.no_grad():
        task = load_task_class(spec, warp=False)(run.config, spec, MujocoEngine(1, executor=make))
    assert isinstance(task, RLTask)  # the Warp variant is not asked for
    executor, compiled, scene = built[0]
    if any(isinstance(element, CameraElement) for element in scene.elements.values()):
        raise RecordingError("it observes images of a camera, which pages do not compute.")
    if isinstance(task, Steerable):
        task.no_timeout = torch.zeros(1, dtype=torch.bool)
    policy = load_policy(run, RlGamesEnv(VecEnv(task), "cpu"))
    return PageTask(run, task, executor, compiled, policy, scene)


def task_files(page: PageTask) -> tuple[dict[str, Any], Pack]:
    """Return the description of a task's page, as JSON, and its arrays.

    Raises:
        RecordingError: the task does something that a page cannot do.
    """
    task, executor, policy = page.task, page.executor, page.policy
    program = record_task(task, executor, lambda seen: policy.act(seen, deterministic=True), policy)
    graphs = write_graphs(program)
    pack = Pack()
    functions: dict[str, list[dict[str, Any]]] = {}
    for name, parts in graphs.items():
        functions[name] = []
        for number, part in enumerate(parts):
            label = f"graph.{name}.{number}"
            if part.outputs:
                pack.add(label, part.model)
            written = {each.removeprefix("model:") for each in part.outputs if each.startswith("model:")}
            functions[name].append(
                {
                    "graph": label,
                    "inputs": part.inputs,
                    "outputs": part.outputs,
                    "random": program.functions[name].random,
                    "set_const": not written.isdisjoint(mujoco.MjModel._setconst_inputs),  # type: ignore[attr-defined]
                }
            )
    read = {each["name"] for parts in functions.values() for part in parts for each in part["inputs"]}
    state = sorted(name.removeprefix("state:") for name in read if name.startswith("state:"))
    for name in state:
        pack.add(f"state.{name}", array_of(program.state[name].contiguous()))
    xml = model_xml(page.compiled)
    files = mesh_files(xml, page.scene)
    stated = stated_fields(executor.model, xml, files)
    for name, content in files.items():
        pack.add(f"file.{name}", content)
    for name, values in stated.items():
        pack.add(f"model.{name}", values)
    for name in _START_FIELDS:
        pack.add(f"field.{name}", executor.initial_field(name).numpy())
    manifest = {
        "task": task.name,
        "summary": _summary(page.run),
        "control_dt": task.control_dt,
        "physics_steps": task.control_frequency_inv * page.run.config.task.sim.substeps,
        "num_actions": task.spec.num_actions,
        "xml": xml,
        "files": sorted(files),
        "model_fields": sorted(stated),
        "fields": list(_START_FIELDS),
        "forces": sorted(FORCE_FIELDS & executor.fields.keys()),
        "state": state,
        "functions": functions,
        "reward_terms": program.reward_terms,
        "velocity_limits": _velocity_limits(executor),
        "steerable": isinstance(task, Steerable),
        "geometry": add_geometry(pack, task.engine, executor.model),
    }
    return manifest | {"arrays": pack.entries}, pack


def _summary(run: Run) -> str:
    """Return what the robot of a task does; empty if the task has no description."""
    description = load_description(load_spec(find_task(run.task.name)), run.config)
    return "" if description is None else " ".join(description.summary.split())


def _velocity_limits(executor: PageExecutor) -> dict[str, list[Any]] | None:
    if executor.velocity_limits is None:
        return None
    dofs, positions = scalar_joints(executor.model)
    bounds = np.minimum(executor.velocity_limits[0].numpy()[dofs], np.finfo(np.float32).max)
    return {"dofs": dofs.tolist(), "positions": positions.tolist(), "bounds": bounds.tolist()}
