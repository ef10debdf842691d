"""Write a policy with its contract, its test vectors and the model of its world."""

import dataclasses
from pathlib import Path

import torch
from oige_core import make_env
from oige_core.errors import OigeError

from oige_train.config import Run
from oige_train.export.actor import load_actor
from oige_train.export.build import build_contract, write_contract
from oige_train.export.contract import SUFFIXES, Contract, contract_path, read_contract
from oige_train.export.network import (
    check_network,
    load_network,
    move,
    random_inputs,
    temporary_folder,
    write_network,
)
from oige_train.export.robots import describe_robots, write_model
from oige_train.export.rollout import record
from oige_train.export.vectors import check_vectors

__all__ = ["Deployment", "check_output", "export_deployment"]


@dataclasses.dataclass(frozen=True)
class Deployment:
    """What was written.

    Attributes:
        contract: the contract, which names the policy.
        model: the MJCF file of the world; None if it was not asked for.
        deviation: largest difference of the test vectors; see :data:`~oige_train.export.network.TOLERANCE`.
    """

    contract: Contract
    model: Path | None
    deviation: float


def check_output(output: Path) -> None:
    """Raise an OigeError if a name is none of an exported policy, or a file beside it would be lost."""
    if output.suffix not in SUFFIXES:
        raise OigeError(f"output={output}: expected a name that ends in .onnx or .pt.")
    for suffix in SUFFIXES:
        other = output.with_suffix(suffix)
        if suffix != output.suffix and other.is_file() and contract_path(other).is_file():
            raise OigeError(
                f"output={output}: {contract_path(other).name} beside it belongs to {other.name}; choose another name."
            )
    if not output.is_file():
        for file in (contract_path(output), output.with_suffix(".xml")):
            if file.exists():
                raise OigeError(
                    f"output={output}: {file.name} beside it is not from an export and would be overwritten; choose "
                    "another name."
                )


def export_deployment(run: Run, output: Path, *, steps: int, model: bool = True) -> Deployment:
    """Write ``output``, the contract ``.json`` and the model ``.xml`` beside it.

    The policy is played in its task to record what it observes. All files are first written to a temporary folder, and
    moved only after the test vectors of the contract were replayed through the exported policy.

    Args:
        run: the checked run, which has a checkpoint.
        output: file of the policy, which ends in ``.onnx`` or ``.pt``.
        steps: control steps to record in each of the run's worlds.
        model: write the model.

    Raises:
        CheckpointError: the checkpoint is refused, or does not fit the network.
        MissingExtraError: onnx or onnxruntime is not installed.
        OigeError: a file cannot be written, or the exported policy computes something else than PyTorch.
    """
    check_output(output)
    actor = load_actor(run)
    with temporary_folder(output) as folder:
        policy = folder / output.name
        write_network(actor, policy)
        network = load_network(policy, actor.input_names)
        check_network(network, actor, random_inputs(actor), output)
        env = make_env(run.config)
        try:
            robots = describe_robots(env.task)
            if model:
                write_model(env.task, policy.with_suffix(".xml"))
            recording = record(env, actor.to(run.config.rl_device), steps)
            actor.to(torch.device("cpu"))
            values = build_contract(run, env, actor, recording, robots)
        finally:
            env.close()
        write_contract(values, policy, actor, contract_path(policy), output.name)
        written = read_contract(policy)
        deviation = check_vectors(network, written.values["vectors"], written.hidden_shapes, output)
        for file in sorted(folder.iterdir()):
            move(file, output.parent / file.name)
    return Deployment(read_contract(output), output.with_suffix(".xml") if model else None, deviation)
