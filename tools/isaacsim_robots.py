"""Compares each robot in PhysX with MuJoCo: masses, limits, mass matrices and motions without contacts.

    uv run --group isaacsim python tools/isaacsim_robots.py [ROBOT …]

It needs ovphysx, which runs the PhysX of Isaac Sim on the CPU. Both engines take steps of 2 ms for 0.2 s, and are
compared with MuJoCo in steps of 0.1 ms with hard limits, dry friction and loops, which stands for the exact motion.
The exit code is 1 if a figure is beyond its tolerance.
"""

import argparse
import dataclasses
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

TOLERANCES = {"mass": 1.1e-6, "limits": 1e-6, "armature": 1e-6, "position": 1e-6, "mass matrix": 1e-5}
"""Masses relative to the robot's, limits and armatures in SI units, positions in m, the matrix relative to its largest
element."""

LEAST = 1e-3  # rad or m, of motions, which may also differ by as much as those of MuJoCo in the same step
LOOPS, TENDONS = 1e-3, 0.1  # rad, of motions with loops, and with tendons, whose limits are elastic in PhysX

REPOSITORY = Path(__file__).resolve().parent.parent
HEIGHT = 3.0  # m, of the robots' frames
STEP, REFERENCE_STEP, DURATION = 2e-3, 1e-4, 0.2  # s


class InMujoco:
    """A robot in MuJoCo, without contacts, with drives whose gains may be set."""

    def __init__(self, mjcf: Path, step: float, *, coupled: bool, hard: bool) -> None:
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
        if not coupled:
            for part in [*spec.equalities, *spec.tendons]:
                spec.delete(part)
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

    def roll(self, names: list[str], motion: "Motion") -> np.ndarray:
        """Return positions of joints at the end of a motion."""
        actuators = [self.model.actuator(name).id for name in names]
        self.model.actuator_gainprm[actuators, 0] = 1.0
        self.model.actuator_biasprm[actuators, 1] = -motion.stiffness
        self.model.actuator_biasprm[actuators, 2] = -motion.damping
        self.begin(names, *motion.start)
        self.data.ctrl[actuators] = motion.stiffness * motion.targets + motion.efforts
        for _ in range(round(DURATION / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)
        return self.positions(names)


@dataclasses.dataclass
class Motion:
    """Positions and velocities of joints at the start, and what acts on the joints: ``(joints,)`` or 0."""

    start: tuple[np.ndarray, np.ndarray]
    efforts: np.ndarray | float = 0.0
    stiffness: np.ndarray | float = 0.0
    damping: np.ndarray | float = 0.0
    targets: np.ndarray | float = 0.0


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
        self.own = (
            as_numpy(self.view.get_dof_stiffnesses()),
            as_numpy(self.view.get_dof_dampings()),
            as_numpy(self.view.get_dof_position_targets()),
        )

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

    def roll(self, motion: Motion) -> np.ndarray:
        """Return positions of joints at the end of a motion."""
        spring, damper, rest = self.own
        stiffness = spring + motion.stiffness
        pull = spring * rest + motion.stiffness * motion.targets
        targets = np.divide(pull, stiffness, out=np.zeros_like(pull), where=stiffness > 0.0)
        self.set("dof_stiffnesses", stiffness)
        self.set("dof_dampings", damper + motion.damping)
        self.set("dof_position_targets", targets)
        self.begin(*motion.start)
        for step in range(round(DURATION / STEP)):
            self.set("dof_actuation_forces", motion.efforts + np.zeros(len(self.names)))
            self.host.simulate(STEP, step * STEP)
        return as_numpy(self.view.get_dof_positions())


def compare(mjcf: Path) -> dict[str, Any]:
    """Return the largest differences of a robot, by what they are of."""
    description = describe(ArticulationAsset(mjcf=mjcf), mjcf.stem)
    physx = InPhysx(dataclasses.replace(description, loops=(), tendons=()))
    coarse = InMujoco(mjcf, STEP, coupled=False, hard=False)
    exact = InMujoco(mjcf, REFERENCE_STEP, coupled=False, hard=True)
    row = {"robot": mjcf.stem, **properties(physx, coarse), **motions(physx, coarse, exact)}
    row["log"] = physx.host.errors()
    physx.host.close()
    if description.loops or description.tendons:
        physx = InPhysx(description)
        exact = InMujoco(mjcf, REFERENCE_STEP, coupled=True, hard=True)
        exact.begin(physx.names, *still(physx.names))
        start = exact.positions(physx.names), np.zeros(len(physx.names))
        motion = Motion(start, efforts_of(exact, physx.names))
        row["coupled"] = difference(physx.roll(motion), exact.roll(physx.names, motion))
        row["coupled tolerance"] = TENDONS if description.tendons else LOOPS
        row["log"] += physx.host.errors()
        physx.host.close()
    return row


def properties(physx: InPhysx, mine: InMujoco) -> dict[str, float]:
    model, names, view = mine.model, physx.names, physx.view
    bodies = [model.body(name).id for name in physx.description.body_names]
    links = [physx.links.index(name) for name in physx.description.body_names]
    joints = mine.ids(names)
    limited = model.jnt_limited[joints].astype(bool)
    mine.begin(names, posture(mine, names, seed=0), np.zeros(len(names)))
    physx.begin(mine.positions(names), np.zeros(len(names)))
    matrix, expected = as_numpy(view.get_generalized_mass_matrices()), mine.mass_matrix(names)
    count = len(names)
    differences = {
        "mass": (as_numpy(view.get_masses())[links] - model.body_mass[bodies]) / model.body_mass.sum(),
        "limits": (as_numpy(view.get_dof_limits()) - model.jnt_range[joints])[limited],
        "armature": as_numpy(view.get_dof_armatures()) - model.dof_armature[model.jnt_dofadr[joints]],
        "position": as_numpy(view.get_link_transforms())[links, :3] - mine.data.xpos[bodies],
        "mass matrix": (matrix[-count:, -count:] - expected) / np.abs(expected).max(),
    }
    return {name: float(np.max(np.abs(values), initial=0.0)) for name, values in differences.items()}


def motions(physx: InPhysx, coarse: InMujoco, exact: InMujoco) -> dict[str, float]:
    """Differences from the exact motion: coasting, with constant efforts, and with drives that reach for a posture."""
    names = physx.names
    inertia = inertia_of(coarse, names)
    low, high = ranges(coarse, names)
    middle, reach = 0.5 * (low + high), np.minimum(0.5 * (high - low), 1.0)
    start = middle, np.random.default_rng(0).uniform(-0.5, 0.5, len(names)) * reach
    row = {}
    for name, motion in {
        "coasting": Motion(start),
        "efforts": Motion(start, efforts_of(coarse, names)),
        "drives": Motion(start, stiffness=100.0 * inertia, damping=10.0 * inertia, targets=middle + 0.1 * reach),
    }.items():
        truth = exact.roll(names, motion)
        row[name] = difference(physx.roll(motion), truth)
        row[f"{name}, MuJoCo"] = difference(coarse.roll(names, motion), truth)
    return row


def still(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(len(names)), np.zeros(len(names))


def ranges(mine: InMujoco, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    joints = mine.ids(names)
    low, high = np.where(mine.model.jnt_limited[joints, None], mine.model.jnt_range[joints], [-0.7, 1.3]).T
    return low, high


def posture(mine: InMujoco, names: list[str], seed: int) -> np.ndarray:
    low, high = ranges(mine, names)
    return np.random.default_rng(seed).uniform(0.8 * low + 0.2 * high, 0.2 * low + 0.8 * high)


def inertia_of(mine: InMujoco, names: list[str]) -> np.ndarray:
    mine.begin(names, *still(names))
    return np.diag(mine.mass_matrix(names)) + mine.model.dof_armature[mine.model.jnt_dofadr[mine.ids(names)]]


def efforts_of(mine: InMujoco, names: list[str]) -> np.ndarray:
    """Efforts that accelerate each joint alone by up to 2 rad/s² or m/s²."""
    return inertia_of(mine, names) * np.random.default_rng(1).uniform(-2.0, 2.0, len(names))


def as_numpy(values: torch.Tensor) -> np.ndarray:
    return values[0].double().numpy().copy()


def difference(positions: np.ndarray, others: np.ndarray) -> float:
    return float(np.max(np.abs(positions - others)))


def tolerance(row: dict[str, Any], name: str) -> float:
    if name == "coupled":
        return row["coupled tolerance"]
    return TOLERANCES.get(name) or max(LEAST, row[f"{name}, MuJoCo"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("robots", nargs="*", help="names of MJCF files without suffix; default: all")
    chosen = parser.parse_args().robots
    files = [
        file for package in sorted((REPOSITORY / "packages").glob("oige-tasks-*")) for file in robot_files(package)
    ]
    compared = [*TOLERANCES, "coasting", "efforts", "drives", "coupled"]
    print("| robot | " + " | ".join(compared) + " |")
    print("|---" * (len(compared) + 1) + "|")
    failed = False
    for file in files:
        if chosen and file.stem not in chosen:
            continue
        row = compare(file)
        cells = []
        for name in compared:
            own = f" ({row[f'{name}, MuJoCo']:.1e})" if f"{name}, MuJoCo" in row else ""
            beyond = name in row and row[name] > tolerance(row, name)
            cells.append(f"{row[name]:.1e}{own}{' !' if beyond else ''}" if name in row else "")
            failed |= beyond
        print(f"| `{row['robot']}` | " + " | ".join(cells) + " |", flush=True)
        for line in row["log"]:
            print(f"{row['robot']}: {line}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
