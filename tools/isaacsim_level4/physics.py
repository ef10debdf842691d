"""Stand-ins of ``omni.physx`` and of the compiled part of ``omni.physics.tensors``, over PhysX."""

import ctypes
import enum
import importlib.util
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from pxr import Plug, Usd

from tools.isaacsim_level4.kit import Events, Float3, Kit, TimelineEventType
from tools.isaacsim_level4.stand_ins import module

if TYPE_CHECKING:
    from oige_core.testing.physx.runtime import PhysxRuntime

__all__ = ["Physics", "install_physics", "install_schemas"]


class Physics:
    """PhysX on the stage of the application.

    Physics reads the stage when it starts; stopping the timeline ends it.

    Args:
        kit: the application.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._runtime: PhysxRuntime | None = None
        self.before, self.after = Events(), Events()
        self.steps = 0
        self._stop = kit.timeline.get_timeline_event_stream().create_subscription_to_pop_by_type(
            TimelineEventType.STOP, lambda event: self.unload()
        )

    @property
    def runtime(self) -> "PhysxRuntime":
        """The running PhysX."""
        if self._runtime is None:
            raise RuntimeError("physics does not run")
        return self._runtime

    def load(self) -> None:
        """Start PhysX on the stage, unless it runs."""
        from oige_core.testing.physx.runtime import PhysxRuntime

        stage = self._kit.context.get_stage()
        if self._runtime is None and stage is not None:
            self._runtime = PhysxRuntime(stage)
            self.steps = 0
            self._log_errors()

    def unload(self) -> None:
        """Stop PhysX."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()

    def step(self, dt: float, time: float = 0.0) -> None:
        """Advance physics by one step."""
        self.before.publish(None, dt)
        self.runtime.step(dt)
        self.steps += 1
        self.after.publish(None, dt)
        self._log_errors()

    def _log_errors(self) -> None:
        for line in self.runtime.take_errors():
            self._kit.log.write("LEVEL_ERROR", line)

    def subscribe(self, function: Callable, pre_step: bool = False, order: int = 0) -> Any:
        """Call a function with the time of each step."""
        return (self.before if pre_step else self.after).subscribe(function, order=order)


class Replicator:
    """Does nothing: physics parses all worlds."""

    def register_replicator(self, stage_id: int, attach: Callable, attach_end: Callable, rename: Callable) -> None:
        pass

    def unregister_replicator(self, stage_id: int) -> None:
        pass


class Descriptor:
    """``TensorDesc``: where a tensor lies in memory."""

    dtype: Any = None
    shape: tuple[int, ...] = ()
    data_address: int = 0
    device: int = -1

    def tensor(self) -> torch.Tensor:
        """Return a tensor on the same memory."""
        dtype = DTYPES[self.dtype]
        count = int(torch.Size(self.shape).numel())
        if count == 0:
            return torch.zeros(self.shape, dtype=dtype)
        buffer = (ctypes.c_char * (count * dtype.itemsize)).from_address(self.data_address)
        return torch.frombuffer(buffer, dtype=dtype).view(self.shape)


class DataType(enum.IntEnum):
    """``TensorDataType``."""

    float32 = 0
    float64 = 1
    int8 = 2
    int16 = 3
    int32 = 4
    int64 = 5
    uint8 = 6
    uint16 = 7
    uint32 = 8
    uint64 = 9


KINDS = {
    "ObjectType": (
        "Invalid",
        "RigidBody",
        "Articulation",
        "ArticulationLink",
        "ArticulationRootLink",
        "ArticulationJoint",
    ),
    "JointType": ("Invalid", "Fixed", "Revolute", "Prismatic", "Spherical"),
    "DofType": ("Invalid", "Rotation", "Translation"),
    "DofMotion": ("Invalid", "Free", "Limited", "Locked"),
    "DofDriveType": ("None", "Force", "Acceleration"),
}
"""Enumerations of kinds of objects, in the order of their numbers."""

DTYPES = {kind: getattr(torch, kind.name) for kind in DataType}

OLD_NAMES = {
    "get_mass_matrices": "get_generalized_mass_matrices",
    "get_generalized_gravity_forces": "get_gravity_compensation_forces",
    "get_coriolis_and_centrifugal_forces": "get_coriolis_and_centrifugal_compensation_forces",
    "mass_matrix_shape": "generalized_mass_matrix_shape",
}
"""Names in Kit 107.3 and before, with those of Kit 110."""


class Backend:
    """A view of the stand-in of the front end, with the bindings' arguments: descriptors instead of tensors."""

    def __init__(self, view: Any) -> None:
        self._view = view

    def check(self) -> bool:
        """Return whether physics has the objects of the view; here it has, once they were found."""
        return self._view.count > 0

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._view, OLD_NAMES.get(name, name))
        if not callable(member):
            return member

        def call(*arguments: Any) -> Any:
            if name.startswith("get_") and arguments and isinstance(arguments[0], Descriptor):
                into = arguments[0].tensor()
                into.copy_(torch.as_tensor(member(*arguments[1:])).reshape(into.shape))
                return True
            result = member(*(arg.tensor() if isinstance(arg, Descriptor) else arg for arg in arguments))
            if name.startswith("create_"):
                return Backend(result)
            return True if name.startswith("set_") else result

        return call


class SimulationBackend(Backend):
    """The compiled simulation view."""

    def set_subspace_roots(self, pattern: str) -> bool:
        return True

    def initialize_kinematic_bodies(self) -> bool:
        return True

    def get_gravity(self, into: Any = None) -> Any:
        """Fill a vector of Kit up to 107, and return numbers from Kit 110 on."""
        gravity = self._view.get_gravity()
        if into is None:
            return tuple(gravity)
        into.x, into.y, into.z = gravity
        return True

    def set_gravity(self, gravity: Any) -> bool:
        """Take a vector of Kit up to 107, and numbers from Kit 110 on."""
        numbers = (gravity.x, gravity.y, gravity.z) if hasattr(gravity, "x") else gravity
        return self._view.set_gravity(Float3(*numbers))


class TensorApi:
    """What ``acquire_tensor_api`` returns."""

    def __init__(self, physics: Physics) -> None:
        self._physics = physics

    def create_simulation_view(self, stage_id: int = -1) -> SimulationBackend:
        from oige_core.testing.physx.simulation import SimulationView

        return SimulationBackend(SimulationView(self._physics.runtime))

    def reset(self) -> None:
        pass


def install_schemas() -> None:
    """Let ``pxr`` have the schemas of PhysX, Newton and MuJoCo, as in Kit."""
    import pxr

    newton_usd_schemas = importlib.import_module("newton_usd_schemas")
    for name in ("PhysxSchema", "PhysicsSchemaTools"):
        schema = importlib.import_module(f"physx_usd_schemas.{name}")
        sys.modules[f"pxr.{name}"] = schema
        setattr(pxr, name, schema)
    Plug.Registry().RegisterPlugins([str(path) for path in newton_usd_schemas.__path__])
    if converter := importlib.util.find_spec("mujoco_usd_converter"):  # its schemas are used, not its code
        folders = converter.submodule_search_locations or []
        Plug.Registry().RegisterPlugins([f"{folder}/plugins" for folder in folders])
    for name in ("HasAPI", "ApplyAPI", "RemoveAPI", "CanApplyAPI"):
        setattr(Usd.Prim, name, _by_name(getattr(Usd.Prim, name)))


def _by_name(method: Callable) -> Callable:
    """Let a method of a prim take classes of the PhysX schemas, which are not registered with usd-core."""

    def call(self: Usd.Prim, schema: Any, *rest: Any) -> Any:
        is_physx = isinstance(schema, type) and schema.__module__.startswith("physx_usd_schemas")
        return method(self, schema.__name__ if is_physx else schema, *rest)

    return call


def install_physics(kit: Kit) -> Physics:
    """Register stand-ins of the modules of physics.

    Args:
        kit: the application.
    """
    physics = Physics(kit)
    interface = SimpleNamespace(
        force_load_physics_from_usd=physics.load,
        start_simulation=physics.load,
        release_physics_objects=physics.unload,
        reset_simulation=physics.unload,
        update_simulation=physics.step,
        subscribe_physics_on_step_events=physics.subscribe,
        subscribe_physics_step_events=physics.subscribe,
    )
    simulation = SimpleNamespace(simulate=physics.step, fetch_results=lambda: None, flush_changes=lambda: None)
    module(
        "omni.physx",
        get_physx_interface=lambda: interface,
        get_physx_simulation_interface=lambda: simulation,
        get_physx_replicator_interface=Replicator,
    )
    api = TensorApi(physics)
    module(
        "omni.physics.tensors.bindings._physicsTensors",
        acquire_tensor_api=lambda: api,
        TensorDesc=Descriptor,
        TensorDataType=DataType,
        SimulationView=SimulationBackend,
        ArticulationView=Backend,
        RigidBodyView=Backend,
        RigidContactView=Backend,
        **{kind.name: kind for kind in DataType},
        **{name: enum.IntEnum(name, kinds, start=0) for name, kinds in KINDS.items()},
    )
    return physics
