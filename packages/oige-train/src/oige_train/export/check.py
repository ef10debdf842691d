"""Compare the log of a robot with the contract of its policy."""

import dataclasses
from collections.abc import Callable

import numpy as np
from oige_core.description import QUATERNION

from oige_train.export.check_actions import check_actions, check_echoes, replay
from oige_train.export.check_motion import check_derivatives, check_joint_positions, check_orientation
from oige_train.export.check_values import check_order, check_ranges, check_still, check_unit_vectors
from oige_train.export.contract import Contract
from oige_train.export.log import Finding, Log

__all__ = ["Report", "check_log"]

#: Control steps that a log needs for statistics to mean something.
FEWEST_STEPS = 20
#: Largest relative difference of the control period, and from which multiple of it on a step is late.
SAME_PERIOD = 0.05
LATE = 1.5
LATE_STEPS = 0.01


@dataclasses.dataclass
class Report:
    """What the comparison found.

    Attributes:
        findings: what does not look as recorded.
        checked: what was compared.
        unchecked: what was not compared, with the reason.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    checked: list[str] = dataclasses.field(default_factory=list)
    unchecked: list[str] = dataclasses.field(default_factory=list)

    def add(self, what: str, check: Callable[[], list[Finding]]) -> None:
        """Run a check that is called ``what``."""
        self.checked.append(what)
        reported = {finding.entry for finding in self.findings}
        self.findings += [finding for finding in check() if finding.entry not in reported]


def check_log(contract: Contract, log: Log) -> Report:
    """Compare a log with the contract of the policy that ran.

    Only the first finding of each entry is kept: checks come in the order in which they explain most.

    Args:
        contract: the contract.
        log: the log.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        OigeError: the policy is damaged.
    """
    report = Report()
    report.add("shapes and names", lambda: check_shapes(contract, log))
    if report.findings:
        report.unchecked.append("everything else, until shapes and names fit")
        return report
    report.add("NaN", lambda: _check_finite(contract, log))
    if log.time is None:
        report.unchecked.append("rate (no array 'time')")
    else:
        report.add("rate", lambda: check_time(contract, log))
    if any(finding.text.startswith("NaN") for finding in report.findings):
        report.unchecked.append("everything else, until no value is NaN or infinite")
        return report
    if contract.is_image or len(contract.shape) > 1:
        report.unchecked.append("order, units and delays (observations are images)")
    else:
        report.add("order within quantities", lambda: check_order(contract, log))
        report.add("units and ranges", lambda: check_ranges(contract, log))
        report.add("frozen entries", lambda: check_still(contract, log))
        report.add("lengths of vectors", lambda: check_unit_vectors(contract, log))
        report.add("velocities against positions", lambda: check_derivatives(contract, log))
        if log.joint_positions is not None and log.joint_names is not None:
            report.add("encoders against observations", lambda: check_joint_positions(contract, log))
        if log.base_orientation is not None:
            report.add("base orientation", lambda: check_orientation(contract, log))
    given = replay(contract, log)
    if log.actions is None:
        report.unchecked.append("actions (no array 'actions')")
    else:
        report.add("actions of the policy", lambda: check_actions(contract, log, given))
    if not contract.values["relations"]["echoes"]:
        return report
    if log.actions is None and report.findings:
        report.unchecked.append("previous actions in observations (no array 'actions')")
    else:
        report.add("previous actions in observations", lambda: check_echoes(contract, log, given))
    return report


def check_shapes(contract: Contract, log: Log) -> list[Finding]:
    """Compare shapes and names of all arrays."""
    steps, findings = len(log.observations), []
    actions, joints = len(contract.actions), None if log.joint_names is None else len(log.joint_names)
    shapes: dict[str, tuple[int | None, ...]] = {
        "observations": (steps, *contract.shape),
        "actions": (steps, actions),
        "time": (steps,),
        "starts": (steps,),
        "observation_names": (len(contract.observations),),
        "action_names": (actions,),
        "joint_positions": (steps, joints),
        "base_orientation": (steps, 4),
    }
    for name, expected in shapes.items():
        array = getattr(log, name)
        if array is None:
            continue
        if None in expected:
            findings.append(Finding(name, "needs the array 'joint_names' to say which column is which joint"))
        elif array.shape != expected:
            findings.append(Finding(name, f"has the shape {array.shape}, expected {expected}"))
    if steps < FEWEST_STEPS:
        findings.append(
            Finding("observations", f"has {steps} steps, too few to compare; at least {FEWEST_STEPS} are needed")
        )
    if log.joint_names is not None:
        names, counts = np.unique(log.joint_names, return_counts=True)
        findings += [
            Finding("joint_names", f"has '{name}' {count} times, expected each joint once")
            for name, count in zip(names.tolist(), counts.tolist(), strict=True)
            if count > 1
        ]
    for name, entries in (("observation_names", contract.observations), ("action_names", contract.actions)):
        names = getattr(log, name)
        if names is None or len(names) != len(entries):
            continue
        for index, (found, entry) in enumerate(zip(names.tolist(), entries, strict=True)):
            if found != entry["name"]:
                findings.append(
                    Finding(f"{name}[{index}]", f"is '{found}', and the contract has '{entry['name']}' there")
                )
    return findings


def _check_finite(contract: Contract, log: Log) -> list[Finding]:
    joints = [] if log.joint_names is None else [f"joint_positions[{name}]" for name in log.joint_names.tolist()]
    arrays = (
        (log.observations, [entry["name"] for entry in contract.observations]),
        (log.actions, [entry["name"] for entry in contract.actions]),
        (None if log.time is None else log.time[:, None], ["time"]),
        (log.joint_positions, joints),
        (log.base_orientation, [f"base_orientation[{axis}]" for axis in QUATERNION]),
    )
    findings = []
    for array, names in arrays:
        if array is None:
            continue
        bad = ~np.isfinite(array.reshape(-1, array.shape[-1]) if array.ndim > 2 else array)
        for index in np.flatnonzero(bad.any(axis=0)):
            first, count = int(bad[:, index].argmax()), int(bad[:, index].sum())
            findings.append(
                Finding(names[index], f"NaN or infinite in {count} of {len(bad)} rows, first in row {first}")
            )
    return findings


def check_time(contract: Contract, log: Log) -> list[Finding]:
    """Compare time stamps with the control rate."""
    assert log.time is not None
    steps = np.diff(log.time.astype(np.float64))
    backwards = np.flatnonzero(~(steps > 0.0))
    if len(backwards):
        return [Finding("time", f"does not increase from row {backwards[0]} to row {backwards[0] + 1}")]
    period, median = contract.period, float(np.median(steps))
    if abs(median - period) > SAME_PERIOD * period:
        return [
            Finding(
                "time",
                f"steps of {median:.4g} s ({1.0 / median:.4g} Hz), but the policy was recorded with {period:.4g} s "
                f"({1.0 / period:.4g} Hz)",
            )
        ]
    late = steps > LATE * period
    if late.mean() > LATE_STEPS:
        return [
            Finding(
                "time",
                f"{int(late.sum())} of {len(steps)} steps are longer than {LATE:g} control periods of {period:.4g} s, "
                f"the longest {steps.max():.4g} s",
            )
        ]
    return []
