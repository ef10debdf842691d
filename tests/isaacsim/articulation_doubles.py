"""A double of articulation views of ``omni.physics.tensors``: MuJoCo's kinematics in PhysX' conventions.

As in PhysX, velocities of roots and links, and rows of Jacobians, are of centres of mass, and Jacobians have no row for
a fixed root. Links and joints are listed in other orders than OIGE's, links and Jacobians follow joints only after a
kinematic update, and starting physics moves what is not fixed.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import mujoco
import numpy as np
import torch
from body_doubles import BodyHost, View
from pxr import Usd, UsdGeom, UsdPhysics

__all__ = ["ArticulationHost"]

DOF_PROPERTIES: Mapping[str, tuple[int, ...]] = {
    "dof_stiffnesses": (),
    "dof_dampings": (),
    "dof_limits": (2,),
    "dof_max_forces": (),
    "dof_max_velocities": (),
    "dof_armatures": (),
    "dof_friction_properties": (3,),
    "dof_position_targets": (),
    "dof_velocity_targets": (),
    "dof_actuation_forces": (),
}
"""What joints have, and the double only keeps."""


class Robot:
    """A robot in one world.

    Args:
        mjcf: its description.
        prim: of the element.
        root: path of the prim with the articulation root API.
    """

    def __init__(self, mjcf: str, prim: Usd.Prim, root: str) -> None:
        self.path, self.root = str(prim.GetPath()), root
        self.model = model = mujoco.MjModel.from_xml_string(mjcf)
        self.data = mujoco.MjData(model)
        self.links = list(range(1, model.nbody))
        self.floating = model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
        # In the reverse order, so that columns of OIGE are others.
        self.joints = list(range(model.njnt))[int(self.floating) :][::-1]
        self.positions = [int(model.jnt_qposadr[joint]) for joint in self.joints]
        self.dofs = [int(model.jnt_dofadr[joint]) for joint in self.joints]
        self.properties = {name: np.zeros((len(self.dofs), *shape)) for name, shape in DOF_PROPERTIES.items()}
        self.gravity_disabled = np.zeros(len(self.links))
        body = prim.GetChild(model.body(1).name)
        pose = UsdGeom.Xformable(body).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
        rotation = pose.ExtractRotationQuat()
        self.place(np.array([*pose.ExtractTranslation(), *rotation.GetImaginary(), rotation.GetReal()]))
        self.update()

    def place(self, pose: np.ndarray) -> None:
        """Set position and orientation x, y, z, w of the root."""
        quaternion = np.roll(pose[3:], 1)
        if self.floating:
            motion = self.motion()
            self.data.qpos[:3], self.data.qpos[3:7] = pose[:3], quaternion
            self.move(motion)
        else:
            self.model.body_pos[1], self.model.body_quat[1] = pose[:3], quaternion

    def pose(self) -> np.ndarray:
        """Return position and orientation of the root."""
        if self.floating:
            return np.concatenate((self.data.qpos[:3], np.roll(self.data.qpos[3:7], -1)))
        return np.concatenate((self.model.body_pos[1], np.roll(self.model.body_quat[1], -1)))

    def update(self) -> None:
        """Compute poses and Jacobians of links."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        self.poses = np.array(
            [np.concatenate((self.data.xpos[link], np.roll(self.data.xquat[link], -1))) for link in self.links]
        )
        self.jacobians = np.array([self._jacobian(link) @ self._to_mujoco() for link in self.links])
        self.velocities = self.jacobians @ self.motion()

    def _jacobian(self, link: int) -> np.ndarray:
        """Return the Jacobian ``(6, nv)`` of a link's centre of mass for MuJoCo's velocities."""
        jacobian = np.zeros((6, self.model.nv))
        mujoco.mj_jacBodyCom(self.model, self.data, jacobian[:3], jacobian[3:], link)
        return jacobian

    def _to_mujoco(self) -> np.ndarray:
        """Return the matrix from PhysX' velocities to MuJoCo's.

        PhysX: of the root's centre of mass, angular in the world frame, joints. MuJoCo: of the root's origin, angular
        in its own frame, joints in their order.
        """
        matrix = np.zeros((self.model.nv, self.model.nv))
        offset = 0
        if self.floating:
            offset = 6
            rotation = np.zeros(9)
            mujoco.mju_quat2Mat(rotation, self.data.qpos[3:7])
            rotation = rotation.reshape(3, 3)
            x, y, z = rotation @ self.model.body_ipos[1]
            matrix[:3, :3] = np.eye(3)
            matrix[:3, 3:6] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]  # r × ω = −ω × r
            matrix[3:6, 3:6] = rotation.T
        for column, dof in enumerate(self.dofs):
            matrix[dof, offset + column] = 1.0
        return matrix

    def motion(self) -> np.ndarray:
        """Return PhysX' velocities."""
        return np.linalg.solve(self._to_mujoco(), self.data.qvel)

    def move(self, motion: np.ndarray) -> None:
        """Set PhysX' velocities."""
        self.data.qvel[:] = self._to_mujoco() @ motion

    def set_part(self, values: np.ndarray, part: slice) -> None:
        """Set some of PhysX' velocities."""
        motion = self.motion()
        motion[part] = values
        self.move(motion)

    @property
    def joint_part(self) -> slice:
        """Where PhysX' velocities have those of joints."""
        return slice(6 if self.floating else 0, None)

    def inertia(self, link: int) -> np.ndarray:
        """Return the inertia matrix of a link along its axes."""
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, self.model.body_iquat[link])
        rotation = rotation.reshape(3, 3)
        return rotation @ np.diag(self.model.body_inertia[link]) @ rotation.T

    def set_inertia(self, link: int, values: np.ndarray) -> None:
        """Set the inertia matrix of a link, and with it the orientation of its principal axes."""
        moments, axes = np.linalg.eigh(values.reshape(3, 3))
        axes = axes * np.sign(np.linalg.det(axes))
        self.model.body_inertia[link] = moments
        mujoco.mju_mat2Quat(self.model.body_iquat[link], axes.flatten())

    def com(self, link: int) -> np.ndarray:
        """Return the pose of the centre of mass and the principal axes of a link."""
        return np.concatenate((self.model.body_ipos[link], np.roll(self.model.body_iquat[link], -1)))

    def set_com(self, link: int, pose: np.ndarray) -> None:
        """Set the pose of the centre of mass and the principal axes of a link; its velocity stays."""
        motion = self.motion()
        self.model.body_ipos[link], self.model.body_iquat[link] = pose[:3], np.roll(pose[3:], 1)
        self.move(motion)


class ArticulationHost(BodyHost):
    """Runs a stage of robots.

    Args:
        kit: release of Kit whose names views have.
        robots: their MJCF by name of the element.
    """

    def __init__(self, kit: str, robots: Mapping[str, str]) -> None:
        super().__init__(kit)
        self.robots: dict[str, Robot] = {}
        self._mjcf = robots

    def play(self) -> None:
        for root in self.stage.Traverse():
            if root.HasAPI(UsdPhysics.ArticulationRootAPI):
                prim = root
                while not prim.GetParent().GetName().startswith("env_"):
                    prim = prim.GetParent()
                robot = self.robots[str(prim.GetPath())] = Robot(self._mjcf[prim.GetName()], prim, str(root.GetPath()))
                robot.data.qpos[:] += 0.01
                robot.update()

    def update_kinematics(self) -> None:
        for robot in self.robots.values():
            robot.update()

    def simulationview_create_articulation_view(self, pattern: str) -> View:
        robots = {robot.root: robot for robot in self.robots.values()}
        found = [robots[path] for path in self.matching(pattern, robots)]
        return View("ArticulationView", self.kit, _Rows(found))


class _Rows:
    """Reads and writes robots, in the order of rows."""

    def __init__(self, robots: list[Robot]) -> None:
        self.robots = robots
        for name in DOF_PROPERTIES:
            self._offer(name, lambda robot, name=name: robot.properties[name], partial(self._keep, name))
        self._offer("root_transforms", Robot.pose, Robot.place)
        self._offer("root_velocities", lambda robot: robot.motion()[:6], lambda robot, v: robot.set_part(v, slice(6)))
        self._offer("dof_positions", lambda robot: robot.data.qpos[robot.positions], _set_positions)
        self._offer(
            "dof_velocities",
            lambda robot: robot.motion()[robot.joint_part],
            lambda robot, values: robot.set_part(values, robot.joint_part),
        )
        self._offer("link_transforms", lambda robot: robot.poses)
        self._offer("link_velocities", lambda robot: robot.velocities)
        self._offer("jacobians", lambda robot: robot.jacobians[0 if robot.floating else 1 :])
        self._offer("link_incoming_joint_force", lambda robot: np.zeros((len(robot.links), 6)))
        self._offer("disable_gravities", lambda robot: robot.gravity_disabled, _set_gravity_disabled)
        self._offer("masses", lambda robot: robot.model.body_mass[1:], _set_masses)
        self._offer_of_links("coms", Robot.com, Robot.set_com)
        self._offer_of_links("inertias", lambda robot, link: robot.inertia(link).flatten(), Robot.set_inertia)

    def _offer(
        self, name: str, read: Callable[[Robot], Any], write: Callable[[Robot, np.ndarray], None] | None = None
    ) -> None:
        def get() -> torch.Tensor:
            values = np.stack([np.asarray(read(robot), dtype=np.float32) for robot in self.robots])
            return torch.from_numpy(values)

        def put(data: torch.Tensor, indices: torch.Tensor) -> None:
            assert indices.dtype == torch.int32, indices.dtype
            assert tuple(data.shape) == tuple(get().shape), (name, tuple(data.shape))
            assert write is not None
            for row in indices.tolist():
                write(self.robots[row], data[row].double().numpy())

        setattr(self, f"articulationview_get_{name}", get)
        if write is not None:
            setattr(self, f"articulationview_set_{name}", put)

    def _offer_of_links(
        self, name: str, read: Callable[[Robot, int], Any], write: Callable[[Robot, int, np.ndarray], None]
    ) -> None:
        def put(robot: Robot, values: np.ndarray) -> None:
            for link, row in zip(robot.links, values, strict=True):
                write(robot, link, row)

        self._offer(name, lambda robot: [read(robot, link) for link in robot.links], put)

    def _keep(self, name: str, robot: Robot, values: np.ndarray) -> None:
        robot.properties[name][:] = values

    def articulationview_count(self) -> int:
        return len(self.robots)

    def articulationview_prim_paths(self) -> list[str]:
        return [robot.root for robot in self.robots]

    def articulationview_link_paths(self) -> list[list[str]]:
        return [[f"{robot.path}/{robot.model.body(link).name}" for link in robot.links] for robot in self.robots]

    def articulationview_dof_paths(self) -> list[list[str]]:
        return [[f"{robot.path}/joints/{robot.model.joint(j).name}" for j in robot.joints] for robot in self.robots]

    def articulationview_max_fixed_tendons(self) -> int:
        return 0


def _set_positions(robot: Robot, values: np.ndarray) -> None:
    robot.data.qpos[robot.positions] = values


def _set_gravity_disabled(robot: Robot, values: np.ndarray) -> None:
    robot.gravity_disabled[:] = values


def _set_masses(robot: Robot, values: np.ndarray) -> None:
    robot.model.body_mass[1:] = values
