"""Test vectors: observations of the task and the actions that the policy must give for them, in order."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from oige_core.errors import OigeError

from oige_train.export.actor import Actor
from oige_train.export.network import TOLERANCE, Network, deviation_of
from oige_train.export.statistics import Recording

__all__ = ["check_vectors", "decode", "encode", "make_vectors"]

COUNT = 16
IMAGES = 4


def encode(array: np.ndarray) -> Any:
    """Return an array for JSON: floats as nested lists that restore them exactly, bytes in base64."""
    if array.dtype == np.uint8:
        return {"shape": list(array.shape), "base64": base64.b64encode(array.tobytes()).decode("ascii")}
    shortest = [float(str(value)) for value in array.astype(np.float32).ravel()]
    return np.array(shortest, dtype=np.float64).reshape(array.shape).tolist()


def decode(values: Any) -> np.ndarray:
    """Return what :func:`encode` was given."""
    if isinstance(values, Mapping):
        data = base64.b64decode(values["base64"])
        return np.frombuffer(data, np.uint8).reshape(values["shape"]).copy()
    return np.array(values, np.float32)


def make_vectors(actor: Actor, recording: Recording) -> dict[str, Any]:
    """Return test vectors from a recording.

    Those of a recurrent policy are consecutive steps of one episode from its first one, with a hidden state of zero.
    Those of others are spread over the recording.

    Returns:
        ``observations`` ``(T, …)`` and ``actions`` ``(T, num_actions)``, and ``final_hidden``, the hidden state
        ``(layers, 1, units)`` after the last one.
    """
    count = IMAGES if len(actor.shape) > 1 else COUNT
    if actor.hidden_shapes:
        later = np.flatnonzero(recording.starts[1:, 0]) + 1
        chosen = recording.observations[: min([count, *later]), 0]
    else:
        rows = recording.observations.reshape(-1, *actor.shape)
        chosen = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
    hidden: Sequence[torch.Tensor] = actor.inputs(1)[1:]
    actions = []
    for observation in chosen:
        with torch.no_grad():
            action, *hidden = actor(torch.from_numpy(observation[None]), *hidden)
        actions.append(action[0].numpy())
    return {
        "observations": encode(chosen),
        "actions": encode(np.stack(actions)),
        "final_hidden": [encode(state.numpy()) for state in hidden],
        "tolerance": TOLERANCE,
    }


def check_vectors(
    network: Network, vectors: Mapping[str, Any], hidden_shapes: Sequence[Sequence[int]], file: Path
) -> float:
    """Replay test vectors through an exported network and return the largest deviation.

    Args:
        network: the exported network.
        vectors: what :func:`make_vectors` returned.
        hidden_shapes: shapes ``(layers, units)`` of the hidden state.
        file: name of the policy in the message.

    Raises:
        OigeError: the network gives other actions, or another hidden state, or the vectors are damaged.
    """
    hidden = [np.zeros((layers, 1, units), np.float32) for layers, units in hidden_shapes]
    worst = 0.0
    try:
        pairs = list(zip(decode(vectors["observations"]), decode(vectors["actions"]), strict=True))
        final_hidden = [decode(state) for state in vectors["final_hidden"]]
    except (ValueError, TypeError) as error:
        raise OigeError(
            f"{file}: test vectors of its contract are damaged ({error}); export the policy again."
        ) from error
    for number, (observation, expected) in enumerate(pairs):
        actions, *hidden = network([observation[None], *hidden])
        worst = max(worst, _check(actions[0], expected, vectors, f"test vector {number}", file))
    for state, expected in zip(hidden, final_hidden, strict=True):
        worst = max(worst, _check(state, expected, vectors, "the hidden state after the test vectors", file))
    return worst


def _check(found: np.ndarray, expected: np.ndarray, vectors: Mapping[str, Any], what: str, file: Path) -> float:
    deviation = deviation_of(found, expected)
    if not deviation <= vectors["tolerance"]:
        raise OigeError(
            f"{file}: gives something else for {what} of its contract (difference {deviation:.1e}, expected at most "
            f"{vectors['tolerance']:.0e}); export the policy again."
        )
    return deviation
