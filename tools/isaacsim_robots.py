"""Compares each robot in PhysX with MuJoCo: masses, limits, mass matrices and motions without contacts.

    uv run --group isaacsim python tools/isaacsim_robots.py [ROBOT …] [--json FILE]

It needs ovphysx, which runs the PhysX of Isaac Sim on the CPU. Both engines take steps of 2 ms for 0.2 s, and are
compared with MuJoCo in steps of 0.1 ms, which stands for the exact motion.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch
from oige_core.config import ActorConfig
from oige_core.engines.isaacsim.usd.description import Pose, RobotDescription
from oige_core.engines.isaacsim.usd.files import robot_files
from oige_core.engines.isaacsim.usd.from_mujoco import describe
from oige_core.engines.isaacsim.usd.robot import RobotOptions, RobotPrims, write_robot
from oige_core.engines.mujoco.assets import read_asset
from oige_core.scene import ArticulationAsset
from oige_core.scene.elements import ArticulationElement
from oige_core.testing.physx import OvphysxHost
from pxr import Gf, UsdPhysics

REPOSITORY = Path(__file__).resolve().parent.parent
HEIGHT = 3.0  # m, of the robots' frames
STEP, REFERENCE_STEP, DURATION = 2e-3, 1e-4, 0.2  # s


class InMujoco:
    """A robot in MuJoCo, without contacts, with drives whose gains may be set."""

    def __init__(self, mjcf: Path, step: float, *, closed: bool, hard: bool) -> None:
        element = ArticulationElement(
            name="robot",
            asset=ArticulationAsset(mjcf=mjcf),
            position=(0.0, 0.0, 0.0),
            orientation=(1.0, 0.0, 0.0, 0.0),
            track_joint_forces=False,
            disable_gravity=None,
            actor=ActorConfig(),
        )
        spec = read_asset(element)
        spec.compiler.fusestatic = False
        root = spec.worldbody.bodies[0]
        root.pos, root.quat, root.alt.type = [0, 0, HEIGHT], [1, 0, 0, 0], mujoco.mjtOrientation.mjORIENTATION_QUAT
        spec.option.timestep = step
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        spec.option.density = spec.option.viscosity = 0.0
        for geom in spec.geoms:
            geom.contype = geom.conaffinity = 0
        if not closed:
            for equality in list(spec.equalities):
                spec.delete(equality)
        for joint in spec.joints:
            if joint.type != mujoco.mjtJoint.mjJNT_FREE:
                spec.add_actuator(
                    name=joint.name, target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT,
                    gaintype=mujoco.mjtGain.mjGAIN_FIXED, biastype=mujoco.mjtBias.mjBIAS_AFFINE,
                )  # fmt: skip
        self.model = model = spec.compile()
        if hard:
            for solref, solimp in (
                (model.dof_solref, model.dof_solimp),
                (model.jnt_solref, model.jnt_solimp),
                (model.eq_solref, model.eq_solimp),
            ):
                solref[:], solimp[:, :2] = (4.0 * step, 1.0), 0.9999
        self.data = mujoco.MjData(self.model)

    def ids(self, names: list[str]) -> list[int]:
        return [self.model.joint(name).id for name in names]

    def positions(self, names: list[str]) -> np.ndarray:
        return self.data.qpos[self.model.jnt_qposadr[self.ids(names)]].copy()

    def velocities(self, names: list[str]) -> np.ndarray:
        return self.data.qvel[self.model.jnt_dofadr[self.ids(names)]].copy()

    def begin(self, names: list[str], positions: np.ndarray, velocities: np.ndarray) -> None:
        mujoco.mj_resetData(self.model, self.data)
        joints = self.ids(names)
        self.data.qpos[self.model.jnt_qposadr[joints]] = positions
        self.data.qvel[self.model.jnt_dofadr[joints]] = velocities
        mujoco.mj_forward(self.model, self.data)

    def mass_matrix(self, names: list[str]) -> np.ndarray:
        """Mass matrix of the joints, without armature."""
        matrix = np.zeros((self.model.nv, self.model.nv))
        mujoco.mj_fullM(self.model, self.data, matrix)
        dofs = self.model.jnt_dofadr[self.ids(names)]
        return matrix[np.ix_(dofs, dofs)] - np.diag(self.model.dof_armature[dofs])

    def roll(self, names: list[str], start: tuple, efforts: np.ndarray, gains: tuple, targets: np.ndarray) -> tuple:
        stiffness, damping = gains
        actuators = [self.model.actuator(name).id for name in names]
        self.model.actuator_gainprm[actuators, 0] = 1.0
        self.model.actuator_biasprm[actuators, 1], self.model.actuator_biasprm[actuators, 2] = -stiffness, -damping
        self.begin(names, *start)
        self.data.ctrl[actuators] = stiffness * targets + efforts
        for _ in range(round(DURATION / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)
        return self.positions(names), self.velocities(names), self.data.xpos[1].copy()


class InPhysx:
    """A robot in PhysX."""

    def __init__(self, description: RobotDescription) -> None:
        self.description = description
        self.host = OvphysxHost()
        stage = self.host.new_stage()
        scene = UsdPhysics.Scene.Define(stage, "/World/physics")
        scene.CreateGravityDirectionAttr(Gf.Vec3f(0, 0, -1))
        scene.CreateGravityMagnitudeAttr(9.81)
        options = RobotOptions(pose=Pose(position=(0.0, 0.0, HEIGHT)))
        self.prims: RobotPrims = write_robot(description, stage, "/World/robot", options)
        self.host.play()
        self.view = self.host.simulation_view().create_articulation_view(self.prims.articulation)
        paths = {path: name for name, path in self.prims.joints.items()}
        self.names = [paths[path] for path in self.view.dof_paths[0]]
        paths = {path: name for name, path in self.prims.links.items()}
        self.links = [paths[path] for path in self.view.link_paths[0]]
        self.root = self.view.get_root_transforms().clone()
        self.own_gains = self.view.get_dof_stiffnesses().clone(), self.view.get_dof_dampings().clone()
        self.own_targets = self.view.get_dof_position_targets().clone()

    def set(self, name: str, values: np.ndarray | torch.Tensor | list[float]) -> None:
        indices = torch.zeros(1, dtype=torch.int32)
        getattr(self.view, f"set_{name}")(torch.as_tensor(values, dtype=torch.float32).reshape(1, -1), indices)

    def begin(self, positions: np.ndarray, velocities: np.ndarray) -> None:
        if self.description.floating:
            self.set("root_transforms", [0.0, 0.0, HEIGHT, 0.0, 0.0, 0.0, 1.0])
            self.set("root_velocities", np.zeros(6))
        self.set("dof_positions", positions)
        self.set("dof_velocities", velocities)
        self.host.update_kinematics()

    def roll(self, start: tuple, efforts: np.ndarray, gains: tuple, targets: np.ndarray) -> tuple:
        stiffness, damping = (torch.as_tensor(g, dtype=torch.float32).reshape(1, -1) for g in gains)
        own_stiffness, own_damping = self.own_gains
        total = own_stiffness + stiffness
        rest = torch.where(
            total > 0, (own_stiffness * self.own_targets + stiffness * torch.as_tensor(targets)) / total, 0
        )
        self.set("dof_stiffnesses", total)
        self.set("dof_dampings", own_damping + damping)
        self.set("dof_position_targets", torch.nan_to_num(rest))
        self.begin(*start)
        for step in range(round(DURATION / STEP)):
            self.set("dof_actuation_forces", efforts)
            self.host.simulate(STEP, step * STEP)
        root = self.view.get_link_transforms()[0, self.links.index(self.description.body_names[0]), :3]
        return (
            self.view.get_dof_positions()[0].double().numpy().copy(),
            self.view.get_dof_velocities()[0].double().numpy().copy(),
            root.double().numpy().copy(),
        )


def compare(mjcf: Path) -> dict[str, Any]:
    asset = ArticulationAsset(mjcf=mjcf)
    description = describe(asset, mjcf.stem)
    open_chain = dataclasses.replace(description, loops=())
    physx = InPhysx(open_chain)
    names = physx.names
    row: dict[str, Any] = {"robot": mjcf.stem, "links": len(description.body_names), "joints": len(names)}
    errors = physx.host.errors()
    if errors:
        row["log"] = errors[0]
    coarse = InMujoco(mjcf, STEP, closed=False, hard=False)
    fine = InMujoco(mjcf, REFERENCE_STEP, closed=False, hard=True)
    model = coarse.model
    bodies = [model.body(name).id for name in description.body_names]
    rows = [physx.links.index(name) for name in description.body_names]
    masses = physx.view.get_masses()[0].double().numpy()
    row["mass"] = float(np.max(np.abs(masses[rows] - model.body_mass[bodies])) / model.body_mass.sum())
    row["helpers"] = float(np.delete(masses, rows).sum() / masses.sum())
    joints = coarse.ids(names)
    limited = [i for i, joint in enumerate(joints) if model.jnt_limited[joint]]
    limits = physx.view.get_dof_limits()[0].double().numpy()
    row["limit"] = float(np.max(np.abs(limits - model.jnt_range[joints])[limited], initial=0.0))
    row["armature"] = float(
        np.max(
            np.abs(physx.view.get_dof_armatures()[0].numpy() - model.dof_armature[model.jnt_dofadr[joints]]), initial=0
        )
    )

    random = np.random.default_rng(0)
    low, high = np.where(model.jnt_limited[joints, None], model.jnt_range[joints], [-1.0, 1.0]).T
    positions = random.uniform(0.8 * low + 0.2 * high, 0.2 * low + 0.8 * high)
    coarse.begin(names, positions, np.zeros(len(names)))
    physx.begin(positions, np.zeros(len(names)))
    poses = physx.view.get_link_transforms()[0].double().numpy()
    row["position"] = float(np.max(np.abs(poses[rows, :3] - coarse.data.xpos[bodies])))
    matrix = physx.view.get_generalized_mass_matrices()[0].double().numpy()[-len(names) :, -len(names) :]
    expected = coarse.mass_matrix(names)
    row["mass_matrix"] = float(np.max(np.abs(matrix - expected)) / np.max(np.abs(expected)))

    inertia = np.diag(expected) + model.dof_armature[model.jnt_dofadr[joints]]
    middle = np.where(model.jnt_limited[joints], 0.5 * (low + high), 0.3)
    reach = np.where(model.jnt_limited[joints], 0.5 * (high - low), 1.0)
    still = np.zeros(len(names))
    start = middle, random.uniform(-0.5, 0.5, len(names)) * np.minimum(reach, 1.0)
    efforts = inertia * np.minimum(reach, 1.0) * random.uniform(-2, 2, len(names))
    target = middle + 0.1 * np.minimum(reach, 1.0)
    for label, force, gains in (
        ("coast", still, (still, still)),
        ("effort", efforts, (still, still)),
        ("drive", still, (100.0 * inertia, 10.0 * inertia)),
    ):
        exact = fine.roll(names, start, force, gains, target)
        mine = physx.roll(start, force, gains, target)
        other = coarse.roll(names, start, force, gains, target)
        row[f"{label}_moved"] = float(np.max(np.abs(exact[0] - start[0]), initial=0))
        row[f"{label}_physx"] = float(np.max(np.abs(mine[0] - exact[0]), initial=0))
        row[f"{label}_mujoco"] = float(np.max(np.abs(other[0] - exact[0]), initial=0))
        row[f"{label}_worst"] = names[int(np.argmax(np.abs(mine[0] - exact[0])))]
        row[f"{label}_root"] = float(np.max(np.abs(mine[2] - exact[2])))
    physx.host.close()
    if description.loops:
        closed, exact = InPhysx(description), InMujoco(mjcf, REFERENCE_STEP, closed=True, hard=True)
        exact.begin(names, np.zeros(len(names)), still)
        start = exact.positions(names), still
        mine = closed.roll(start, efforts, (still, still), target)
        exact = exact.roll(names, start, efforts, (still, still), target)
        row["closed_moved"] = float(np.max(np.abs(exact[0] - start[0])))
        row["closed_physx"] = float(np.max(np.abs(mine[0] - exact[0])))
        row["closed_root"] = float(np.max(np.abs(mine[2] - exact[2])))
        row["closed_log"] = closed.host.errors()
        closed.host.close()
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("robots", nargs="*", help="names of MJCF files without suffix; default: all")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    files = [
        file for package in sorted((REPOSITORY / "packages").glob("oige-tasks-*")) for file in robot_files(package)
    ]
    rows = []
    for file in files:
        if not options.robots or file.stem in options.robots:
            rows.append(compare(file))
            print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
