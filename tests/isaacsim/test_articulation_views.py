"""Views of articulations on a double of ``omni.physics.tensors``, against the embedded engine: level 1.

Twelve worlds in random states, so that rows of env_10 come before those of env_2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from articulation_doubles import ArticulationHost, Robot
from articulation_scene import ARM, TREE, asset
from isaacsim_doubles import API
from oige_core.config import SimConfig
from oige_core.engines.isaacsim.engine import IsaacSimEngine
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.errors import OigeError
from oige_core.scene import Scene

N = 12
TURNED = (0.8, 0.0, 0.6, 0.0)


def set_up(engine: Any) -> dict[str, Any]:
    scene = Scene(engine, SimConfig())
    views = {
        "tree": scene.add_articulation("tree", asset(TREE), position=(1, 2, 50), disable_gravity=False),
        "arm": scene.add_articulation("arm", asset(ARM), position=(0, 4, 1), orientation=TURNED),
        "links": scene.add_link_view("links", "tree", ["foot", "trunk", "arm"]),
        "hand": scene.add_link_view("hand", "arm", "hand"),
    }
    engine.build(scene)
    return views


@dataclass
class Pair:
    """The views of one scene on the double and on the embedded engine."""

    host: ArticulationHost
    views: dict[str, Any]
    reference: dict[str, Any]
    engine: IsaacSimEngine

    def call(self, view: str, method: str, *args: Any, **kwargs: Any) -> None:
        for views in (self.views, self.reference):
            getattr(views[view], method)(*args, **kwargs)

    def robot(self, name: str, world: int) -> Robot:
        return self.host.robots[f"/World/envs/env_{world}/{name}"]

    def agree(self, view: str, method: str, tol: float = 2e-4) -> None:
        found, expected = (getattr(views[view], method)() for views in (self.views, self.reference))
        for ours, theirs in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True):
            torch.testing.assert_close(ours.double(), theirs.double(), atol=tol, rtol=tol)


@pytest.fixture(scope="module", params=list(API["tensors"]))
def built(request: pytest.FixtureRequest) -> Iterator[Pair]:
    host = ArticulationHost(request.param, {"tree": TREE, "arm": ARM})
    engine, reference = IsaacSimEngine(N, host), MujocoEngine(N, num_threads=1)
    yield Pair(host, set_up(engine), set_up(reference), engine)
    engine.close()
    reference.close()


@pytest.fixture
def pair(built: Pair) -> Pair:
    """Both engines in the same random state."""
    random = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    orientations = torch.nn.functional.normalize(draw(N, 4), dim=1)
    built.call("tree", "set_world_poses", draw(N, 3), orientations)
    built.call("tree", "set_velocities", draw(N, 6))
    built.call("tree", "set_joint_positions", 0.5 * draw(N, 4))
    built.call("tree", "set_joint_velocities", draw(N, 4))
    built.call("arm", "set_joint_positions", draw(N, 2))
    built.call("arm", "set_joint_velocities", draw(N, 2))
    return built


def test_start_is_taken_back() -> None:
    """Starting physics has moved joints and roots by 0.01."""
    host = ArticulationHost("110.0", {"tree": TREE, "arm": ARM})
    engine = IsaacSimEngine(2, host)
    views = set_up(engine)
    assert abs(host.robots["/World/envs/env_1/tree"].data.qpos[9]) == pytest.approx(0.01)
    torch.testing.assert_close(views["tree"].get_joint_positions(), torch.zeros(2, 4))
    torch.testing.assert_close(views["tree"].get_world_poses()[0], torch.tensor([[1.0, 2.0, 50.0]] * 2))
    engine.worlds.flush()
    assert host.robots["/World/envs/env_1/tree"].data.qpos[7:].tolist() == [0.0] * 4
    engine.close()


def test_states_reach_physics_by_name_and_path(pair: Pair) -> None:
    positions = pair.views["tree"].get_joint_positions()
    pair.engine.worlds.flush()
    origins = pair.engine.worlds.origins
    for world in range(N):
        data = pair.robot("tree", world).data
        for column, name in enumerate(pair.views["tree"].dof_names):
            assert data.joint(name).qpos[0] == pytest.approx(positions[world, column].item(), abs=1e-6)
        expected = pair.views["tree"].get_world_poses()[0][world] + origins[world]
        torch.testing.assert_close(torch.tensor(data.qpos[:3], dtype=torch.float32), expected)


@pytest.mark.parametrize("view", ["tree", "links", "hand"])
@pytest.mark.parametrize(
    "method", ["get_world_poses", "get_velocities", "get_angular_velocities", "get_body_frame_velocities"]
)
def test_frames_and_their_velocities(pair: Pair, view: str, method: str) -> None:
    pair.agree(view, method)


@pytest.mark.parametrize("view", ["tree", "arm"])
@pytest.mark.parametrize(
    "method",
    ["get_jacobians", "get_mass_matrices", "get_generalized_gravity_forces", "get_body_inertias", "get_body_coms"],
)
def test_dynamics(pair: Pair, view: str, method: str) -> None:
    pair.agree(view, method)


def test_dynamics_with_other_properties(pair: Pair) -> None:
    """Armatures, masses, centres of mass, gravity and inertias of single links and worlds."""
    pair.engine.worlds.flush()
    numbers = torch.arange(N, dtype=torch.float32)
    pair.call("tree", "set_armatures", 0.1 * (1 + numbers).unsqueeze(1), joint_indices=[2])
    pair.call("tree", "set_body_masses", (2 + numbers).unsqueeze(1), body_indices=[3])
    pair.call("tree", "set_body_disable_gravity", torch.ones(1, 1), indices=[10], body_indices=[1])
    matrix = torch.tensor([0.06, 0.01, 0.0, 0.01, 0.05, 0.005, 0.0, 0.005, 0.04])
    pair.call("tree", "set_body_inertias", matrix.expand(N, 1, 9), body_indices=[2])
    pair.call("tree", "set_body_coms", torch.tensor([[[0.2, -0.1, 0.3]]]).expand(N, 1, 3), body_indices=[0])
    for method in ("get_jacobians", "get_mass_matrices", "get_generalized_gravity_forces", "get_velocities"):
        pair.agree("tree", method)
    for view in ("tree", "links"):
        pair.agree(view, "get_velocities")
    pair.agree("links", "get_inertias")


def test_missing_joint_in_physics_raises() -> None:
    host = ArticulationHost("110.0", {"tree": TREE.replace('joint name="foot"', 'joint name="heel"'), "arm": ARM})
    engine = IsaacSimEngine(2, host)
    with pytest.raises(OigeError, match=r"'tree': physics does not know '.*/tree/joints/foot', only .*heel"):
        set_up(engine)
    engine.close()


def test_worlds_with_other_orders_raise() -> None:
    class Host(ArticulationHost):
        def play(self) -> None:
            super().play()
            self.robots["/World/envs/env_1/tree"].joints.reverse()

    engine = IsaacSimEngine(2, Host("110.0", {"tree": TREE, "arm": ARM}))
    with pytest.raises(OigeError, match="'tree': physics orders its parts in world 1 unlike those in world 0"):
        set_up(engine)
    engine.close()


def test_targets_can_be_set_after_a_state_with_gains_is_loaded() -> None:
    """In a new engine, whose drives have no gains."""
    gains, saved = torch.tensor([[40.0, 50.0]]).expand(2, 2), None
    for _ in range(2):
        host = ArticulationHost("110.0", {"tree": TREE, "arm": ARM})
        engine = IsaacSimEngine(2, host)
        arm = set_up(engine)["arm"]
        if saved is None:
            with pytest.raises(OigeError, match="'arm': its drives have no gains, so targets have no effect"):
                arm.set_joint_position_targets(torch.zeros(2, 2))
            arm.set_gains(gains)
            saved = engine.state_dict()
        else:
            engine.load_state_dict(saved)
            arm.set_joint_position_targets(torch.zeros(2, 2))
            torch.testing.assert_close(arm.get_gains()[0], gains)
        engine.close()
