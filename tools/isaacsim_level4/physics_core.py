"""Stand-in of ``omni.physics.core`` of Isaac Sim 6: one interface to several physics engines."""

import enum
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from tools.isaacsim_level4.kit import Events
from tools.isaacsim_level4.physics import Physics
from tools.isaacsim_level4.stand_ins import module

__all__ = ["Engines", "install_physics_core"]


class RegistryEvent(enum.IntEnum):
    """Kinds of events of the registry of engines."""

    SIMULATION_REGISTERED = 0
    SIMULATION_UNREGISTERED = 1
    SIMULATION_ACTIVATED = 2
    SIMULATION_DEACTIVATED = 3


class Simulation:
    """The functions of a physics engine."""

    def __init__(self) -> None:
        self.simulation_fns = SimpleNamespace()
        self.stage_update_fns = SimpleNamespace()


class Engines:
    """The registry of physics engines, of which one is active."""

    def __init__(self) -> None:
        self.active: set[int] = set()
        self._engines: dict[int, tuple[str, Simulation]] = {}
        self._events = Events()

    def register_simulation(self, simulation: Simulation, name: str) -> int:
        number = len(self._engines) + 1
        self._engines[number] = (name, simulation)
        return number

    def unregister_simulation(self, number: int) -> None:
        del self._engines[number]
        self.active.discard(number)

    def get_simulation_ids(self) -> list[int]:
        return list(self._engines)

    def get_simulation_name(self, number: int) -> str:
        return self._engines[number][0]

    def get_simulation(self, number: int) -> Simulation:
        return self._engines[number][1]

    def is_simulation_active(self, number: int) -> bool:
        return number in self.active

    def activate_simulation(self, number: int) -> bool:
        self.active.add(number)
        self._publish(RegistryEvent.SIMULATION_ACTIVATED, number)
        return True

    def deactivate_simulation(self, number: int) -> bool:
        self.active.discard(number)
        self._publish(RegistryEvent.SIMULATION_DEACTIVATED, number)
        return True

    def _publish(self, event: RegistryEvent, number: int) -> None:
        self._events.publish(None, event, number, self.get_simulation_name(number))

    def subscribe_simulation_registry_events(self, function: Callable) -> Any:
        return self._events.subscribe(function)


class ActiveEngine:
    """Calls a function of every active engine."""

    def __init__(self, engines: Engines, kind: str) -> None:
        self._engines, self._kind = engines, kind

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            result = None
            for number in self._engines.active:
                functions = getattr(self._engines.get_simulation(number), self._kind)
                result = getattr(functions, name)(*arguments, **named)
            return result

        return call


def _nothing(*arguments: Any) -> None:
    pass


def install_physics_core(physics: Physics | None) -> Engines:
    """Register a stand-in of ``omni.physics.core``.

    Args:
        physics: PhysX, which becomes the active engine; None: there is none.
    """
    engines = Engines()
    if physics is not None:
        physx = Simulation()
        vars(physx.simulation_fns).update(simulate=physics.step, fetch_results=_nothing, flush_changes=_nothing)
        vars(physx.stage_update_fns).update(
            on_attach=_nothing,
            on_detach=physics.unload,
            force_load_physics_from_usd=physics.load,
            start_simulation=physics.load,
        )
        engines.activate_simulation(engines.register_simulation(physx, "PhysX"))
    simulation = ActiveEngine(engines, "simulation_fns")
    stage_update = ActiveEngine(engines, "stage_update_fns")
    module(
        "omni.physics.core",
        Simulation=Simulation,
        SimulationRegistryEventType=RegistryEvent,
        PhysicsStepContext=SimpleNamespace,
        ContactEventHeaderVector=list,
        ContactDataVector=list,
        FrictionAnchorsDataVector=list,
        k_invalid_simulation_id=-1,
        get_physics_interface=lambda: engines,
        get_physics_simulation_interface=lambda: simulation,
        get_physics_stage_update_interface=lambda: stage_update,
    )
    return engines
