"""The embedded engine for Warp variants of tasks: on Warp arrays, in captured graphs."""

from collections.abc import Callable

import torch
import warp as wp

from oige_core.engines.mujoco.task_arrays import kernels
from oige_core.engines.mujoco.views import MujocoArticulationView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import CapabilityError
from oige_core.views import ArticulationView
from oige_core.warp_arrays import ArticulationArrays

__all__ = ["MujocoWarpWorlds"]


class MujocoWarpWorlds:
    """See :class:`~oige_core.engines.base.WarpWorlds`."""

    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        self._graphs = worlds.executor.graphs
        self._articulations: dict[str, _Articulation] = {}

    def articulation(self, view: ArticulationView) -> ArticulationArrays:
        """See :class:`~oige_core.engines.base.WarpWorlds`."""
        assert isinstance(view, MujocoArticulationView)
        if view.name not in self._articulations:
            self._articulations[view.name] = _Articulation(self._worlds, view)
            self._graphs.forget()
        return self._articulations[view.name].arrays

    def capture_step(
        self, n_substeps: int, before: Callable[[], None], after: Callable[[], None]
    ) -> Callable[[], None]:
        """See :class:`~oige_core.engines.base.WarpWorlds`."""

        def launch_before() -> None:
            before()
            for articulation in self._articulations.values():
                articulation.launch_drive()

        def launch_after() -> None:
            self.launch_read()
            after()

        return lambda: self._worlds.step_between(n_substeps, launch_before, launch_after)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """See :class:`~oige_core.engines.base.WarpWorlds`."""

        def run() -> None:
            self._graphs.run(work, work)
            self._worlds.mark_stale(None)

        return run

    def launch_read(self) -> None:
        """See :class:`~oige_core.engines.base.WarpWorlds`."""
        for articulation in self._articulations.values():
            articulation.launch_read()

    def launch_reset(self, mask: wp.array) -> None:
        """See :class:`~oige_core.engines.base.WarpWorlds`."""
        self._worlds.executor.launch_reset(mask)
        for articulation in self._articulations.values():
            articulation.launch_reset(mask)
        self.launch_read()

    def launch_write(self, mask: wp.array) -> None:
        """See :class:`~oige_core.engines.base.WarpWorlds`."""
        for articulation in self._articulations.values():
            articulation.launch_write(mask)


class _Articulation:
    """An articulation's arrays, and the launches that exchange them with MuJoCo's fields."""

    def __init__(self, worlds: Worlds, view: MujocoArticulationView) -> None:
        layout, executor = worlds.compiled.articulations[view.name], worlds.executor
        self._layout = layout
        self._tracked = bool(layout.force_sensors)
        if self._tracked and worlds.compiled.model.ngravcomp:
            raise CapabilityError(
                f"'{view.name}': Warp variants cannot measure joint forces where gravity is switched off for bodies; "
                "remove disable_gravity."
            )
        n, d, b = worlds.num_envs, view.num_dof, view.num_bodies
        self._num_envs, self._joints = n, (n, d)

        def zeros(*shape: int, dtype: type = wp.float32) -> wp.array:
            return wp.from_torch(torch.zeros(shape, device=worlds.device), dtype=dtype)

        def addresses(values: list) -> wp.array:
            return wp.from_torch(torch.tensor(values, dtype=torch.int32, device=worlds.device))

        self._qpos_ids, self._dof_ids = addresses(layout.qpos), addresses(layout.dofs)
        self._ctrl_ids = addresses(layout.actuators)
        self._qpos, self._qvel, self._ctrl = (wp.from_torch(executor.field(name)) for name in ("qpos", "qvel", "ctrl"))
        targets, initial_targets, gains = view.drives()
        self._targets, self._initial_targets = wp.from_torch(targets), wp.from_torch(initial_targets)
        self._gains = [wp.from_torch(values) for values in gains]
        arrays = self.arrays = ArticulationArrays()
        arrays.joint_positions, arrays.joint_velocities = zeros(n, d), zeros(n, d)
        arrays.joint_position_targets, arrays.joint_velocity_targets, arrays.joint_efforts = map(wp.from_torch, targets)
        if layout.floating:
            arrays.root_positions = zeros(n, 3, dtype=wp.vec3)
            arrays.root_orientations = zeros(n, 4, dtype=wp.quat)
            arrays.root_linear_velocities = zeros(n, 3, dtype=wp.vec3)
            arrays.root_angular_velocities = zeros(n, 3, dtype=wp.vec3)
        if self._tracked:
            forces = torch.full((n, b, 6), torch.nan, device=worlds.device)  # also if nothing is measured
            arrays.joint_forces = wp.from_torch(forces, dtype=wp.spatial_vector)
            self._sensordata = wp.from_torch(worlds.force("sensordata"))
            sensors = layout.force_sensors
            self._links, self._sensors = addresses(list(sensors)), addresses(list(sensors.values()))

    def launch_read(self) -> None:
        """Read the state after the last physics step or reset."""
        arrays = self.arrays
        state = [self._qpos, self._qvel]
        wp.launch(
            kernels.read_joints,
            self._joints,
            inputs=[*state, self._qpos_ids, self._dof_ids],
            outputs=[arrays.joint_positions, arrays.joint_velocities],
        )
        if self._layout.floating:
            wp.launch(
                kernels.read_root,
                self._num_envs,
                inputs=[*state, self._layout.root_qpos, self._layout.root_dof],
                outputs=self._root(),
            )
        if self._tracked:
            wp.launch(
                kernels.read_forces,
                (self._num_envs, len(self._links)),
                inputs=[self._sensordata, self._links, self._sensors],
                outputs=[arrays.joint_forces],
            )

    def launch_write(self, mask: wp.array) -> None:
        """Write the values of a task into the state of the worlds of a mask."""
        arrays = self.arrays
        state = [mask, self._qpos, self._qvel]
        wp.launch(
            kernels.write_joints,
            self._joints,
            inputs=[*state, self._qpos_ids, self._dof_ids, arrays.joint_positions, arrays.joint_velocities],
        )
        if self._layout.floating:
            addresses = [self._layout.root_qpos, self._layout.root_dof]
            wp.launch(kernels.write_root, self._num_envs, inputs=[*state, *addresses, *self._root()])

    def launch_drive(self) -> None:
        """Write efforts and targets to the drives."""
        arrays = self.arrays
        wp.launch(
            kernels.drive,
            self._joints,
            inputs=[
                arrays.joint_efforts,
                arrays.joint_position_targets,
                arrays.joint_velocity_targets,
                *self._gains,
                self._ctrl_ids,
            ],
            outputs=[self._ctrl],
        )

    def launch_reset(self, mask: wp.array) -> None:
        """Restore the initial targets of the worlds of a mask."""
        wp.launch(kernels.reset_targets, self._joints, inputs=[mask, self._targets, self._initial_targets])

    def _root(self) -> list[wp.array]:
        arrays = self.arrays
        return [
            arrays.root_positions,
            arrays.root_orientations,
            arrays.root_linear_velocities,
            arrays.root_angular_velocities,
        ]
