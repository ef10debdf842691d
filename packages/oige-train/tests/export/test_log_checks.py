"""Checks of a log against contracts that are written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oige_train.export import check_actions
from oige_train.export.check import check_log
from oige_train.export.check_actions import check_echoes, replay
from oige_train.export.check_motion import check_derivatives, check_joint_positions
from oige_train.export.check_values import check_ranges, check_still
from oige_train.export.contract import Contract
from oige_train.export.log import Finding, Log

STEPS = 60


def entry(name: str, **values: Any) -> dict[str, Any]:
    """Return an observation or action ``quantity[component]`` that was recorded as 0 ± 1, from -2 to 2."""
    quantity, _, component = name.rstrip("]").partition("[")
    recorded = {"mean": 0.0, "deviation": 1.0, "minimum": -2.0, "maximum": 2.0, "still": 0}
    meaning = {"quantity": quantity, "component": component, "unit": "1", "scale": 1.0, "relative_to": "zero"}
    return {"name": name, **meaning, **recorded, **values}


def contract(observations: list[dict[str, Any]], **values: Any) -> Contract:
    """Return the contract of a policy at 50 Hz with one action."""
    relations = {"derivatives": [], "echoes": [], "unit_vectors": [], **values.pop("relations", {})}
    return Contract(
        Path("policy.json"),
        Path("policy.onnx"),
        {
            "control": {"period": 0.02},
            "policy": {"input": "observations", "hidden": values.pop("hidden", [])},
            "observations": {
                "shape": values.pop("shape", [len(observations)]),
                "dtype": values.pop("dtype", "float32"),
                "entries": observations,
            },
            "actions": {"entries": [entry("push")]},
            "robots": values.pop("robots", []),
            "relations": relations,
            "recording": {"steps": 1000},
        },
    )


def log(observations: np.ndarray, **arrays: Any) -> Log:
    """Return a log of one episode."""
    return Log(file=Path("log.npz"), observations=observations, starts=np.arange(len(observations)) == 0, **arrays)


def noise(columns: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(STEPS, columns)).clip(-1.9, 1.9)


def found(findings: list[Finding]) -> dict[str, str]:
    return {finding.entry: finding.text for finding in findings}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the policy give 0 for everything."""
    monkeypatch.setattr(
        check_actions, "load_network", lambda policy, names: lambda arrays: [np.zeros((len(arrays[0]), 1), np.float32)]
    )


def test_millimetres_are_recognised() -> None:
    described = contract([entry("height", unit="m", mean=0.5, deviation=0.01, minimum=0.45, maximum=0.55)])
    assert found(check_ranges(described, log(np.full((STEPS, 1), 500.0)))) == {
        "height": "has values of 500, recorded at most 0.55; it looks like mm instead of m (1e+03 times as large)"
    }


def test_positions_between_limits_are_those_of_the_encoders() -> None:
    """The joint moves from -1 to 3 rad, so that 1 rad is observed as 0, and 2 rad as 0.5 times the scale."""
    joint = {"name": "hip", "default_position": 0.7, "lower_limit": -1.0, "upper_limit": 3.0}
    entries = [entry("joint_position[hip]", unit="rad", scale=0.5, relative_to="limits")]
    described = contract(entries, robots=[{"joints": [joint]}])
    measured = np.linspace(-1.0, 3.0, STEPS)[:, None]
    encoders = {"joint_names": np.array(["hip"]), "joint_positions": measured}
    assert check_joint_positions(described, log(0.25 * (measured - 1.0), **encoders)) == []
    (finding,) = check_joint_positions(described, log(0.25 * measured, **encoders))
    assert str(finding) == "joint_position[hip]: differs from the measured position of hip by 1 rad"


def test_degrees_per_second_are_recognised() -> None:
    relation = {"position": 0, "velocity": 1, "correlation": 1.0, "slope": 1.0}
    described = contract(
        [entry("joint_position[hip]", unit="rad"), entry("joint_velocity[hip]", unit="rad/s")],
        relations={"derivatives": [relation]},
    )
    time = np.arange(STEPS) * 0.02
    position, velocity = np.sin(5.0 * time), 5.0 * np.cos(5.0 * time)
    assert check_derivatives(described, log(np.stack((position, velocity), axis=1))) == []
    (finding,) = check_derivatives(described, log(np.stack((position, np.degrees(velocity)), axis=1)))
    assert finding.entry == "joint_velocity[hip]"
    assert finding.text.startswith("joint_position[hip] changes 0.0175 times as much as joint_velocity[hip] says")
    assert finding.text.endswith("; it looks like degrees per second")


def test_entry_at_the_end_of_its_range_is_not_frozen() -> None:
    values = noise(2)
    values[20:50] = 2.0, 1.0
    assert found(check_still(contract([entry("force"), entry("speed")]), log(values))) == {
        "speed": "keeps the value 1 for 30 steps from row 20, recorded at most 1"
    }


def test_first_observation_of_an_episode_repeats_no_action() -> None:
    described = contract(
        [entry("previous_action")], relations={"echoes": [{"observation": 0, "action": 0, "slope": 0.5}]}
    )
    actions = noise()
    observed = np.concatenate((np.zeros((1, 1)), 0.5 * actions[:-1]))
    observed[30] = 0.0
    episodes = log(observed, actions=actions)
    (finding,) = check_echoes(described, episodes, actions)
    assert finding.text.startswith("is not the action of the step before")
    episodes.starts[30] = True
    assert check_echoes(described, episodes, actions) == []


def test_hidden_state_is_zero_at_each_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network returns the sum of the observations since the hidden state was zero."""

    def add(arrays: Any) -> list[np.ndarray]:
        total = arrays[0] + arrays[1][0]
        return [total, total[None]]

    monkeypatch.setattr(check_actions, "load_network", lambda policy, names: add)
    hidden = [{"input": "hidden_0", "shape": [1, 1]}]
    described = contract([entry("force")], hidden=hidden)
    episodes = log(np.array([[1.0], [2.0], [4.0], [8.0], [16.0]], np.float32))
    episodes.starts[3] = True
    assert replay(described, episodes).tolist() == [[1.0], [3.0], [7.0], [8.0], [24.0]]


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["actions", "joint_positions", "base_orientation"])
def test_nan_is_reported_in_all_arrays(name: str) -> None:
    joint = {"name": "hip", "default_position": 0.0, "lower_limit": None, "upper_limit": None}
    described = contract([entry("joint_position[hip]", unit="rad")], robots=[{"joints": [joint]}])
    values = noise()
    arrays = {
        "actions": np.zeros((STEPS, 1)),
        "joint_names": np.array(["hip"]),
        "joint_positions": values.copy(),
        "base_orientation": np.tile([1.0, 0.0, 0.0, 0.0], (STEPS, 1)),
    }
    assert check_log(described, log(values, **arrays)).findings == []
    arrays[name][40, -1] = np.nan
    entries = {"actions": "push", "joint_positions": "joint_positions[hip]", "base_orientation": "base_orientation[z]"}
    report = check_log(described, log(values, **arrays))
    assert found(report.findings) == {entries[name]: "NaN or infinite in 1 of 60 rows, first in row 40"}


@pytest.mark.usefixtures("no_network")
def test_images_are_compared_by_shape_and_actions_only() -> None:
    described = contract([entry("red"), entry("green")], shape=[4, 5, 2], dtype="uint8")
    report = check_log(described, log(np.zeros((STEPS, 4, 5, 2), np.uint8), actions=np.ones((STEPS, 1))))
    assert [finding.entry for finding in report.findings] == ["push"]
    assert "order, units and delays (observations are images)" in report.unchecked
