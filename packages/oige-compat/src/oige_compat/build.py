"""Builds the worlds of the engine from the stage of the first world, and connects the views of the script."""

import dataclasses
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from oige_core.config import ActorConfig, DefaultPhysicsMaterialConfig, MujocoConfig, SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.registry import load_config
from oige_core.scene import ArticulationAsset, Drive, Scene
from pxr import Usd, UsdGeom, UsdPhysics

from oige_compat.articulation_view import ArticulationView
from oige_compat.errors import CompatError
from oige_compat.robots import Robot, find_robot
from oige_compat.session import Session
from oige_compat.shapes import add_shape
from oige_compat.stage import matching_prims
from oige_compat.views import PrimView

__all__ = ["build"]

SOLVER_STEP = 0.005
"""Longest solver step in s of scenes without a robot of OIGE."""


class _Builder:
    """Collects elements by prim path.

    Args:
        current: the session.
        params: parameters of the simulation.
        tasks: tasks of the world.
    """

    def __init__(self, current: Session, params: dict[str, Any], tasks: Sequence[Any]) -> None:
        self.session, self.params, self.tasks = current, params, tasks
        if not current.env_paths:
            current.env_paths = ["/World/envs/env_0"]
        self.origin = UsdGeom.XformCache().GetLocalToWorldTransform(current.stage.GetPrimAtPath(current.env_paths[0]))
        self.elements: dict[str, Any] = {}
        self.articulations: dict[str, str] = {}
        self.robots = {path: self._robot(path) for path in self._references()}

    def _references(self) -> list[str]:
        """Return prims of the first world that refer to a USD file."""
        first = self.session.env_paths[0]
        return [path for path in self.session.references if path.startswith(f"{first}/")]

    def _robot(self, path: str) -> Robot:
        usd_path = self.session.references[path]
        robot = find_robot(usd_path)
        if robot is None:
            raise CompatError(f"{path}: {usd_path} is no robot of OIGE; local USD files are not served yet.")
        return robot

    def sim(self) -> SimConfig:
        """Return settings of the simulation: those of the script, and solver settings that fit its robots."""
        dt = float(self.params["dt"])
        names = [name for robot in self.robots.values() for name in robot.tasks]
        own = [task.name for task in self.tasks if task.name in names]
        solver, step = MujocoConfig(integrator="discrete"), SOLVER_STEP
        if names:
            ours = load_config((own or names)[0]).task.sim
            solver, step = ours.mujoco, ours.dt / ours.substeps
        material = self.params.get("default_physics_material", {})
        static, dynamic, restitution = (
            float(material.get(key, default))
            for key, default in (("static_friction", 1.0), ("dynamic_friction", 1.0), ("restitution", 0.0))
        )
        if static != dynamic or restitution:
            self.session.note(
                f"static_friction={static}, dynamic_friction={dynamic}, restitution={restitution}: the engine has one "
                "friction, the dynamic one, and no restitution."
            )
        actors = {}
        for path in self.robots:
            collisions = self._authored(path, "physxArticulation:enabledSelfCollisions")
            actors[_name(path)] = ActorConfig(enable_self_collisions=int(any(collisions.values())))
        return SimConfig(
            dt=dt,
            substeps=max(1, math.ceil(dt / step - 1e-6)),
            gravity=[float(part) for part in self.params["gravity"]],
            default_physics_material=DefaultPhysicsMaterialConfig(
                static_friction=dynamic,
                dynamic_friction=dynamic,
            ),
            mujoco=solver,
            actors=actors,
        )

    def _authored(self, root: str, name: str) -> dict[str, Any]:
        """Return values of an attribute that the script has set, by path of the prim, for prims below ``root``."""
        layer = self.session.stage.GetRootLayer()
        found = {}
        for prim in Usd.PrimRange(self.session.stage.GetPrimAtPath(root), Usd.TraverseInstanceProxies()):
            spec = layer.GetAttributeAtPath(prim.GetPath().AppendProperty(name))
            if spec is not None and spec.default is not None:
                found[str(prim.GetPath())] = spec.default
        return found

    def pose(self, prim: Usd.Prim) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return position in m and orientation w, x, y, z of a prim in the first world."""
        matrix = UsdGeom.XformCache().GetLocalToWorldTransform(prim) * self.origin.GetInverse()
        rotation = matrix.RemoveScaleShear().ExtractRotationQuat()
        return tuple(matrix.ExtractTranslation()), (rotation.GetReal(), *rotation.GetImaginary())

    def asset(self, path: str) -> ArticulationAsset:
        """Return the asset of a robot with the drives that the script has set."""
        asset = self.robots[path].asset
        changed: dict[str, dict[str, float]] = {}
        for kind, per_degree in (("angular", math.degrees(1.0)), ("linear", 1.0)):
            fields = {"stiffness": per_degree, "damping": per_degree, "maxForce": 1.0}
            for key, scale in fields.items():
                for joint, value in self._authored(path, f"drive:{kind}:physics:{key}").items():
                    changed.setdefault(_name(joint), {})[key.replace("maxForce", "max_effort")] = float(value) * scale
        drives: dict[str, Drive] = {}
        for joint, values in changed.items():
            own = next((drive for name, drive in asset.drives.items() if re.fullmatch(name, joint)), Drive())
            gains = {"stiffness": own.stiffness, "damping": own.damping}
            if all(math.isclose(values.get(key, gain), gain, rel_tol=1e-3) for key, gain in gains.items()):
                continue  # ours is the counterpart of this drive, with a limit that suits the engine
            drives[re.escape(joint)] = dataclasses.replace(own, **values)
        others = {name: drive for name, drive in asset.drives.items() if name not in drives}
        return dataclasses.replace(asset, drives={**drives, **others})  # the first match applies

    def add_robots(self, scene: Scene) -> None:
        """Add robots of OIGE."""
        tracked = _reads_joint_forces(self.tasks)
        for path in self.robots:
            position, orientation = self.pose(self.session.stage.GetPrimAtPath(path))
            gravity = self._authored(path, "physxRigidBody:disableGravity")
            if len(set(gravity.values())) > 1:
                raise CompatError(f"{path}: gravity is disabled on some links; expected all of them, or none.")
            name = _name(path)
            view = scene.add_articulation(
                name,
                self.asset(path),
                position=position,  # pyright: ignore[reportArgumentType]
                orientation=orientation,  # pyright: ignore[reportArgumentType]
                track_joint_forces=tracked,
                disable_gravity=True if any(gravity.values()) else None,
            )
            self.elements[path], self.articulations[path] = view, name

    def add_bodies(self, scene: Scene) -> None:
        """Add rigid bodies that the script has put on the stage."""
        tracking = [view._regex_prim_paths for view in self.session.views if view.track_contact_forces]
        tracked = {path for expression in tracking for path, _ in matching_prims(expression)}
        root = self.session.stage.GetPrimAtPath(self.session.env_paths[0])
        prims = iter(Usd.PrimRange(root, Usd.TraverseInstanceProxies()))
        for prim in prims:
            path = str(prim.GetPath())
            if path in self.robots:
                prims.PruneChildren()
            elif prim.HasAPI(UsdPhysics.RigidBodyAPI):
                self.elements[path] = add_shape(scene, _name(path), prim, *self.pose(prim), path in tracked)
                prims.PruneChildren()

    def check_joints(self) -> None:
        """Refuse joints that the script has added, unless the robot already has them."""
        for prim in Usd.PrimRange(self.session.stage.GetPrimAtPath(self.session.env_paths[0])):
            spec = self.session.stage.GetRootLayer().GetPrimAtPath(prim.GetPath())
            if spec is None or not prim.IsA(UsdPhysics.Joint) or not spec.typeName:
                continue
            targets = [_name(str(path)) for path in UsdPhysics.Joint(prim).GetBody1Rel().GetTargets()]
            anchored = {link for path in self.robots for link in _anchored_links(self.robots[path].asset)}
            if not set(targets) <= anchored:
                raise CompatError(f"{prim.GetPath()}: joints that a script adds between bodies are not served.")

    def connect(self, scene: Scene) -> list[tuple[PrimView, Any, int]]:
        """Return for each view of the script the one of the engine, and its number of bodies per world."""
        found = []
        for number, view in enumerate(self.session.views):
            paths = [path for path, _ in matching_prims(view._regex_prim_paths)]
            if isinstance(view, ArticulationView):
                owners = [root for root in self.articulations if self._below(root, paths, view)]
                if owners:
                    found.append((view, self.elements[owners[0]], 1))
                continue
            bodies = [path for path in paths if path in self.elements and path not in self.articulations]
            if len(bodies) == 1:
                found.append((view, self.elements[bodies[0]], 1))
                continue
            if len(bodies) > 1:
                raise CompatError(f"view '{view.name}': several bodies; expected links of a robot, or one body.")
            for root, name in self.articulations.items():
                links = self._links(root, paths, view)
                if links:
                    label = f"{view.name}.{number}"
                    tracked = view.track_contact_forces
                    ours = scene.add_link_view(label, name, links, track_contact_forces=tracked)
                    found.append((view, ours, len(links)))
                    break
        return found

    def _below(self, root: str, paths: list[str], view: PrimView) -> bool:
        if paths:
            return any(path == root or path.startswith(f"{root}/") for path in paths)
        return self._last_names(root, view) is not None

    def _last_names(self, root: str, view: PrimView) -> str | None:
        """Return the last name of an expression that leads below a robot whose prims have other parents."""
        tokens, below = view._regex_prim_paths.strip("/").split("/"), root.strip("/").split("/")
        matches = all(re.fullmatch(token, name) for token, name in zip(tokens, below, strict=False))
        return tokens[-1] if matches and len(tokens) > len(below) else None

    def _links(self, root: str, paths: list[str], view: PrimView) -> list[str]:
        """Return names of links of a robot that a view selects, in the order of the stage."""
        stage = self.session.stage
        inside = [stage.GetPrimAtPath(path) for path in paths if path.startswith(f"{root}/")]
        links = [prim.GetName() for prim in inside if prim.HasAPI(UsdPhysics.RigidBodyAPI)]
        last = self._last_names(root, view)
        if links or last is None:
            return links
        prims = Usd.PrimRange(stage.GetPrimAtPath(root), Usd.TraverseInstanceProxies())
        bodies = [prim.GetName() for prim in prims if prim.HasAPI(UsdPhysics.RigidBodyAPI)]
        return [name for name in bodies if re.fullmatch(last, name)]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _reads_joint_forces(tasks: Sequence[Any]) -> bool:
    """Whether the modules of tasks name the method that reads joint forces, whose measurement costs time."""
    for kind in {kind for task in tasks for kind in type(task).__mro__}:
        module = sys.modules.get(kind.__module__)
        file = None if module is None else getattr(module, "__file__", None)
        if file and not kind.__module__.startswith("oige_compat") and "measured_joint_force" in Path(file).read_text():
            return True
    return False


def _anchored_links(asset: ArticulationAsset) -> set[str]:
    """Return links that the robot itself attaches to the world."""
    import mujoco

    spec = mujoco.MjSpec.from_file(str(asset.mjcf))
    return {equality.name1 for equality in spec.equalities} | {equality.name2 for equality in spec.equalities}


def build(current: Session, params: dict[str, Any], tasks: Sequence[Any]) -> None:
    """Build the worlds.

    Args:
        current: the session; it gets the engine.
        params: parameters of the simulation: ``dt``, ``gravity``, ``sim_device``, …
        tasks: tasks of the world.

    Raises:
        OigeError: the stage contains something that is not served.
    """
    device = torch.device(str(params.get("sim_device", "cpu")))
    if device.type == "cuda" and not torch.cuda.is_available():
        remedy = "add pipeline=cpu sim_device=cpu rl_device=cpu"
        raise CompatError(f"sim_device={device}: this machine has no CUDA GPU; {remedy}.")
    builder = _Builder(current, params, tasks)
    builder.check_joints()
    engine = MujocoEngine(len(current.env_paths), device)
    scene = Scene(engine, builder.sim())
    if current.ground is not None:
        scene.add_ground_plane(height=current.ground)
    builder.add_robots(scene)
    builder.add_bodies(scene)
    connected = builder.connect(scene)
    engine.build(scene)
    current.engine, current.offsets = engine, current.offsets.to(engine.device)
    for view, ours, bodies in connected:
        view.bind(ours, bodies)
