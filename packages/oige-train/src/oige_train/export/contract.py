"""The contract beside an exported policy: a JSON file that says what the policy expects and what it gives.

It is read without torch, so that a wrong file is refused before anything starts.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oige_train.checkpoint_info import CheckpointError, CheckpointInfo
from oige_train.export.layout import check_layout
from oige_train.run_record import RunRecord

__all__ = ["FORMAT", "SUFFIXES", "Contract", "contract_path", "is_exported", "read_contract"]

FORMAT = 1
SUFFIXES = (".onnx", ".pt")


def is_exported(file: Path) -> bool:
    """Whether a file is an exported policy: ONNX, or TorchScript with its contract, because checkpoints may be .pt."""
    return file.suffix == ".onnx" or (file.suffix in SUFFIXES and contract_path(file).is_file())


def contract_path(policy: Path) -> Path:
    """Return the path of the contract of an exported policy."""
    return policy.with_suffix(".json")


@dataclasses.dataclass(frozen=True)
class Contract:
    """The contract of an exported policy.

    Attributes:
        file: the contract.
        policy: the policy beside it.
        values: its content; docs/deployment.md explains each field.
    """

    file: Path
    policy: Path
    values: Mapping[str, Any]

    @property
    def observations(self) -> Sequence[Mapping[str, Any]]:
        """What each number of an observation means, with its statistics; of images, each channel."""
        return self.values["observations"]["entries"]

    @property
    def actions(self) -> Sequence[Mapping[str, Any]]:
        """What each number of an action means, with its statistics."""
        return self.values["actions"]["entries"]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an observation."""
        return tuple(self.values["observations"]["shape"])

    @property
    def is_image(self) -> bool:
        """Whether observations are images, which are bytes."""
        return self.values["observations"]["dtype"] == "uint8"

    @property
    def hidden_shapes(self) -> list[tuple[int, int]]:
        """Shapes ``(layers, units)`` of the hidden state."""
        return [tuple(each["shape"]) for each in self.values["policy"]["hidden"]]

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs of the network, in order."""
        policy = self.values["policy"]
        return [policy["input"], *(each["input"] for each in policy["hidden"])]

    @property
    def period(self) -> float:
        """Length of a control step in s."""
        return self.values["control"]["period"]

    def info(self) -> CheckpointInfo:
        """Return what is known of the checkpoint that was exported."""
        values = dict(self.values["checkpoint"]["info"])
        values["observation_shape"] = tuple(values["observation_shape"])
        if values.get("run") is not None:
            values["run"] = RunRecord.from_json(values["run"])
        return CheckpointInfo(**values)


def read_contract(policy: Path, shown: str = "") -> Contract:
    """Return the contract beside an exported policy.

    Args:
        policy: the exported policy.
        shown: name of the policy in messages; by default its path.

    Raises:
        CheckpointError: a file is missing or damaged, is no exported policy, the contract is newer, or belongs to
            another policy.
    """
    shown, file = shown or str(policy), contract_path(policy)
    if not policy.is_file():
        raise CheckpointError(f"{shown}: no such file; write it with oige-export.")
    if policy.suffix not in SUFFIXES:
        raise CheckpointError(f"{shown}: expected an exported policy, whose name ends in .onnx or .pt.")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{shown}: expected its contract {file.name} beside it; copy both files.") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file}: damaged ({error}); export the policy again.") from error
    if not isinstance(values, dict) or not isinstance(values.get("format"), int) or values["format"] < 1:
        raise CheckpointError(f"{file}: not a contract of oige-export; export the policy again.")
    if values["format"] > FORMAT:
        raise CheckpointError(
            f"{file}: written by a newer version (format {values['format']}, not {FORMAT}); update oige-train."
        )
    check_layout(values, str(file))
    contract = Contract(file, policy, values)
    try:
        contract.info()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{file}: checkpoint.info: damaged ({error!r}); export the policy again.") from error
    if hashlib.sha256(policy.read_bytes()).hexdigest() != values["policy"]["sha256"]:
        raise CheckpointError(f"{shown}: is not the file that {file.name} describes; export the policy again.")
    return contract
