"""What the engine of Isaac Sim refuses before it starts, and what it says of restored states."""

import logging
from typing import Any

import pytest
import torch
from articulation_scene import asset
from oige_core.config import SimConfig
from oige_core.engines.isaacsim.start import check_supported
from oige_core.errors import CapabilityError
from oige_core.registry import load_config
from oige_core.scene import Scene
from oige_core.testing import make_engine_on
from oige_core.testing.physx import is_ovphysx_installed

CART = """<mujoco><worldbody><body name="rail"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
  <body name="cart"><joint name="slide" type="slide" axis="1 0 0"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
</body></body></worldbody></mujoco>"""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"warp": True}, r"warp=True: .* does not support Warp variants of tasks; .* Leave it out: .*"),
        (
            {"torch_deterministic": True},
            r"torch_deterministic=True: .* does not support the same results .*",
        ),
    ],
)
def test_options_that_the_engine_does_not_have_raise(values: dict[str, Any], message: str) -> None:
    with pytest.raises(CapabilityError, match=rf"\A{message}\Z"):
        check_supported(load_config("Cartpole", {"physics_engine": "isaacsim", **values}))


def test_other_options_are_accepted() -> None:
    check_supported(load_config("Cartpole", {"physics_engine": "isaacsim"}))


@pytest.mark.skipif(not is_ovphysx_installed(), reason="needs ovphysx: uv sync --group isaacsim")
def test_restored_state_is_close_and_said_to_be_so_once(caplog: pytest.LogCaptureFixture) -> None:
    engine = make_engine_on("physx", 2)
    scene = Scene(engine, SimConfig(dt=0.01))
    cart = scene.add_articulation("cart", asset(CART))
    engine.build(scene)
    try:
        cart.set_joint_efforts(torch.full((2, 1), 2.0))
        engine.step(5)
        saved = engine.state_dict()
        engine.step(5)
        expected = cart.get_joint_positions()
        cart.set_joint_efforts(torch.full((2, 1), -7.0))
        engine.step(3)
        with caplog.at_level(logging.WARNING):
            engine.load_state_dict(saved)
            engine.load_state_dict(saved)
        engine.step(5)
        assert (cart.get_joint_positions() - expected).abs().max() < 1e-6
        assert caplog.text.count("restores states to within a step") == 1
    finally:
        engine.close()
