"""Stand-ins of Kit's modules, as far as Isaac Sim's Python uses them without a renderer."""

import builtins
import enum
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

from pxr import Gf, Usd, UsdGeom, UsdUtils

from tools.isaacsim_level4.stand_ins import module

__all__ = ["Kit", "install_kit", "install_old_warp_names"]


class Subscription:
    """Keeps a callback alive; without it, the callback is not called any more."""

    def __init__(self, function: Callable[..., Any], matches: Callable[[Any], bool], order: int) -> None:
        self.function, self.matches, self.order = function, matches, order
        self.live = True

    def unsubscribe(self) -> None:
        self.live = False

    reset = unsubscribe


class Events:
    """A stream, or a dispatcher, of events."""

    def __init__(self) -> None:
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()

    def subscribe(self, function: Callable[..., Any], key: Any = None, order: int = 0) -> Subscription:
        subscription = Subscription(function, lambda event: key is None or event == key, order)
        self._subscriptions.add(subscription)
        return subscription

    def publish(self, key: Any, *arguments: Any) -> None:
        for subscription in sorted(self._subscriptions, key=lambda subscription: subscription.order):
            if subscription.live and subscription.matches(key):
                subscription.function(*arguments)

    def create_subscription_to_pop(self, fn: Callable, order: int = 0, name: str = "") -> Subscription:
        return self.subscribe(fn, order=order)

    def create_subscription_to_pop_by_type(self, event_type: int, fn: Callable, order: int = 0, name: str = "") -> Any:
        return self.subscribe(fn, int(event_type), order)

    def observe_event(
        self, observer_name: str = "", event_name: str = "", on_event: Any = None, order: int = 0, filter: Any = None
    ) -> Subscription:
        return self.subscribe(on_event, str(event_name), order)

    def dispatch_event(self, event_name: str, payload: dict | None = None) -> None:
        self.publish(str(event_name), payload or {})


class Settings:
    """Kit's settings, by path."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {
            "/app/player/playSimulations": True,
            "/physics/cudaDevice": -1,
            "/physics/suppressReadback": False,
        }

    def get(self, path: str) -> Any:
        return self._values.get(path)

    def set(self, path: str, value: Any) -> None:
        self._values[path] = value

    def get_as_bool(self, path: str) -> bool:
        return bool(self.get(path))

    def get_as_int(self, path: str) -> int:
        return int(self.get(path) or 0)

    def get_as_float(self, path: str) -> float:
        return float(self.get(path) or 0)

    def get_as_string(self, path: str) -> str:
        return str(self.get(path) or "")

    set_bool = set_int = set_float = set_string = set_default = set


class Log:
    """Kit's log, with its levels."""

    levels: ClassVar = {"LEVEL_VERBOSE": -2, "LEVEL_INFO": -1, "LEVEL_WARN": 0, "LEVEL_ERROR": 1, "LEVEL_FATAL": 2}

    def __init__(self) -> None:
        self._loggers: dict[int, Callable] = {}
        self.warnings: list[str] = []

    def add_logger(self, function: Callable) -> int:
        self._loggers[len(self._loggers)] = function
        return len(self._loggers) - 1

    def remove_logger(self, handle: int) -> None:
        del self._loggers[handle]

    def write(self, level: str, message: str) -> None:
        number = self.levels[level]
        if number >= self.levels["LEVEL_WARN"]:
            self.warnings.append(message)
        for function in list(self._loggers.values()):
            function("isaacsim", number, __file__, 0, str(message))


@dataclass
class Float3:
    """Kit's vector of three numbers."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


class TimelineEventType(enum.IntEnum):
    """Kinds of events of the timeline."""

    PLAY = 0
    PAUSE = 1
    STOP = 2
    CURRENT_TIME_CHANGED = 3
    CURRENT_TIME_TICKED = 4


class Timeline:
    """Kit's timeline: an event reaches its listeners at once."""

    def __init__(self, bus: Events) -> None:
        self._bus = bus
        self._events = Events()
        self._state = TimelineEventType.STOP

    def get_timeline_event_stream(self) -> Events:
        return self._events

    def is_playing(self) -> bool:
        return self._state == TimelineEventType.PLAY

    def is_stopped(self) -> bool:
        return self._state == TimelineEventType.STOP

    def _change(self, state: TimelineEventType) -> None:
        if self._state != state:
            self._state = state
            self._events.publish(int(state), SimpleNamespace(type=int(state), payload={}))
            self._bus.dispatch_event(f"omni.timeline:{state.name}")

    def play(self) -> None:
        self._change(TimelineEventType.PLAY)

    def pause(self) -> None:
        self._change(TimelineEventType.PAUSE)

    def stop(self) -> None:
        self._change(TimelineEventType.STOP)

    def commit(self) -> None:
        pass

    def get_time_codes_per_seconds(self) -> float:
        return 60.0

    def _ignore(self, value: Any) -> None:
        pass

    set_auto_update = set_target_framerate = set_time_codes_per_second = _ignore


class StageEventType(enum.IntEnum):
    """Kinds of events of a stage."""

    OPENED = 3
    CLOSED = 6
    ASSETS_LOADED = 7
    ASSETS_LOADING = 15


class StageContext:
    """The stage of the application; each new one is in memory and in the cache of stages."""

    def __init__(self, bus: Events) -> None:
        self._bus = bus
        self._stage: Usd.Stage | None = None
        self._id = -1

    def new_stage(self) -> bool:
        self._bus.dispatch_event(self.stage_event_name(StageEventType.CLOSED))
        self._stage = Usd.Stage.CreateInMemory()
        self._id = UsdUtils.StageCache.Get().Insert(self._stage).ToLongInt()
        self._bus.dispatch_event(self.stage_event_name(StageEventType.OPENED))
        return True

    def get_stage(self) -> Usd.Stage | None:
        return self._stage

    def get_stage_id(self) -> int:
        return self._id

    def stage_event_name(self, kind: StageEventType) -> str:
        return f"omni.usd:{StageEventType(kind).name}"


class ExtensionManager:
    """Reports every extension as disabled."""

    def is_extension_enabled(self, name: str) -> bool:
        return False

    def set_extension_enabled_immediate(self, name: str, enabled: bool) -> bool:
        return True


class App:
    """The application; it draws nothing, and its updates step no physics."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._manager = ExtensionManager()

    def get_extension_manager(self) -> ExtensionManager:
        return self._manager

    def is_running(self) -> bool:
        return True

    def update(self) -> None:
        pass

    def get_app_version(self) -> str:
        return self._version


class Kit:
    """The objects behind the stand-ins of an application.

    Attributes:
        log: what was logged.
        context: the context of the stage.
        bus: the application's events.
    """

    def __init__(self, version: str) -> None:
        self.bus = Events()
        self.log = Log()
        self.settings = Settings()
        self.context = StageContext(self.bus)
        self.timeline = Timeline(self.bus)
        self.app = App(version)


class Fabric:
    """Fabric, and prims in it: takes everything, and keeps nothing."""

    def __init__(self, *arguments: Any) -> None: ...

    @staticmethod
    def Attach(stage_id: int) -> "Fabric":  # noqa: N802
        return Fabric()

    def __getattr__(self, name: str) -> Callable[..., "Fabric"]:
        return lambda *arguments, **named: Fabric()

    def GetCount(self) -> int:  # noqa: N802
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False


class Extension:
    """Base of Kit's extensions."""

    def on_startup(self, ext_id: str) -> None: ...
    def on_shutdown(self) -> None: ...


def install_kit(version: str) -> Kit:
    """Register stand-ins of Kit's modules.

    Args:
        version: the version of Isaac Sim that the application reports.
    """
    kit = Kit(version)
    builtins.ISAAC_LAUNCHED_FROM_TERMINAL = False  # type: ignore[attr-defined]
    builtins.ISAAC_LAUNCHED_FROM_JUPYTER = False  # type: ignore[attr-defined]
    levels = {f"log_{name}": f"LEVEL_{name.upper()}" for name in ("verbose", "info", "warn", "error")}
    logs = {name: _logger(kit.log, level) for name, level in levels.items()}
    module("carb", Float3=Float3, get_framework=SimpleNamespace, **logs)
    module("carb.logging", acquire_logging=lambda: kit.log, **Log.levels)
    module("carb.settings", get_settings=lambda: kit.settings, ISettings=Settings)
    module("carb.eventdispatcher", get_eventdispatcher=lambda: kit.bus)
    module("carb.tokens")
    module("carb.events")
    module("carb.profiler", profile=lambda function: function)
    module("omni.ext", IExt=Extension)
    module("omni.usd", get_context=lambda name="": kit.context, StageEventType=StageEventType, **_stage_functions())
    module("omni.usd.commands")
    module("omni.timeline", get_timeline_interface=lambda: kit.timeline, TimelineEventType=TimelineEventType)
    module("omni.kit.app", get_app=lambda: kit.app, get_app_interface=lambda: kit.app)
    module("usdrt", Gf=Gf)
    sys.modules["usdrt.Gf"] = Gf
    module("usdrt.Usd", Stage=Fabric)
    module("usdrt.Rt", Xformable=Fabric)
    module("usdrt.Sdf", Path=str)
    module("omni.kit.commands", Command=object, register_all_commands_in_module=lambda name: None)
    for name in (
        "omni.client",
        "omni.kit.stage_templates",
        "omni.kit.usd",
        "omni.kit.utils",
        "omni.log",
        "omni.metrics.assembler.core",
        "omni.physx.scripts.deformableUtils",
        "omni.physx.scripts.particleUtils",
        "omni.physx.scripts.physicsUtils",
        "omni.physx.bindings._physx",
        "Semantics",
    ):
        module(name)
    return kit


def _logger(log: Log, level: str) -> Callable[..., None]:
    return lambda message, *rest, **named: log.write(level, message)


def _stage_functions() -> dict[str, Any]:
    def get_stage_next_free_path(stage: Usd.Stage, path: str, prepend_default_prim: bool = False) -> str:
        free, number = str(path), 0
        while stage.GetPrimAtPath(free):
            number += 1
            free = f"{path}_{number:02d}"
        return free

    def get_world_transform_matrix(prim: Usd.Prim, time: Any = None) -> Any:
        return UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())

    return {
        "get_stage_next_free_path": get_stage_next_free_path,
        "get_world_transform_matrix": get_world_transform_matrix,
    }


def install_old_warp_names() -> None:
    """Give Warp the names that it had in the release that Isaac Sim 5 ships, which are private in later ones."""
    import warp
    import warp._src.context
    import warp._src.types

    for name in ("array", "np_dtype_to_warp_type", "type_ctype", "type_is_vector", "type_length", "type_scalar_type"):
        if not hasattr(warp.types, name):
            setattr(warp.types, name, getattr(warp._src.types, name))
    if not hasattr(warp, "context"):
        warp.context = sys.modules["warp.context"] = warp._src.context  # type: ignore[attr-defined]
