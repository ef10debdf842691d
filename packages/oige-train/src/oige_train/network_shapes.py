"""The network that a checkpoint of rl_games belongs to, as far as the shapes of its weights determine it."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["FoundNetwork", "find_critic", "find_network"]

Shapes = Mapping[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoundNetwork:
    """A network of rl_games; None where the weights do not determine a value.

    Attributes:
        algorithm: rl_games' name of the algorithm.
        num_inputs: size of one world's observation, or the number of channels if observations are images.
        num_actions: size of one world's action; None for the asymmetric critic.
        settings: values by dotted key below the ``network`` section.
        convs: ``filters`` and ``kernel_size`` of each convolutional layer; empty if there are none.
        flat: number of features after the convolutional layers.
        normalises_inputs: whether the file has statistics of observations.
        normalises_values: whether the file has statistics of values.
    """

    algorithm: str
    num_inputs: int
    num_actions: int | None
    settings: dict[str, Any]
    convs: list[dict[str, int]]
    flat: int
    normalises_inputs: bool
    normalises_values: bool


def find_network(state: Mapping[str, Any]) -> FoundNetwork | None:
    """Return the network of a checkpoint, or None if its architecture is none of those of OmniIsaacGymEnvs.

    Args:
        state: content of the checkpoint in the layout of the installed rl_games.
    """
    if isinstance(state.get("actor"), Mapping) and isinstance(state.get("critic"), Mapping):
        return _find_sac(_shapes(state["actor"]), normalises="running_mean_std" in state)
    model = state.get("model")
    return _find_actor_critic(_shapes(model)) if isinstance(model, Mapping) else None


def find_critic(state: Mapping[str, Any]) -> FoundNetwork | None:
    """Return the network of the asymmetric critic of a checkpoint, or None if there is none."""
    weights = state.get("assymetric_vf_nets")
    if not isinstance(weights, Mapping):
        return None
    return _find_actor_critic({name.removeprefix("model."): shape for name, shape in _shapes(weights).items()})


def _shapes(weights: Mapping[Any, Any]) -> dict[str, tuple[int, ...]]:
    return {str(name): tuple(value.shape) for name, value in weights.items() if hasattr(value, "shape")}


def _layers(shapes: Shapes, prefix: str, dimensions: int) -> list[tuple[int, ...]]:
    """Return the shapes of the weights ``<prefix><number>.weight`` with ``dimensions`` dimensions, in order."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.weight\Z")
    found = {int(match[1]): shape for name, shape in shapes.items() if (match := pattern.match(name))}
    return [found[number] for number in sorted(found) if len(found[number]) == dimensions]


def _find_sac(actor: Shapes, *, normalises: bool) -> FoundNetwork | None:
    linears = _layers(actor, "trunk.", 2) or _layers(actor, "trunk.linears.", 2)
    if len(linears) < 2:
        return None
    return FoundNetwork(
        algorithm="sac",
        num_inputs=linears[0][1],
        num_actions=linears[-1][0] // 2,
        settings={"mlp.units": [shape[0] for shape in linears[:-1]]},
        convs=[],
        flat=linears[0][1],
        normalises_inputs=normalises,
        normalises_values=False,
    )


def _find_actor_critic(model: Shapes) -> FoundNetwork | None:
    network = {name.removeprefix("a2c_network."): shape for name, shape in model.items() if "a2c_network." in name}
    output = network.get("mu.weight") or network.get("value.weight")
    if output is None:
        return None
    d2rl = "actor_mlp.linears.0.weight" in network
    linears = _layers(network, "actor_mlp.linears." if d2rl else "actor_mlp.", 2)
    separate = any(name.startswith(("critic_mlp.", "critic_cnn.", "c_rnn.")) for name in network)
    settings: dict[str, Any] = {
        "separate": separate,
        "mlp.units": [shape[0] for shape in linears],
        "mlp.d2rl": d2rl,
    }
    flat = linears[0][1] if linears else output[1]
    prefix = "a_rnn." if separate else "rnn."
    settings["rnn"] = rnn = _find_rnn(network, prefix, linears, output[1])
    if rnn is not None and rnn.get("before_mlp"):
        flat = network[f"{prefix}rnn.weight_ih_l0"][1]
    if "mu.weight" in network:
        settings["space.continuous.fixed_sigma"] = "sigma" in network
    kernels = _layers(network, "actor_cnn.", 4)
    if not kernels:
        settings["cnn"] = None
    return FoundNetwork(
        algorithm="a2c_continuous",
        num_inputs=kernels[0][1] if kernels else flat,
        num_actions=output[0] if "mu.weight" in network else None,
        settings=settings,
        convs=[{"filters": shape[0], "kernel_size": shape[2]} for shape in kernels],
        flat=flat,
        normalises_inputs="running_mean_std.running_mean" in model,
        normalises_values="value_mean_std.running_mean" in model,
    )


def _find_rnn(network: Shapes, prefix: str, linears: list[tuple[int, ...]], num_features: int) -> dict[str, Any] | None:
    """Return the ``rnn`` section of a network, or None if it is not recurrent.

    If all layers have the size of the observation, the place of the recurrent ones is unknown and left out.

    Args:
        network: shapes by name.
        prefix: of the names of the recurrent layers.
        linears: shapes of the fully connected layers.
        num_features: number of features that the action is computed from.
    """
    cells = f"{prefix}rnn.weight_ih_l"
    if f"{cells}0" not in network:
        return None
    rows, num_inputs = network[f"{cells}0"]
    units = network[f"{prefix}rnn.weight_hh_l0"][1]
    last, first = (linears[-1][0], linears[0][1]) if linears else (num_inputs, num_inputs)
    before = num_features == last and first in (units, units + num_inputs)
    after = num_features in (units, units + first) and num_inputs in (last, last + first)
    settings = {
        "name": {4: "lstm", 3: "gru"}.get(rows // units, "identity"),
        "units": units,
        "layers": sum(name.startswith(cells) for name in network),
        "concat_input": after and bool(linears) and num_inputs == last + first,
        "concat_output": num_features == units + first if after else first == units + num_inputs,
        "layer_norm": f"{prefix.removesuffix('rnn.')}layer_norm.weight" in network,
    }
    return settings if before == after else settings | {"before_mlp": before}
