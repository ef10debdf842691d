"""Compare entries of a log with each other: velocities with positions, encoders and base with observations."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from oige_train.export.check_values import DEGREES
from oige_train.export.contract import Contract
from oige_train.export.log import Finding, Log
from oige_train.export.statistics import Recording, fit

__all__ = ["check_derivatives", "check_joint_positions", "check_orientation"]

#: Delays that are tried, in control steps.
LAGS = 6
#: How much of the recorded correlation must be left, and how much another entry or another delay must reach.
KEPT = 0.6
REACHED = 0.85
#: Factor by which a slope may differ from the recorded one.
SAME_SLOPE = 1.5
#: Differences up to this are those of rounding and of sensors that are read at slightly different times.
SAME_POSITION = 0.05
SAME_GRAVITY = 0.15


def check_derivatives(contract: Contract, log: Log) -> list[Finding]:
    """Compare changes of positions with velocities: order, delay, units and rate."""
    recording = Recording(log.observations[:, None], np.zeros((len(log.starts), 1, 0)), log.starts[:, None])
    relations, findings, slopes = contract.values["relations"]["derivatives"], [], []
    for relation in relations:
        position, velocity = relation["position"], relation["velocity"]
        correlation, slope = _motion(recording, position, velocity, 0, contract)
        if correlation < KEPT * relation["correlation"]:
            finding = _other_or_late(contract, recording, relation, correlation)
            findings += [finding] if finding else []
        else:
            slopes.append((relation, slope / relation["slope"]))
    return [*findings, *_check_slopes(contract, slopes, has_time=log.time is not None)]


def _motion(recording: Recording, position: int, velocity: int, lag: int, contract: Contract) -> tuple[float, float]:
    """Return correlation and slope of the change of a position against the velocity ``lag`` steps later."""
    x, v = recording.observations[:, 0, position], recording.observations[:, 0, velocity]
    change, mean = np.diff(x) / contract.period, 0.5 * (v[1:] + v[:-1])
    joined = ~recording.starts[1:, 0]
    if lag > 0:
        change, mean, joined = change[:-lag], mean[lag:], joined[:-lag] & joined[lag:]
    elif lag < 0:
        change, mean, joined = change[-lag:], mean[:lag], joined[-lag:] & joined[:lag]
    return fit(change[joined], mean[joined])


def _other_or_late(
    contract: Contract, recording: Recording, relation: Mapping[str, Any], correlation: float
) -> Finding | None:
    """Return what explains that a velocity does not belong to its position; None if both hardly move."""
    position, velocity = relation["position"], relation["velocity"]
    names = [contract.observations[index]["name"] for index in (position, velocity)]
    start = f"does not follow the change of {names[0]} (correlation {correlation:.2f}, recorded "
    start += f"{relation['correlation']:.2f})"
    lags = {lag: _motion(recording, position, velocity, lag, contract)[0] for lag in range(-LAGS, LAGS + 1)}
    lag = max(lags, key=lambda each: lags[each])
    others = {
        each["velocity"]: _motion(recording, position, each["velocity"], 0, contract)[0]
        for each in contract.values["relations"]["derivatives"]
    }
    other = max(others, key=lambda each: others[each])
    if other != velocity and others[other] > max(REACHED * relation["correlation"], lags[lag]):
        name = contract.observations[other]["name"]
        return Finding(names[1], f"{start}; {name} does ({others[other]:.2f}), so that the order may differ")
    if lag and lags[lag] > REACHED * relation["correlation"]:
        late = names[1] if lag > 0 else names[0]
        behind = names[0] if lag > 0 else names[1]
        steps = f"{abs(lag)} control step{'s' * (abs(lag) > 1)}"
        return Finding(
            late,
            f"looks delayed: it fits {behind} {steps} earlier (correlation {lags[lag]:.2f}, {correlation:.2f} now)",
        )
    moves = recording.observations[:, 0, [position, velocity]].std(axis=0)
    expected = [contract.observations[index]["deviation"] for index in (position, velocity)]
    if (moves < 0.1 * np.array(expected)).any():
        return None
    return Finding(names[1], start)


def _check_slopes(contract: Contract, slopes: list[tuple[Any, float]], *, has_time: bool) -> list[Finding]:
    """Look for units that differ between positions and velocities, and for another rate."""
    wrong = [(relation, ratio) for relation, ratio in slopes if not 1.0 / SAME_SLOPE < ratio < SAME_SLOPE]
    ratios = np.array([ratio for _, ratio in slopes])
    if len(wrong) == len(slopes) > 1 and ratios.std() < 0.2 * ratios.mean() and ratios.mean() < 20.0 and not has_time:
        rate = 1.0 / contract.period
        return [
            Finding(
                "rate",
                f"all positions change {ratios.mean():.2g} times as much in a step as their velocities say; it looks "
                f"like {rate / ratios.mean():.3g} Hz instead of {rate:.3g} Hz",
            )
        ]
    findings = []
    for relation, ratio in wrong:
        position, velocity = (contract.observations[relation[key]] for key in ("position", "velocity"))
        text = f"{position['name']} changes {ratio:.3g} times as much as {velocity['name']} says"
        entry = position if ratio > 1.0 else velocity
        if abs(math.log(max(ratio, 1.0 / ratio) / DEGREES)) < math.log(SAME_SLOPE):
            text += "; it looks like degrees instead of rad" if ratio > 1.0 else "; it looks like degrees per second"
        findings.append(Finding(entry["name"], text))
    return findings


def check_joint_positions(contract: Contract, log: Log) -> list[Finding]:
    """Compare what encoders measured with observed positions of the same joints."""
    assert log.joint_names is not None
    assert log.joint_positions is not None
    columns = {name: index for index, name in enumerate(log.joint_names.tolist())}
    joints = {joint["name"]: joint for robot in contract.values["robots"] for joint in robot["joints"]}
    findings = [
        Finding(f"joint_names[{index}]", f"is '{name}', which is no joint of the contract")
        for name, index in columns.items()
        if name not in joints
    ]
    for index, entry in enumerate(contract.observations):
        joint = joints.get(entry["component"])
        if joint is None or entry["component"] not in columns:
            continue
        if entry["unit"] not in ("rad", "m") or not entry["scale"]:
            continue
        observed = log.observations[:, index]
        measured = log.joint_positions[:, columns[entry["component"]]]
        difference = _difference(observed, measured, entry, joint)
        if difference > SAME_POSITION:
            findings.append(_explain_position(entry, joint, observed, log, columns, difference))
    return findings


def _difference(
    observed: np.ndarray, measured: np.ndarray, entry: Mapping[str, Any], joint: Mapping[str, Any]
) -> float:
    """Return the root mean square difference of an observation from what a measured position gives, in rad or m."""
    reference, scale = 0.0, entry["scale"]
    if entry["relative_to"] == "default_pose":
        reference = joint["default_position"]
    elif entry["relative_to"] == "limits":
        low, high = joint["lower_limit"], joint["upper_limit"]
        reference, scale = 0.5 * (low + high), entry["scale"] * 2.0 / (high - low)
    return float(np.sqrt(((observed / scale - (measured - reference)) ** 2).mean()))


def _fits(observed: np.ndarray, measured: np.ndarray, entry: Mapping[str, Any], joint: Mapping[str, Any]) -> bool:
    """Whether an observation is what a measured position gives, and not only because both are close to zero."""
    size = float(np.sqrt((measured * measured).mean()))
    return _difference(observed, measured, entry, joint) < min(SAME_POSITION, 0.5 * size)


def _explain_position(
    entry: Mapping[str, Any],
    joint: Mapping[str, Any],
    observed: np.ndarray,
    log: Log,
    columns: Mapping[str, int],
    difference: float,
) -> Finding:
    assert log.joint_positions is not None
    text = f"differs from the measured position of {joint['name']} by {difference:.3g} {entry['unit']}"
    for name, column in columns.items():
        if (
            name != joint["name"]
            and _difference(observed, log.joint_positions[:, column], entry, joint) < SAME_POSITION
        ):
            return Finding(entry["name"], f"{text}; it fits {name}, so that the order differs")
    measured = log.joint_positions[:, columns[joint["name"]]]
    if _fits(observed, np.radians(measured), entry, joint):
        return Finding(f"joint_positions[{joint['name']}]", f"{text}; the measured position looks like degrees")
    if _fits(np.radians(observed), measured, entry, joint):
        return Finding(entry["name"], f"{text}; the observation looks like degrees")
    absolute = {**entry, "relative_to": "zero"}
    if _difference(observed, measured, absolute, joint) < SAME_POSITION:
        return Finding(entry["name"], f"{text}; the default position was not subtracted")
    return Finding(entry["name"], text)


def check_orientation(contract: Contract, log: Log) -> list[Finding]:
    """Check the length and, with an observed direction of gravity, the order of a quaternion."""
    assert log.base_orientation is not None
    quaternion = log.base_orientation.astype(np.float64)
    lengths = np.linalg.norm(quaternion, axis=1)
    worst = float(lengths[np.abs(lengths - 1.0).argmax()])
    if abs(worst - 1.0) > 0.01:
        return [Finding("base_orientation", f"has the length {worst:.3g}, expected 1")]
    gravity = {e["component"]: i for i, e in enumerate(contract.observations) if e["quantity"] == "gravity"}
    if set(gravity) != {"x", "y", "z"}:
        return []
    seen = log.observations[:, [gravity[axis] for axis in "xyz"]]
    own, last = (_misfit(values, seen) for values in (quaternion, quaternion[:, [3, 0, 1, 2]]))
    if own < SAME_GRAVITY:
        return []
    text = f"gives a direction of gravity that differs from the observed one by {own:.2f}"
    if last < SAME_GRAVITY:
        text += f"; read as x, y, z, w by {last:.2f}, and expected is w, x, y, z"
    return [Finding("base_orientation", text)]


def _misfit(quaternion: np.ndarray, gravity: np.ndarray) -> float:
    """Return the root mean square difference of observed gravity from that of quaternions w, x, y, z."""
    w, x, y, z = quaternion.T
    down = -np.stack([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)], axis=1)
    return float(np.sqrt(((down - gravity) ** 2).sum(axis=1).mean()))
