"""Blocks of domain randomisation: those of the original are accepted, wrong ones get one line; distributions."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from oige_core.config import DomainRandomizationConfig
from oige_core.errors import ConfigError
from oige_core.randomization.attributes import ATTRIBUTES, SIGNAL_ATTRIBUTES
from oige_core.randomization.distributions import Distribution
from oige_core.randomization.schema import DrawConfig, parse_params
from oige_core.registry import load_config

KEY = "task.domain_randomization.randomization_params"
CPU = torch.device("cpu")
GOOD: dict[str, Any] = {
    "observations": {
        "on_interval": {
            "frequency_interval": 1,
            "operation": "additive",
            "distribution": "gaussian",
            "distribution_parameters": [0.0, 0.05],
        }
    },
    "rigid_prim_views": {
        "object_view": {
            "mass": {
                "on_reset": {
                    "operation": "scaling",
                    "distribution": "uniform",
                    "distribution_parameters": [0.5, 1.5],
                }
            }
        }
    },
}
MASS = f"{KEY}.rigid_prim_views.object_view.mass"
NOISE = f"{KEY}.observations.on_interval"
MISSING = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the good blocks with one value, at a dotted path, replaced, or removed."""
    params = copy.deepcopy(GOOD)
    *parents, name = path.split("/")
    section = params
    for parent in parents:
        section = section[parent]
    if value is MISSING:
        del section[name]
    else:
        section[name] = value
    return params


N, M = "observations/on_interval", "rigid_prim_views/object_view/mass"
WRONG = [
    ("observation", {}, f"{KEY}.observation: unknown group. Did you mean observations?"),
    ("rigid_prim_views", [1], f"{KEY}.rigid_prim_views=[1]: expected a section with keys."),
    (
        "rigid_prim_views/object_view/masss",
        {},
        f"{KEY}.rigid_prim_views.object_view.masss: unknown attribute. Did you mean mass?",
    ),
    (
        "articulation_views",
        {"hand": {"mass": {}}},
        f"{KEY}.articulation_views.hand.mass: unknown attribute. Available: angular_velocity,",
    ),
    ("simulation", {"gravty": {}}, f"{KEY}.simulation.gravty: unknown attribute. Did you mean gravity?"),
    (f"{M}/on_resets", {}, f"{MASS}.on_resets: unknown trigger. Did you mean on_reset?"),
    (
        "observations/on_startup",
        {},
        f"{KEY}.observations.on_startup: cannot be drawn then; use on_reset or on_interval.",
    ),
    (
        "rigid_prim_views/object_view/inertia",
        {"on_startup": {}},
        f"{KEY}.rigid_prim_views.object_view.inertia.on_startup: cannot be drawn then; use on_reset or on_interval.",
    ),
    (
        f"{M}/on_reset/operation",
        "scale",
        f"{MASS}.on_reset.operation=scale: expected one of additive, scaling, direct. Did you",
    ),
    (
        f"{M}/on_reset/distribution",
        "gaussian_",
        f"{MASS}.on_reset.distribution=gaussian_: expected one of uniform, gaussian, normal,",
    ),
    (f"{M}/on_reset/distribution", MISSING, f"{MASS}.on_reset.distribution: a value is required."),
    (f"{M}/on_reset/frequency_interval", 3, f"{MASS}.on_reset.frequency_interval: unknown key."),
    (f"{M}/on_reset/num_buckets", 3, f"{MASS}.on_reset.num_buckets: unknown key."),
    (f"{N}/frequency_interval", MISSING, f"{NOISE}.frequency_interval: a value is required."),
    (f"{N}/frequency_interval", 0, f"{NOISE}.frequency_interval=0: expected a whole number of at least 1."),
    (f"{N}/frequency_interval", 1.5, f"{NOISE}.frequency_interval=1.5: expected a whole number of at least 1."),
    (
        f"{N}/distribution_parameters",
        3,
        f"{NOISE}.distribution_parameters=3: expected two entries, [mean, standard deviation].",
    ),
    (f"{N}/distribution_parameters", [0], f"{NOISE}.distribution_parameters=[0]: expected two entries,"),
    (f"{N}/distribution_parameters", [0, "a"], f"{NOISE}.distribution_parameters=[0, 'a']: expected finite numbers."),
    (
        f"{N}/distribution_parameters",
        [0, math.inf],
        f"{NOISE}.distribution_parameters=[0, inf]: expected finite numbers.",
    ),
    (
        f"{N}/distribution_parameters",
        [0, [1]],
        f"{NOISE}.distribution_parameters=[0, [1]]: expected two numbers, or two lists of",
    ),
    (
        f"{N}/distribution_parameters",
        [[0, 1], [1]],
        f"{NOISE}.distribution_parameters=[[0, 1], [1]]: expected two numbers, or two",
    ),
    (
        f"{N}/distribution_parameters",
        [0, -0.1],
        f"{NOISE}.distribution_parameters=[0, -0.1]: expected a standard deviation of at least 0, not -0.1.",
    ),
    (
        f"{M}/on_reset/distribution_parameters",
        [1.5, 0.5],
        f"{MASS}.on_reset.distribution_parameters=[1.5, 0.5]: expected [low, high] with low <= high.",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_wrong_blocks_get_one_line(path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DomainRandomizationConfig(randomization_params=changed(path, value))
    assert str(caught.value).startswith(message), caught.value
    assert "\n" not in str(caught.value)


def test_bounds_on_a_logarithmic_scale_are_above_zero() -> None:
    params = changed(
        f"{M}/on_reset", {"operation": "scaling", "distribution": "loguniform", "distribution_parameters": [0, 1]}
    )
    with pytest.raises(ConfigError, match=r"distribution_parameters=\[0, 1\]: expected bounds above 0"):
        parse_params(params)


def test_a_load_cannot_be_scaled() -> None:
    force = {"on_reset": {"operation": "scaling", "distribution": "uniform", "distribution_parameters": [0, 1]}}
    with pytest.raises(ConfigError, match=r"force\.on_reset\.operation=scaling: this attribute is 0 without"):
        parse_params({"rigid_prim_views": {"ball": {"force": force}}})


def test_empty_sections_are_ignored_and_randomize_needs_one() -> None:
    empty = {"observations": None, "rigid_prim_views": {"object_view": None}, "simulation": {"gravity": None}}
    assert parse_params(empty) == {}
    with pytest.raises(
        ConfigError, match=r"randomize=True: task\.domain_randomization\.randomization_params says nothing"
    ):
        DomainRandomizationConfig(randomize=True, randomization_params=empty)
    with pytest.raises(ConfigError, match=r"^task\.domain_randomization\.min_frequency=0: expected a number above 0\."):
        DomainRandomizationConfig(min_frequency=0)


def test_empty_or_wrong_params_of_a_file() -> None:
    key = "task.domain_randomization.randomization_params"
    assert load_config("Cartpole", {key: None}).task.domain_randomization.randomization_params == {}
    with pytest.raises(
        ConfigError, match=r"^task\.domain_randomization\.randomization_params=\[1\]: expected a section"
    ):
        load_config("Cartpole", {key: [1]})


def test_draws_keep_the_order_and_values_of_the_file() -> None:
    draws = parse_params(GOOD)
    assert list(draws) == [("observations", "on_interval"), ("rigid_prim_views", "object_view", "mass", "on_reset")]
    assert draws["observations", "on_interval"] == DrawConfig(
        operation="additive", distribution="gaussian", parameters=(0.0, 0.05), frequency_interval=1
    )


# Distributions


def samples(distribution: str, low: Any, high: Any, n: int = 100_000, buckets: int = 0) -> torch.Tensor:
    config = DrawConfig(operation="direct", distribution=distribution, parameters=(low, high), num_buckets=buckets)
    drawn = Distribution(config, KEY, 2, CPU).sample(n, torch.Generator().manual_seed(1))
    assert drawn.shape == (n, 2)
    return drawn.double()


def assert_moments(drawn: torch.Tensor, mean: float, deviation: float, fourth: float) -> None:
    """Assert mean and standard deviation within 5 standard errors; ``fourth`` is the kurtosis."""
    n = len(drawn)
    assert ((drawn.mean(0) - mean).abs() < 5 * deviation / math.sqrt(n)).all()
    variance_error = deviation**2 * math.sqrt((fourth - 1) / n)
    assert ((drawn.var(0) - deviation**2).abs() < 5 * variance_error).all()
    correlation = torch.corrcoef(drawn.T)[0, 1]
    assert abs(correlation) < 5 / math.sqrt(n)


def test_moments_of_uniform_numbers() -> None:
    drawn = samples("uniform", -1.0, 3.0)
    assert_moments(drawn, 1.0, 4 / math.sqrt(12), 1.8)
    assert -1.0 <= drawn.min() < -0.999
    assert 2.999 < drawn.max() <= 3.0


def test_moments_of_gaussian_numbers_and_that_the_second_is_the_deviation() -> None:
    assert_moments(samples("gaussian", 2.0, 0.3), 2.0, 0.3, 3.0)


def test_moments_of_numbers_on_a_logarithmic_scale() -> None:
    drawn = samples("loguniform", 0.3, 3.0)
    assert drawn.min() >= 0.2999
    assert drawn.max() <= 3.0001
    assert_moments(drawn.log(), 0.5 * math.log(0.9), math.log(10.0) / math.sqrt(12), 1.8)


def test_each_dimension_has_its_parameters() -> None:
    drawn = samples("uniform", [0.0, 5.0], [1.0, 5.0])
    assert abs(drawn[:, 0].mean() - 0.5) < 0.005
    assert drawn[:, 1].unique().tolist() == [5.0]


@pytest.mark.parametrize(("distribution", "low", "high"), [("uniform", 1.0, 3.0), ("gaussian", 2.0, 0.5)])
def test_buckets_are_evenly_spaced_values(distribution: str, low: float, high: float) -> None:
    values = samples(distribution, low, high, buckets=5).unique()
    torch.testing.assert_close(values, torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0], dtype=torch.float64))
    assert samples(distribution, low, high, buckets=1).unique().tolist() == [2.0]


def test_three_numbers_apply_to_each_link() -> None:
    config = DrawConfig(operation="scaling", distribution="uniform", parameters=((0.7, 1.0, 1.0), (1.3, 1.0, 1.0)))
    distribution = Distribution(config, KEY, 6, CPU, repeats=True)
    assert distribution.parameters.tolist() == [pytest.approx([0.7, 1, 1] * 2), pytest.approx([1.3, 1, 1] * 2)]


# The original


def test_blocks_of_the_original_are_accepted() -> None:
    file = Path(__file__).resolve().parents[3] / "tests" / "data" / "upstream_configuration.json"
    blocks = {}
    for line in file.read_text().splitlines():
        if '"domain_randomization"' in line:
            name, _, text = line.strip().rstrip(",").partition(": ")
            blocks[name.strip('"')] = json.loads(text)["domain_randomization"]
    assert blocks.keys() == {"ShadowHand", "ShadowHandOpenAI_FF"}
    for block in blocks.values():
        config = DomainRandomizationConfig(**block)
        draws = parse_params(config.randomization_params)
        assert len(draws) == 15
        assert draws["articulation_views", "shadow_hand_view", "tendon_dampings", "on_reset"].parameters == (0.3, 3.0)


def test_every_attribute_is_described() -> None:
    for attributes in (SIGNAL_ATTRIBUTES, *ATTRIBUTES.values()):
        for attribute in attributes.values():
            assert attribute.unit
            assert attribute.meaning[0].islower()
            assert attribute.dimension in ("1", "3", "6", "dofs", "links", "3 × links", "tendons")
