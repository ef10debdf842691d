"""One instance of PhysX that simulates one USD stage."""

import contextlib
import importlib.util
import logging
import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pxr import Usd, UsdPhysics

__all__ = ["PhysxRuntime", "is_ovphysx_installed", "without_deprecations"]

_MODULES = ("ovphysx", "ovstage", "physx_usd_schemas", "newton_usd_schemas")
_LOGGER = "oige_core.testing.physx"

_schemas_registered = False


def is_ovphysx_installed() -> bool:
    """Return whether the packages are installed that run PhysX without Isaac Sim."""
    return all(importlib.util.find_spec(module) for module in _MODULES)


@contextlib.contextmanager
def without_deprecations() -> Iterator[None]:
    """Context without ovphysx' warnings that tensor bindings, which Isaac Sim's tensors are, will go one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


class PhysxRuntime:
    """Simulates a stage on the CPU. Several may live side by side, and one after the other.

    Args:
        stage: what is simulated. It is read once: later changes have no effect.

    Attributes:
        usd_stage: the stage.
        last_dt: length of the last step, in seconds.
        gravity: gravity of the physics scene ``(3,)``, in m/s².
    """

    def __init__(self, stage: Usd.Stage) -> None:
        import ovphysx
        import ovstage

        if not ovphysx.PhysX.get_cpu_mode():  # of the process, which live instances do not let change
            ovphysx.PhysX.set_cpu_mode(True)
        _register_schemas()
        self.usd_stage = stage
        self.last_dt = 0.0
        self._ordinal = 1
        self.gravity = _stated_gravity(stage)
        self._log = _ErrorLog()
        self._bindings: list[Any] = []
        self._physx = ovphysx.PhysX()
        self._stage = ovstage.Stage("oige")
        ovphysx.enable_default_log_output(False)
        ovphysx.enable_python_logging(_LOGGER, min_severity=ovphysx.LogLevel.ERROR)
        logging.getLogger(_LOGGER).addHandler(self._log)
        with tempfile.TemporaryDirectory(prefix="oige-physx-") as folder:
            path = Path(folder) / "stage.usdc"
            stage.Export(str(path))
            domains = ovstage.PopulationDomain.ALL
            ovstage.population.open_usd(self._stage, str(path), ordinal=1, domains=domains)
        self._stage.advance_write_floor(ordinal=1).wait()
        self._physx.wait_task(self._physx.attach_ovstage(self._stage, read_ordinal=1))
        self._physx.warmup()

    def step(self, dt: float) -> None:
        """Advance physics by ``dt`` seconds, and wait for it."""
        self._physx.step_sync(dt)
        self.last_dt = dt

    def update_kinematics(self) -> None:
        """Compute poses and velocities of links from positions and velocities of joints."""
        self._physx.update_articulations_kinematic()

    def bind(self, tensor_type: str, paths: Sequence[str]) -> Any:
        """Return a tensor binding of prims, whose rows are in the order of ``paths``.

        Args:
            tensor_type: name in ``ovphysx.TensorType``.
            paths: paths of rigid bodies or articulation roots.
        """
        from ovphysx.types import TensorType

        with without_deprecations():
            binding = self._physx.create_tensor_binding(prim_paths=list(paths), tensor_type=TensorType[tensor_type])
        self._bindings.append(binding)
        return binding

    def bind_contacts(self, sensors: Sequence[str], filters: Sequence[Sequence[str]], max_contacts: int) -> Any:
        """Return a contact binding of rigid bodies.

        Args:
            sensors: paths of bodies.
            filters: for each sensor, paths of the bodies with which contacts are told apart, equally many for each.
            max_contacts: how many contacts are kept in detail.
        """
        flat = [path for paths in filters for path in paths]
        per_sensor = len(flat) // len(sensors)
        with without_deprecations():
            binding = self._physx.create_contact_binding(list(sensors), flat or None, per_sensor, max_contacts)
        self._bindings.append(binding)
        return binding

    def set_kinematic_targets(self, paths: Sequence[str], poses: torch.Tensor) -> None:
        """Let kinematic bodies move to poses during the next step.

        Args:
            paths: paths of the bodies.
            poses: ``(n, 7)``, x, y, z and the quaternion x, y, z, w.
        """
        import ovstage
        from ovphysx.types import SimObjectType

        rows = {path: row for row, path in enumerate(paths)}
        columns = {"kinematicTargetPosition": slice(3), "kinematicTargetOrientation": slice(3, 7)}
        with ovstage.PathDictionary(self._stage) as names:
            handles = [names.intern_path(path) for path in paths]
            with self._physx.write_sync(SimObjectType.RIGID_BODY, list(columns), prim_paths=handles) as session:
                for group in session.groups:
                    listed = names.get_paths(group.prim_list)[group.prim_offset : group.prim_offset + group.prim_count]
                    found = [rows[names.path_to_string(each)] for each in listed]
                    values = poses[found, list(columns.values())[group.attribute_index]]
                    group.tensors[0].assign(values.numpy())
                    session.commit_sync(group)

    def set_gravity(self, gravity: Sequence[float]) -> None:
        """Set the gravity ``(3,)`` of the only physics scene, in m/s²."""
        import ovstage

        scene = next(prim for prim in self.usd_stage.Traverse() if prim.IsA(UsdPhysics.Scene))
        strength = math.hypot(*gravity)
        direction = [part / strength for part in gravity] if strength else [0.0, 0.0, -1.0]
        self._ordinal += 1
        with ovstage.PathDictionary(self._stage) as names:
            paths = names.create_path_list_from_strings([str(scene.GetPath())])
            query = self._stage.query_from_path_list(paths)
            for name, values in (("physics:gravityMagnitude", [strength]), ("physics:gravityDirection", direction)):
                kind = ovstage.DLDataType(ovstage.DLDataTypeCode.kDLFloat, 32, len(values))
                tensor = ovstage.make_dltensor(np.array(values, dtype=np.float32), dtype=kind, shape=[1], ndim=1)
                self._stage.write_attribute(query, name, self._ordinal, tensor, is_array=False).wait()
            self._stage.release_query(query).wait()
            names.destroy_path_list(paths)
        self._stage.advance_write_floor(ordinal=self._ordinal).wait()
        self._physx.wait_task(self._physx.update_from_ovstage(self._ordinal, self._ordinal))
        self.gravity = tuple(gravity)

    def object_type(self, path: str) -> int:
        """Return the number of the type of the physics object at a path, in ``ObjectType``."""
        with without_deprecations():
            return int(self._physx.get_object_type(path))

    def take_errors(self) -> list[str]:
        """Return the errors that PhysX has logged since the last call."""
        import ovphysx

        ovphysx.flush_log()
        lines, self._log.lines = self._log.lines, []
        return lines

    def report(self, message: str) -> None:
        """Log an error as PhysX would."""
        self._log.lines.append(message)

    def close(self) -> None:
        """Free PhysX and the stage; bindings cannot be used afterwards."""
        logging.getLogger(_LOGGER).removeHandler(self._log)
        for binding in self._bindings:
            binding.destroy()
        self._bindings.clear()
        self._physx.wait_task(self._physx.detach_ovstage())
        self._stage.destroy()
        self._physx.destroy()


def _stated_gravity(stage: Usd.Stage) -> tuple[float, ...]:
    for prim in stage.Traverse():
        if prim.IsA(UsdPhysics.Scene):
            scene = UsdPhysics.Scene(prim)
            direction, strength = scene.GetGravityDirectionAttr().Get(), scene.GetGravityMagnitudeAttr().Get()
            down = tuple(direction) if any(direction) else (0.0, 0.0, -1.0)
            return tuple(part * (9.81 if math.isinf(strength) else strength) for part in down)
    return (0.0, 0.0, -9.81)


class _ErrorLog(logging.Handler):
    """Keeps the messages of a logger."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split()))


def _register_schemas() -> None:
    """Make the PhysX and Newton schemas known to ovstage, once in a process, before it opens a stage."""
    global _schemas_registered
    if _schemas_registered:
        return
    import ovphysx
    import ovstage
    from ovphysx.samples.python_samples.schema_support import physx_schema_paths

    paths = [*physx_schema_paths(), ovphysx.newton_schema_root()]
    ovstage.population.register_usd_schemas([str(path) for path in paths])
    _schemas_registered = True
