"""Compare logged actions with those of the policy, and with the previous actions in observations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oige_train.export.contract import Contract
from oige_train.export.log import Finding, Log
from oige_train.export.network import load_network
from oige_train.export.statistics import fit

__all__ = ["check_actions", "check_echoes", "replay"]

#: Largest difference of a logged action that rounding explains, also of float16.
SAME_ACTION = 5e-3
#: Delays that are tried, in control steps.
LAGS = 6
SAME_SHAPE = 0.999
#: Rows that the policy is given at once.
ROWS = 256


def replay(contract: Contract, log: Log) -> np.ndarray:
    """Return the actions ``(T, A)`` that the policy gives for the observations of a log.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        OigeError: the policy is damaged.
    """
    network = load_network(contract.policy, contract.input_names)
    dtype = np.uint8 if contract.is_image else np.float32
    observations = np.ascontiguousarray(log.observations, dtype)
    if not contract.hidden_shapes:
        return np.concatenate(
            [network([rows])[0] for rows in np.array_split(observations, 1 + len(observations) // ROWS)]
        )
    hidden = [np.zeros((layers, 1, units), np.float32) for layers, units in contract.hidden_shapes]
    actions = []
    for observation, start in zip(observations, log.starts, strict=True):
        if start:
            hidden = [np.zeros_like(state) for state in hidden]
        action, *hidden = network([observation[None], *hidden])
        actions.append(action[0])
    return np.stack(actions)


def check_actions(contract: Contract, log: Log, given: np.ndarray) -> list[Finding]:
    """Compare logged actions with those of the policy: other values, order, scale and delay.

    Args:
        contract: the contract.
        log: the log, with actions.
        given: what :func:`replay` returned.
    """
    assert log.actions is not None
    actions = log.actions.astype(np.float64)
    return _compare(
        actions, given.astype(np.float64), contract.actions, contract.actions, "the policy gives for its observations"
    )


def check_echoes(contract: Contract, log: Log, given: np.ndarray) -> list[Finding]:
    """Compare the previous actions in observations with the actions of the step before.

    Args:
        contract: the contract.
        log: the log; if it has no actions, those of the policy count.
        given: what :func:`replay` returned.
    """
    actions = given if log.actions is None else log.actions
    relations = contract.values["relations"]["echoes"]
    joined = ~log.starts[1:]
    observed = log.observations[1:, [each["observation"] for each in relations]][joined]
    slopes = np.array([each["slope"] for each in relations])
    expected = actions[:-1, [each["action"] for each in relations]][joined] * slopes
    return _compare(
        observed.astype(np.float64),
        expected.astype(np.float64),
        [contract.observations[each["observation"]] for each in relations],
        [contract.actions[each["action"]] for each in relations],
        "the action of the step before",
    )


def _compare(
    found: np.ndarray,
    expected: np.ndarray,
    entries: Sequence[Mapping[str, Any]],
    sources: Sequence[Mapping[str, Any]],
    what: str,
) -> list[Finding]:
    """Return a finding for each column that is not what it should be.

    Args:
        found: ``(T, k)``, what the log has.
        expected: ``(T, k)``, what it should have.
        entries: the columns of ``found``.
        sources: the columns of ``expected``.
        what: what ``expected`` is, for messages.
    """
    findings = []
    for index, entry in enumerate(entries):
        difference = _rms(found[:, index] - expected[:, index])
        if difference <= SAME_ACTION:
            continue
        text = f"is not what {what}" if what.startswith("the policy") else f"is not {what}"
        findings.append(
            Finding(entry["name"], f"{text} (difference {difference:.3g}){_explain(found, expected, index, sources)}")
        )
    return findings


def _explain(found: np.ndarray, expected: np.ndarray, index: int, sources: Sequence[Mapping[str, Any]]) -> str:
    column = found[:, index]
    for lag in range(1, LAGS + 1):
        if _rms(column[lag:] - expected[:-lag, index]) <= SAME_ACTION:
            return f"; it is that of {lag} step{'s' * (lag > 1)} earlier, so that it looks delayed"
    for other, source in enumerate(sources):
        if other != index and _rms(column - expected[:, other]) <= SAME_ACTION:
            return f"; it is that of {source['name']}, so that the order differs"
    correlation, slope = fit(column, expected[:, index])
    if correlation > SAME_SHAPE:
        return f"; it is {slope:.3g} times that"
    if correlation < -SAME_SHAPE:
        return f"; it is {slope:.3g} times that, with the other sign"
    return ""


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt((values * values).mean())) if len(values) else 0.0
