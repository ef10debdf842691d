"""Compare each entry of a log with its statistics in the contract: order, units, ranges, frozen entries, lengths."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oige_train.export.contract import Contract
from oige_train.export.log import Finding, Log
from oige_train.export.statistics import longest_still

__all__ = ["DEGREES", "check_order", "check_ranges", "check_still", "check_unit_vectors", "groups"]

#: Degrees per radian.
DEGREES = math.degrees(1.0)
#: By which factor values may exceed the recorded ones, and by which factor a guessed one may be wrong.
BEYOND = 4.0
SIMILAR = 2.0
#: Ranges of a recording are widened by this fraction before a mean counts as outside.
MARGIN = 0.5
#: Cost of an entry in its own place that a permutation must explain, and to which fraction it must reduce the cost.
MIN_COST = 6.0
EXPLAINED = 0.35
#: An entry is frozen if it stays the same for this many times as long as in the recording, and these steps more.
STILL = 3.0
STILL_STEPS = 10
#: Largest relative difference of the length of a vector.
SAME_LENGTH = 0.02
FLOOR = 1e-3


def groups(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Return the indices of the entries of each quantity by its name."""
    found: dict[str, list[int]] = {}
    for index, entry in enumerate(entries):
        found.setdefault(entry["quantity"], []).append(index)
    return found


def check_order(contract: Contract, log: Log) -> list[Finding]:
    """Look for entries of one quantity whose statistics are those of others of the same quantity."""
    entries, findings = contract.observations, []
    for indices in groups(entries).values():
        if len(indices) < 2:
            continue
        values = log.observations[:, indices].astype(np.float64)
        recorded = [entries[index] for index in indices]
        costs = _costs(values, recorded)
        order = _best_order(costs)
        moved = [place for place, other in enumerate(order) if place != other]
        own, best = sum(costs[place, place] for place in moved), sum(costs[place, order[place]] for place in moved)
        if not moved or own < MIN_COST * len(moved) or best > EXPLAINED * own:
            continue
        for place in moved:
            this, other = recorded[place], recorded[order[place]]
            findings.append(
                Finding(
                    this["name"],
                    f"does not look like it, with {_spread(values[:, place])}, recorded {_recorded(this)}; it looks "
                    f"like {other['name']}, recorded {_recorded(other)}",
                )
            )
    return findings


def _costs(values: np.ndarray, recorded: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return how unlike each column of the log is to each recorded entry, ``(k, k)``."""
    mean, deviation = values.mean(axis=0)[:, None], values.std(axis=0)[:, None]
    other_mean, other = (np.array([entry[key] for entry in recorded]) for key in ("mean", "deviation"))
    floor = FLOOR + 0.05 * max(float(other.max()), 1e-12)
    shift = (mean - other_mean) ** 2 / ((other + floor) * (np.maximum(deviation, other) + floor))
    ratio = np.log((deviation + floor) / (other + floor)) ** 2
    return shift + ratio


def _best_order(costs: np.ndarray) -> list[int]:
    """Return which recorded entry each column looks like: the order from which no exchange of two lowers the cost."""
    order = list(range(len(costs)))
    improved = True
    while improved:
        improved = False
        for first in range(len(order)):
            for second in range(first + 1, len(order)):
                now = costs[first, order[first]] + costs[second, order[second]]
                then = costs[first, order[second]] + costs[second, order[first]]
                if then < EXPLAINED * now and now > MIN_COST:
                    order[first], order[second] = order[second], order[first]
                    improved = True
    return order


def check_ranges(contract: Contract, log: Log) -> list[Finding]:
    """Look for values far beyond those of the recording, and for a mean outside of its range."""
    findings = []
    defaults = {
        joint["name"]: joint["default_position"] for robot in contract.values["robots"] for joint in robot["joints"]
    }
    for index, entry in enumerate(contract.observations):
        values = log.observations[:, index].astype(np.float64)
        low, high = entry["minimum"], entry["maximum"]
        limit, largest = max(abs(low), abs(high), FLOOR), float(np.quantile(np.abs(values), 0.99))
        if largest > BEYOND * limit:
            findings.append(Finding(entry["name"], _beyond(entry, values, largest, limit)))
            continue
        margin, mean = MARGIN * (high - low) + FLOOR, float(values.mean())
        if low - margin <= mean <= high + margin:
            continue
        text = f"has the mean {mean:.3g}, far from the recorded range {low:.3g} to {high:.3g}"
        default = defaults.get(entry["component"], 0.0) * entry["scale"]
        if entry["relative_to"] == "default_pose" and default and low - margin <= mean - default <= high + margin:
            text += f"; it looks as if the default position of {default:.3g} was not subtracted"
        findings.append(Finding(entry["name"], text))
    return findings


def _beyond(entry: Mapping[str, Any], values: np.ndarray, largest: float, limit: float) -> str:
    """Return the finding of values that are too large, with a factor of units or scales if one explains them."""
    text = f"has values of {largest:.3g}, recorded at most {limit:.3g}"
    size = math.hypot(entry["mean"], entry["deviation"])
    ratio = float(np.sqrt((values * values).mean())) / max(size, 1e-9)
    guesses = []
    if entry["unit"] in ("rad", "rad/s"):
        guesses.append((DEGREES, "degrees instead of rad"))
    if entry["unit"] in ("m", "m/s"):
        guesses.append((1000.0, "mm instead of m"))
    if 0.0 < abs(entry["scale"]) < 1.0:
        guesses.append((1.0 / abs(entry["scale"]), f"values without the scale of {entry['scale']:g}"))
    fitting = [(abs(math.log(ratio / factor)), what) for factor, what in guesses if ratio > 0.0]
    fitting = [guess for guess in fitting if guess[0] < math.log(SIMILAR)]
    return f"{text}; it looks like {min(fitting)[1]} ({ratio:.3g} times as large)" if fitting else text


def check_still(contract: Contract, log: Log) -> list[Finding]:
    """Look for entries that keep a value within the recorded range for much longer than in the recording."""
    values, findings = log.observations[:, None], []
    still = longest_still(values, log.starts[:, None])
    for index, entry in enumerate(contract.observations):
        constant = entry["still"] >= contract.values["recording"]["steps"] - 1
        if constant or still[index] <= max(STILL * entry["still"], entry["still"] + STILL_STEPS):
            continue
        first = _first_of_run(log.observations[:, index], int(still[index]))
        if not entry["minimum"] < log.observations[first, index] < entry["maximum"]:
            continue  # saturated, which lasts as long as its reason
        findings.append(
            Finding(
                entry["name"],
                f"keeps the value {log.observations[first, index]:.3g} for {still[index] + 1} steps from row {first}, "
                f"recorded at most {entry['still'] + 1}",
            )
        )
    return findings


def _first_of_run(values: np.ndarray, length: int) -> int:
    """Return the row at which a value begins to stay for ``length`` more steps."""
    same = np.concatenate([[0], (values[1:] == values[:-1]).astype(int)])
    runs = np.convolve(same, np.ones(length, int), "valid")
    return max(int(runs.argmax()) - 1, 0)


def check_unit_vectors(contract: Contract, log: Log) -> list[Finding]:
    """Compare lengths of vectors that are constant in the recording, such as quaternions."""
    findings = []
    for relation in contract.values["relations"]["unit_vectors"]:
        chosen = [contract.observations[index] for index in relation["entries"]]
        lengths = np.linalg.norm(log.observations[:, relation["entries"]].astype(np.float64), axis=-1)
        worst = float(lengths[np.abs(lengths - relation["length"]).argmax()])
        if abs(worst - relation["length"]) > SAME_LENGTH * relation["length"]:
            name = f"{chosen[0]['quantity']}[{', '.join(entry['component'] for entry in chosen)}]"
            findings.append(Finding(name, f"has the length {worst:.3g}, recorded always {relation['length']:.3g}"))
    return findings


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.3g} ± {values.std():.3g}"


def _recorded(entry: Mapping[str, Any]) -> str:
    return f"{entry['mean']:.3g} ± {entry['deviation']:.3g}"
