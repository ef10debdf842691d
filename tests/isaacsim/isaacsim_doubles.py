"""Doubles of Isaac Sim's releases: only their names, only their parameters, and a small model of what they do.

``tests/data/isaacsim_api.json`` has the names and parameters of three releases; ``tools/isaacsim_api.py`` reads them
from the sources. ``tests/data/kit_api.json`` has those of Kit, whose sources are not public, from its documentation. A
member that a release does not have raises AttributeError, and arguments that it does not take raise TypeError.

The model knows in which order a release works: physics can start only on a stage with a physics scene, an update of the
application advances physics unless that is switched off, and a stopped timeline ends physics.
"""

import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from oige_core.engines.isaacsim.releases import Release
from pxr import Usd, UsdPhysics

DATA = Path(__file__).resolve().parent.parent / "data"
API = json.loads((DATA / "isaacsim_api.json").read_text())
KIT = json.loads((DATA / "kit_api.json").read_text())

TENSORS_OF = {"5.0.0": "107.3", "5.1.0": "107.3", "6.0.1": "110.0"}


def signature(parameters: Sequence[str], owner: bool = True) -> inspect.Signature:
    """Return a signature of parameters as the JSON files write them.

    Args:
        parameters: names, with ``=`` behind those with a default value.
        owner: whether an object comes first.
    """
    kinds = inspect.Parameter
    kind = kinds.POSITIONAL_OR_KEYWORD
    found = [kinds("self", kinds.POSITIONAL_ONLY)] if owner else []
    for text in parameters:
        if text == "*":
            kind = kinds.KEYWORD_ONLY
        elif text.startswith("**"):
            found.append(kinds(text[2:], kinds.VAR_KEYWORD))
        elif text.startswith("*"):
            found.append(kinds(text[1:], kinds.VAR_POSITIONAL))
            kind = kinds.KEYWORD_ONLY
        else:
            default = None if text.endswith("=") else kinds.empty
            found.append(kinds(text.removesuffix("="), kind, default=default))
    return inspect.Signature(found)


class Double:
    """An object with some members of a class; a call is recorded and answered by a function of the same name.

    Args:
        name: of the class.
        members: parameters of its methods; None for properties.
        model: has functions that answer, named ``<class>_<method>`` in lower case; others return None.
    """

    def __init__(self, name: str, members: Mapping[str, Sequence[str] | None], model: "Model") -> None:
        self._name, self._members, self._model = name, members, model

    def __getattr__(self, member: str) -> Any:
        if member.startswith("_") or member not in self._members:
            raise AttributeError(f"{self._name} has no {member}")
        answer = getattr(self._model, f"{self._name.lower()}_{member}", None)
        parameters = self._members[member]
        if parameters is None:
            return answer() if answer else None
        return checked(f"{self._name}.{member}", parameters, self._model.calls, answer)


def checked(name: str, parameters: Sequence[str], calls: list, answer: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return a function that takes some parameters only, and records its calls."""
    accepted = signature(parameters, owner=False)

    def function(*args: Any, **kwargs: Any) -> Any:
        arguments = accepted.bind(*args, **kwargs).arguments
        calls.append((name, arguments))
        return answer(**arguments) if answer else None

    function.__signature__ = accepted  # type: ignore[attr-defined]
    return function


class Model:
    """What a release does, and a record of what it was asked.

    Attributes:
        calls: name and arguments of each call, in order.
        app_steps: physics steps that updates of the application made.
        steps: times and start times of the steps that were asked for.
    """

    def __init__(self, members: Callable[[str], Mapping[str, Sequence[str] | None]], physics: str = "physx") -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.members = members
        self.physics = physics
        self.app_steps = 0
        self.updates = 0
        self.steps: list[tuple[float, float]] = []
        self.settings: dict[str, Any] = {"/app/player/playSimulations": True}
        self.playing = self.running = False
        self.enabled_extensions: set[str] = set()
        self.fetched = True
        self.stage: Usd.Stage | None = None
        self.loggers: dict[int, Callable[..., None]] = {}
        self.view: Double | None = None
        self.device = ""
        self.backend = "numpy"

    def make(self, name: str) -> Double:
        return Double(name.rpartition(".")[2], self.members(name), self)

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def arguments_of(self, name: str) -> dict[str, Any]:
        [arguments] = [arguments for called, arguments in self.calls if called == name]
        return arguments

    def has_physics_scene(self) -> bool:
        return self.stage is not None and any(prim.IsA(UsdPhysics.Scene) for prim in self.stage.Traverse())

    # Kit

    def usdcontext_new_stage(self) -> bool:
        assert not self.playing, "a stage is replaced while physics runs"
        self.stage = Usd.Stage.CreateInMemory()
        return True

    def usdcontext_get_stage(self) -> Usd.Stage | None:
        return self.stage

    def usdcontext_get_stage_id(self) -> int:
        return 7

    def itimeline_play(self) -> None:
        self.playing = True

    def itimeline_stop(self) -> None:
        self.playing = self.running = False

    def itimeline_is_playing(self) -> bool:
        return self.playing

    def iapp_update(self) -> None:
        self.updates += 1
        self.app_steps += self.playing and self.settings["/app/player/playSimulations"]

    def iapp_get_extension_manager(self) -> Double:
        return self.make("omni.kit.app.ExtensionManager")

    def extensionmanager_is_extension_enabled(self, name: str) -> bool:
        return name in self.enabled_extensions

    def isettings_set(self, path: str, value: Any) -> None:
        self.settings[path] = value

    def ilogging_add_logger(self, logger: Callable[..., None]) -> int:
        self.loggers[len(self.loggers)] = logger
        return len(self.loggers) - 1

    def ilogging_remove_logger(self, logger: int) -> None:
        del self.loggers[logger]

    def iphysxsimulation_simulate(self, elapsed_time: float, current_time: float) -> None:
        assert self.running, "physics does not run"
        assert self.fetched, "the results of the last step were not fetched"
        self.fetched = False
        self.steps.append((elapsed_time, current_time))

    def iphysxsimulation_fetch_results(self) -> None:
        self.fetched = True

    iphysicssimulation_simulate = iphysxsimulation_simulate
    iphysicssimulation_fetch_results = iphysxsimulation_fetch_results

    # Isaac Sim

    def start(self, frontend: str) -> None:
        assert self.playing, "physics starts before the timeline plays"
        assert self.has_physics_scene(), "the stage has no physics scene"
        self.running = True
        self.backend = frontend
        self.view = self.make("omni.physics.tensors.SimulationView")

    def simulationmanager_set_backend(self, val: str) -> None:
        self.backend = val

    def simulationmanager_set_physics_sim_device(self, val: str) -> None:
        assert self.has_physics_scene(), "the device is an attribute of the physics scene"
        self.device = val

    def simulationmanager_setup_simulation(self, dt: float | None = None, device: Any = None) -> None:
        assert dt is None, "the physics scene states its own time step"
        self.simulationmanager_set_physics_sim_device(device)

    def simulationmanager_initialize_physics(self) -> None:
        self.start(self.backend)

    def simulationmanager_get_physics_sim_view(self) -> Double | None:
        return self.view if self.running else None

    simulationmanager_get_physics_simulation_view = simulationmanager_get_physics_sim_view

    def simulationmanager_get_active_physics_engine(self) -> str:
        return self.physics

    def simulationcontext_initialize_physics(self) -> None:
        self.start(self.backend)

    def simulationcontext_physics_sim_view(self) -> Double | None:
        return self.view

    def simulationcontext_clear_instance(self) -> None:
        self.backend, self.device = "numpy", ""

    def create_simulation_context(self, **arguments: Any) -> Double:
        parameters = self.members("isaacsim.core.api.SimulationContext")["__init__"] or []
        checked("SimulationContext", parameters, self.calls, None)(**arguments)
        assert self.stage is not None
        scene = self.stage.GetPrimAtPath(arguments["physics_prim_path"])
        assert scene.IsA(UsdPhysics.Scene), "SimulationContext would add a second physics scene"
        self.backend, self.device = arguments["backend"], arguments["device"]
        return self.make("isaacsim.core.api.SimulationContext")

    def create_simulation_view(self, frontend_name: str, stage_id: int, backend: str) -> Double:
        assert self.running, "physics does not run"
        assert (stage_id, backend) == (7, self.physics)
        self.backend = frontend_name
        return self.make("omni.physics.tensors.SimulationView")


class ClassDouble:
    """A class of a release; its class methods can be called on it, and calling it returns an object."""

    def __init__(self, name: str, model: Model, create: Callable[..., Any] | None = None) -> None:
        self._name, self._model, self._create = name, model, create

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._create:
            return self._create(*args, **kwargs)
        short = self._name.rpartition(".")[2]
        parameters = self._model.members(self._name).get("__init__", [])
        checked(short, parameters or [], self._model.calls, None)(*args, **kwargs)
        return self._model.make(self._name)

    def __getattr__(self, member: str) -> Any:
        return getattr(self._model.make(self._name), member)


def members_in(version: str, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Callable[[str], Any]:
    """Return a function from dotted class names to members in a release.

    Args:
        version: a release of ``isaacsim_api.json``.
        changes: members that differ, by class.
    """

    def members(name: str) -> Mapping[str, Any]:
        module, _, short = name.rpartition(".")
        if module == "omni.physics.tensors":
            return API["tensors"][TENSORS_OF[version]]["classes"][short]
        found = KIT[module][short] if module in KIT else API["isaac_sim"][version]["classes"][name]
        return {**found, **(changes or {}).get(name, {})}

    return members


def install(monkeypatch: pytest.MonkeyPatch, model: Model, modules: Mapping[str, Mapping[str, Any]]) -> None:
    """Let doubles be imported for the time of a test.

    Args:
        monkeypatch: pytest's fixture.
        model: what they do.
        modules: further modules, by name, with what they contain.
    """
    log = model.make("carb.logging.ILogging")
    kit = {
        "carb.logging": {"acquire_logging": lambda: log, "LEVEL_WARN": 0, "LEVEL_ERROR": 1, "LEVEL_FATAL": 2},
        "carb.settings": {"get_settings": lambda: model.make("carb.settings.ISettings")},
        "omni.kit.app": {"get_app": lambda: model.make("omni.kit.app.IApp")},
        "omni.timeline": {"get_timeline_interface": lambda: model.make("omni.timeline.ITimeline")},
        "omni.usd": {"get_context": lambda: model.make("omni.usd.UsdContext")},
        "omni.physxfabric": {"get_physx_fabric_interface": lambda: model.make("omni.physxfabric.IPhysxFabric")},
    }
    for name, contents in {**kit, **modules}.items():
        double = ModuleType(name)
        double.__dict__.update(contents)
        double.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]
        monkeypatch.setitem(sys.modules, name, double)
        parent = name.rpartition(".")[0]
        while parent and parent not in sys.modules:
            monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
            parent = parent.rpartition(".")[0]


def physx(model: Model) -> dict[str, dict[str, Any]]:
    """Return the module of PhysX' own interface, which releases before 6.0 step."""
    return {
        "omni.physx": {"get_physx_simulation_interface": lambda: model.make("omni.physx.IPhysxSimulation")},
    }


def core(model: Model, version: str) -> dict[str, dict[str, Any]]:
    """Return the modules of ``isaacsim.core`` in 4.5 to 5.1."""
    classes = {
        "isaacsim.core.cloner": ("Cloner",),
        "isaacsim.core.simulation_manager": ("SimulationManager",),
        "isaacsim.core.prims": ("Articulation", "RigidPrim", "GeometryPrim", "XFormPrim"),
    }
    doubles = {
        module: {name: ClassDouble(f"{module}.{name}", model) for name in names} for module, names in classes.items()
    }
    return physx(model) | doubles | {"isaacsim.core.utils.viewports": viewports(model, version)}


def viewports(model: Model, version: str) -> dict[str, Any]:
    """Return the contents of the module that moves the camera of the viewport, before 6.0."""
    parameters = API["isaac_sim"][version]["functions"]["isaacsim.core.utils.set_camera_view"]
    return {"set_camera_view": checked("set_camera_view", parameters, model.calls, None)}


def experimental(model: Model) -> dict[str, dict[str, Any]]:
    """Return the modules of 6.0 that have no ``isaacsim.core.api``."""
    classes = {
        "isaacsim.core.cloner": ("Cloner",),
        "isaacsim.core.simulation_manager": ("SimulationManager",),
        "isaacsim.core.rendering_manager": ("ViewportManager",),
        "isaacsim.core.experimental.prims": ("Articulation", "RigidPrim", "GeomPrim", "XformPrim"),
    }
    interface = model.make("omni.physics.core.IPhysicsSimulation")
    create = checked(
        "create_simulation_view", ["frontend_name", "stage_id=", "backend="], model.calls, model.create_simulation_view
    )
    return {
        module: {name: ClassDouble(f"{module}.{name}", model) for name in names} for module, names in classes.items()
    } | {
        "omni.physics.core": {"get_physics_simulation_interface": lambda: interface},
        "omni.physics.tensors": {"create_simulation_view": create},
    }


def omni(model: Model) -> dict[str, dict[str, Any]]:
    """Return the modules of ``omni.isaac``, with the names and parameters of what 5.0 forwards them to."""
    forwarded = API["isaac_sim"]["5.0.0"]["forwarded"]

    def target(name: str) -> str:
        module, _, own = forwarded[name].partition(".impl.")
        return f"{module}.{own.rpartition('.')[2]}" if own else forwarded[name]

    def doubles(module: str, *names: str) -> dict[str, Any]:
        return {name: ClassDouble(target(f"{module}.{name}"), model) for name in names}

    context = ClassDouble("isaacsim.core.api.SimulationContext", model, model.create_simulation_context)
    return physx(model) | {
        "omni.isaac.cloner": doubles("omni.isaac.cloner", "Cloner"),
        "omni.isaac.core.utils.viewports": viewports(model, "5.0.0"),
        "omni.isaac.core": {"SimulationContext": context},
        "omni.isaac.core.articulations": doubles("omni.isaac.core", "ArticulationView"),
        "omni.isaac.core.prims": doubles("omni.isaac.core", "RigidPrimView", "GeometryPrimView", "XFormPrimView"),
    }


RELEASES = {
    "4.2": (Release(4, 2), "5.0.0", lambda model: omni(model)),
    "5.0": (Release(5, 0), "5.0.0", lambda model: core(model, "5.0.0")),
    "5.1": (Release(5, 1), "5.1.0", lambda model: core(model, "5.1.0")),
    "6.0": (Release(6, 0, 1), "6.0.1", lambda model: experimental(model)),
}
"""By short name: a release, the entry of the JSON file with its names, and its modules."""
