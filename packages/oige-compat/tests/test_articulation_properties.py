"""Properties of tendons, links and joints that a script sets."""

from typing import Any

import pytest
import torch
from oige_compat.articulation_view import ArticulationView
from oige_compat.cloner import GridCloner
from oige_compat.errors import CompatError
from oige_compat.session import restart, session
from oige_compat.stage import add_reference_to_stage, get_assets_root_path
from oige_compat.world import World

OWN = 5000.0  # N/m


class _Engine:
    """The view of the engine of a robot with two tendons in one world, which records what is set."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("get_"):
            raise AttributeError(name)
        return lambda *_, **__: torch.zeros(1, 2)

    def get_gains(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(1, 2), torch.zeros(1, 2)

    def get_fixed_tendon_limit_stiffnesses(self) -> torch.Tensor:
        return torch.full((1, 2), OWN)

    def set_fixed_tendon_properties(self, **given: Any) -> None:
        self.given = {name: value for name, value in given.items() if value is not None}


def _set(of_oige: bool, stiffness: float) -> dict[str, Any]:
    restart()
    view, engine = ArticulationView("/World/envs/.*/hand", "hands"), _Engine()
    view.keeps_tendons = of_oige
    view.bind(engine)
    view.set_fixed_tendon_properties(dampings=torch.tensor([0.1, 0.2]), limit_stiffnesses=torch.full((2,), stiffness))
    torch.testing.assert_close(engine.given["dampings"], torch.tensor([[0.1, 0.2]]))
    return engine.given


def test_robot_of_oige_keeps_the_coupling_of_its_joints(capsys: pytest.CaptureFixture[str]) -> None:
    assert "limit_stiffnesses" not in _set(of_oige=True, stiffness=30.0)
    assert capsys.readouterr().out == (
        "oige-compat: set_fixed_tendon_properties(limit_stiffnesses=30) of 'hands': the tendons of OIGE's robot keep "
        "5000 N/m, with which joints follow each other.\n"
    )


def test_equal_stiffness_is_accepted_silently(capsys: pytest.CaptureFixture[str]) -> None:
    _set(of_oige=True, stiffness=OWN)
    assert not capsys.readouterr().out


def test_own_robot_gets_what_the_script_sets(capsys: pytest.CaptureFixture[str]) -> None:
    torch.testing.assert_close(_set(of_oige=False, stiffness=30.0)["limit_stiffnesses"], torch.full((1, 2), 30.0))
    assert not capsys.readouterr().out


def test_properties_of_links_and_joints_can_be_read_after_they_were_set(capsys: pytest.CaptureFixture[str]) -> None:
    view = _carts()
    coms, orientations = view.get_body_coms()
    view.set_body_coms(coms[1:, 2:] + 0.1, indices=[1], body_indices=[2])
    moved = coms.clone()
    moved[1, 2] += 0.1
    torch.testing.assert_close(view.get_body_coms()[0], moved)
    torch.testing.assert_close(orientations[0, 0], torch.tensor([1.0, 0.0, 0.0, 0.0]))
    inertias = 2.0 * view.get_body_inertias(indices=[0])
    view.set_body_inertias(inertias, indices=[0])
    torch.testing.assert_close(view.get_body_inertias()[0:1], inertias)
    torch.testing.assert_close(view.get_body_inertias()[1:2], inertias / 2.0)
    view.set_friction_coefficients(torch.tensor([[0.2]]), indices=[1], joint_indices=[1])
    torch.testing.assert_close(view.get_friction_coefficients(), torch.tensor([[0.0, 0.0], [0.0, 0.2]]))
    assert capsys.readouterr().out == (
        "oige-compat: set_friction_coefficients of 'carts': PhysX multiplies the values by the load of a joint; here "
        "they are its dry friction in N·m or N.\n"
    )
    with pytest.raises(CompatError) as caught:
        view.set_body_coms(orientations=orientations)
    assert str(caught.value).startswith("set_body_coms(orientations=…) (used in ")
    assert str(caught.value).endswith("): set inertias instead.")


def _carts() -> ArticulationView:
    """Return a view of two carts with poles."""
    restart()
    session().stage.DefinePrim("/World/envs/env_0", "Xform")
    usd = get_assets_root_path() + "/Isaac/Robots/Cartpole/cartpole.usd"
    add_reference_to_stage(usd, "/World/envs/env_0/Cartpole")
    cloner = GridCloner(spacing=2.0)
    cloner.define_base_env("/World/envs")
    cloner.clone("/World/envs/env_0", cloner.generate_paths("/World/envs/env", 2))
    world = World(sim_params={"dt": 0.01})
    view = ArticulationView("/World/envs/.*/Cartpole", "carts")
    world.reset()
    return view
