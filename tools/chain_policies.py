"""Join the policies of FactoryTaskNutBoltPick, -Place and -Screw to one of FactoryTaskNutBolt.

    uv run oige-train task=FactoryTaskNutBolt max_iterations=1 num_envs=16 experiment=chain headless=True
    cp runs/chain/nn/last_chain_ep_1_rew_none.pth runs/chain/nn/chain.pth
    uv run python tools/chain_policies.py runs/chain/nn/chain.pth --pick A.pth --place B.pth --screw C.pth

overwrites the weights of the first checkpoint, whose run only says what the network looks like. A checkpoint may be
``pretrained``, the policy that came with the task. The result plays like any other:
``oige-train task=FactoryTaskNutBolt test=True checkpoint=runs/chain/nn/chain.pth``.

The network of the chain has, in each layer, the units of the three networks side by side, and three units that pass on
which policy acts. In the last hidden layer, these lower the units of the other policies to where the activation is −1,
whatever they observe, and the output makes up for that constant.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from oige_core.errors import OigeError
from oige_core.registry import find_task
from oige_train.checkpoint import load_checkpoint, read_info, save_checkpoint
from oige_train.cli.common import run_cli
from oige_train.pretrained import PRETRAINED, policy_files

CHAIN = "FactoryTaskNutBolt"
STAGES = {"pick": "FactoryTaskNutBoltPick", "place": "FactoryTaskNutBoltPlace", "screw": "FactoryTaskNutBoltScrew"}
GATE = 1000.0
"""By which units of policies that do not act are lowered; more than any of them reaches."""

NETWORK = "a2c_network"
EPSILON = 1e-5
"""That rl_games adds to variances."""

State = Mapping[str, torch.Tensor]


def layers(state: State) -> list[str]:
    """Return the names of the hidden layers of a network, in order."""
    names = {name.rpartition(".")[0] for name in state if name.startswith(f"{NETWORK}.actor_mlp.")}
    return sorted(names, key=lambda name: int(name.rpartition(".")[2]))


def join(states: Sequence[State]) -> dict[str, torch.Tensor]:
    """Return the weights of one network that acts as the policy that its first observations select.

    Args:
        states: weights of rl_games' networks with the same number of hidden layers, with ELU as activation.

    Raises:
        OigeError: the numbers of hidden layers differ.
    """
    if len({len(layers(state)) for state in states}) != 1:
        counts = ", ".join(str(len(layers(state))) for state in states)
        raise OigeError(f"policies with {counts} hidden layers: expected the same number.")
    n, hidden = len(states), layers(states[0])
    joined: dict[str, torch.Tensor] = {}
    for layer in hidden:
        weights = [state[f"{layer}.weight"] for state in states]
        joined[f"{layer}.weight"] = torch.block_diag(torch.eye(n), *weights)
        joined[f"{layer}.bias"] = torch.cat((torch.zeros(n), *(state[f"{layer}.bias"] for state in states)))
    last, start = hidden[-1], n
    outputs = [state[f"{NETWORK}.mu.weight"] for state in states]
    constants = [-weight.sum(dim=1) for weight in outputs]
    gates = []
    for k, (state, weight) in enumerate(zip(states, outputs, strict=True)):
        rows = slice(start, start + weight.shape[1])
        joined[f"{last}.weight"][rows, k] = GATE
        joined[f"{last}.bias"][rows] -= GATE
        others = sum((constant for i, constant in enumerate(constants) if i != k), torch.zeros(len(weight)))
        gates.append(state[f"{NETWORK}.mu.bias"] - others)
        start = rows.stop
    joined[f"{NETWORK}.mu.weight"] = torch.cat((torch.stack(gates, dim=1), *outputs), dim=1)
    joined[f"{NETWORK}.mu.bias"] = torch.zeros(len(outputs[0]))
    joined[f"{NETWORK}.sigma"] = torch.stack([state[f"{NETWORK}.sigma"] for state in states]).mean(dim=0)
    joined[f"{NETWORK}.value.weight"] = torch.zeros(1, start)
    joined[f"{NETWORK}.value.bias"] = torch.zeros(1)
    for name, of_gates in (("running_mean", 0.0), ("running_var", 1.0 - EPSILON)):
        key = f"running_mean_std.{name}"
        joined[key] = torch.cat((torch.full((n,), of_gates).double(), *(state[key].double() for state in states)))
    return joined


def read_policy(stage: str, path: str) -> State:
    """Return the weights of a stage's policy.

    Raises:
        OigeError: the file is not a checkpoint of the stage's task by PPO.
    """
    file = policy_files(find_task(STAGES[stage]))[0] if path == PRETRAINED else Path(path)
    if not file.is_file():
        raise OigeError(f"--{stage} {path}: no such file; expected a checkpoint of {STAGES[stage]}.")
    info = read_info(file, str(file))
    if info is None or (info.task, info.algo) != (STAGES[stage], "a2c_continuous"):
        found = "one of plain rl_games" if info is None else f"one of {info.task} by {info.algo}"
        raise OigeError(f"--{stage} {path}: is {found}; expected a checkpoint of {STAGES[stage]} by PPO.")
    return load_checkpoint(file, "cpu")["model"]


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help=f"checkpoint of {CHAIN}, which is overwritten")
    for stage, task in STAGES.items():
        parser.add_argument(f"--{stage}", required=True, help=f"checkpoint of {task}, or {PRETRAINED}")
    options = parser.parse_args(argv)
    if not options.checkpoint.is_file():
        raise OigeError(f"{options.checkpoint}: no such file; see --help for how to make it.")
    info = read_info(options.checkpoint, str(options.checkpoint))
    if info is None or info.task != CHAIN:
        raise OigeError(f"{options.checkpoint}: expected a checkpoint of {CHAIN}.")
    joined = join([read_policy(stage, getattr(options, stage)) for stage in STAGES])
    state = load_checkpoint(options.checkpoint, "cpu")
    model = state["model"]
    units = [len(joined[f"{layer}.bias"]) for layer in layers(joined)]
    if [len(model[f"{layer}.bias"]) for layer in layers(model)] != units:
        raise OigeError(f"{options.checkpoint}: expected a run with train.params.network.mlp.units={units}.")
    for name, value in joined.items():
        model[name] = value.to(model[name].dtype).view_as(model[name])
    save_checkpoint(options.checkpoint, {"model": model, "epoch": state["epoch"], "frame": state["frame"]}, info)
    print(f"{options.checkpoint}: acts as the three policies in their stages")


if __name__ == "__main__":
    run_cli(main)
