"""Engines for the tests of views: one on each executor, built once per scene and restored before each test."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch
from oige_core.capabilities import Capability, missing
from oige_core.config import ActorConfig, SimConfig
from oige_core.scene import Scene
from oige_core.selections import as_on_gpu, host_can_read

if TYPE_CHECKING:
    from oige_core.engines.mujoco.engine import MujocoEngine

CHOSEN = os.environ.get("OIGE_TEST_EXECUTORS", "").split()  # "physx" runs tests of views on PhysX, see CONTRIBUTING.md
EXECUTORS = CHOSEN or ["c", "warp-cpu"] + ["warp-cuda"] * torch.cuda.is_available()
AS_ON_GPU = "warp-as-on-gpu"  # Warp's CPU device, with code that runs as on a GPU


@dataclass
class World:
    """Built worlds of a scene: the engine, and its views as attributes."""

    engine: "MujocoEngine"
    executor: str
    views: dict[str, Any]
    initial_state: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.views[name]
        except KeyError:
            raise AttributeError(name) from None

    def tensor(self, values: Any) -> torch.Tensor:
        """Return float32 values on the engine's device."""
        return torch.as_tensor(values, dtype=torch.float32, device=self.engine.device)

    @property
    def looks_at_tensors(self) -> bool:
        """Whether values of tensors on the engine's device are checked; on a GPU they are not."""
        return host_can_read(self.tensor(0.0))

    def needs(self, capability: Capability) -> None:
        """Skip the test on an engine without a capability."""
        if capability not in self.engine.capabilities:
            pytest.skip(str(missing(self.engine, capability, "this test")))

    def method(self, view: str, name: str) -> Callable[..., Any]:
        """Return a method of a view; skip the test on an engine whose scene has no such view."""
        if view not in self.views:
            pytest.skip(f"the scene has no view '{view}' on the engine {self.engine.name}")
        return getattr(self.views[view], name)

    def tolerance(self, tol: float, *, physx: float) -> float:
        """Return a tolerance, or the wider one of PhysX, for which a test states the reason."""
        return physx if self.executor == "physx" else tol

    def everywhere(self, *values: float) -> torch.Tensor:
        """Return the same row for each world."""
        return self.tensor(values).expand(self.engine.num_envs, -1)

    def run(self, seconds: float) -> None:
        """Advance by a whole number of physics steps, in one call."""
        steps = round(seconds / self.engine.physics_dt)
        assert steps * self.engine.physics_dt == pytest.approx(seconds)
        self.engine.step(steps)

    def close(self, actual: torch.Tensor, expected: Any, *, tol: float, rel: float = 0.0) -> None:
        """Assert that all values are within ``tol`` + ``rel`` · |expected|; ``expected`` is broadcast."""
        actual = actual.detach().cpu().double()
        expected = torch.as_tensor(expected, dtype=torch.float64).cpu()
        assert torch.broadcast_shapes(actual.shape, expected.shape) == actual.shape, (actual.shape, expected.shape)
        torch.testing.assert_close(actual, expected.expand_as(actual), atol=tol, rtol=rel)


@pytest.fixture(params=EXECUTORS, scope="module")
def executor(request: pytest.FixtureRequest) -> str:
    """Name of the executor that runs the worlds."""
    return request.param


@pytest.fixture(params=EXECUTORS + [AS_ON_GPU] * (not CHOSEN), scope="module")
def any_executor(request: pytest.FixtureRequest) -> str:
    """Name of the executor that runs the worlds, where tests also run as on a GPU."""
    return request.param


@pytest.fixture(autouse=True)
def pretended_gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let tests on the executor ``AS_ON_GPU`` run as on a GPU, and without gradients, as environments do."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if parameters.get("any_executor") != AS_ON_GPU:
        yield
        return
    monkeypatch.setattr("oige_core.math.fused._on_gpu", lambda values: True)
    with as_on_gpu(), torch.no_grad():
        yield


@pytest.fixture(scope="module")
def new_engine() -> "Callable[..., MujocoEngine]":
    """Make an engine; see :func:`oige_core.testing.make_engine_on`."""
    from oige_core.testing import make_engine_on  # needs MuJoCo, which tests/test_floors.py is without

    return make_engine_on


@pytest.fixture(scope="module")
def build(new_engine: "Callable[..., MujocoEngine]") -> Iterator[Callable[..., World]]:
    """Build worlds of a scene whose views ``set_up_scene`` returns by name; ``sim`` are values of ``task.sim``."""
    engines = []

    def build(
        set_up_scene: Callable[[Scene], dict[str, Any]],
        num_envs: int = 1,
        executor: str = "c",
        actors: dict[str, ActorConfig] | None = None,
        **sim: Any,
    ) -> World:
        engine = new_engine("warp-cpu" if executor == AS_ON_GPU else executor, num_envs)
        engines.append(engine)
        scene = Scene(engine, SimConfig(actors=actors or {}, **sim))
        views = set_up_scene(scene)
        engine.build(scene)
        return World(engine, executor, views, engine.state_dict())

    yield build
    for engine in engines:
        engine.close()


@pytest.fixture
def world(built: World) -> World:
    """The worlds that the module's ``built`` builds once, as they were after the build."""
    built.engine.load_state_dict(built.initial_state)
    return built
