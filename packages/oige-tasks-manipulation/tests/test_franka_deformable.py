"""FrankaDeformable: rewards and success."""

import pytest
import torch
from oige_tasks_manipulation.franka_deformable.task import is_in_beaker, reward_terms


def test_rewards_of_places_of_the_back() -> None:
    """By hand: d = 5 cm at 1 cm of height; 8 cm at 16 cm; just outside of 7 cm on the ground."""
    places = torch.tensor([[0.03, 0.04, 0.01], [-0.08, 0.0, 0.16], [0.0, 0.0701, 0.0], [0.0, 0.0699, 0.0]])
    terms = reward_terms(places)
    torch.testing.assert_close(terms["goal_distance"], torch.tensor([3.636364, 2.352941, 2.663116, 2.670227]))
    torch.testing.assert_close(terms["lift"], torch.tensor([13.333333, 8.0, 1.081081, 40.0]))


def test_rewards_of_the_original_add_the_errors_of_all_worlds() -> None:
    """By hand: two worlds, one near the goal, so that the desired heights are 0 and 0.18 m in both."""
    places = torch.tensor([[0.0, 0.05, 0.12], [0.2, 0.0, 0.05]])
    errors = [(0.12**2 + 0.06**2) ** 0.5, (0.05**2 + 0.13**2) ** 0.5]
    expected = torch.tensor([1.0 / (5.0 * error + 0.025) for error in errors])
    torch.testing.assert_close(reward_terms(places, mix_worlds=True)["lift"], expected)


@pytest.mark.parametrize(
    ("place", "expected"),
    [((0.0, 0.069, 0.08), True), ((0.0, 0.071, 0.08), False), ((0.049, 0.049, 0.0), True), ((0.0, 0.0, 0.084), False)],
)
def test_success_is_the_lower_half_of_the_beaker(place: tuple[float, float, float], expected: bool) -> None:
    assert is_in_beaker(torch.tensor([place])).tolist() == [expected]
