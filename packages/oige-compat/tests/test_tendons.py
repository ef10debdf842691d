"""Properties of tendons that a script sets on a robot of OIGE, and on one of its own."""

from typing import Any

import pytest
import torch
from oige_compat.articulation_view import ArticulationView
from oige_compat.session import restart

OWN = 5000.0  # N/m


class _Engine:
    """The view of the engine of a robot with two tendons in one world, which records what is set."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

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
