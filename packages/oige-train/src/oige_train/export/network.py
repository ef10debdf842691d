"""Write the network of a policy, and prove that the file computes the same."""

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from oige_core.errors import OigeError

from oige_train.config import Run
from oige_train.export.actor import OBSERVATIONS, Actor, load_actor
from oige_train.export.libraries import needs_export

__all__ = [
    "TOLERANCE",
    "Network",
    "check_network",
    "deviation_of",
    "export_actor",
    "export_policy",
    "load_network",
    "move",
    "random_inputs",
    "temporary_folder",
    "write_network",
]

#: Largest difference of actions and hidden states between PyTorch and an exported network, relative to 1 + |value|.
#: Both add float32 numbers in different orders, which large weights amplify: FactoryTaskNutBolt's reach 1e-4.
TOLERANCE = 5e-4
OPSET = 17
RANDOM_ROWS = 64

#: A loaded network: takes and returns arrays in the order of its inputs and outputs.
Network = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def export_policy(run: Run, output: Path) -> Path:
    """Write the policy of a run's checkpoint as an ONNX or TorchScript file, with normalisation inside.

    The input ``observations`` ``(N, …)`` is what the environment returns, and the output ``actions``
    ``(N, num_actions)`` is what it takes. Recurrent policies also have inputs ``hidden_<i>`` and outputs
    ``next_hidden_<i>`` ``(layers, N, units)``, zero where an episode begins. The file is written only if it computes
    what PyTorch does for random inputs, to :data:`TOLERANCE`.

    Args:
        run: the checked run, which has a checkpoint.
        output: the file, which ends in ``.onnx`` or ``.pt``.

    Returns:
        ``output``.

    Raises:
        CheckpointError: the checkpoint is refused, or does not fit the network.
        MissingExtraError: onnx or onnxruntime is not installed.
        OigeError: the file name has another ending, cannot be written, or the network computes something else.
    """
    return export_actor(load_actor(run), output)


def export_actor(actor: Actor, output: Path) -> Path:
    """Write an actor; see :func:`export_policy`."""
    with temporary_folder(output) as folder:
        file = folder / output.name
        write_network(actor, file)
        check_network(load_network(file, actor.input_names), actor, random_inputs(actor), output)
        move(file, output)
    return output


def random_inputs(actor: Actor) -> tuple[torch.Tensor, ...]:
    """Return inputs by which an exported network is compared with PyTorch, before its test vectors are."""
    return actor.inputs(RANDOM_ROWS, torch.Generator().manual_seed(0))


@contextlib.contextmanager
def temporary_folder(output: Path) -> Iterator[Path]:
    """Provide a folder beside ``output``, which is deleted at the end of the block.

    Raises:
        OigeError: the folder of ``output`` cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=output.parent, prefix=".oige-export-")
    except OSError as error:
        raise OigeError(f"output={output}: cannot be written ({error.strerror}); choose another folder.") from error
    with folder as name:
        yield Path(name)


def move(file: Path, target: Path) -> None:
    """Move a finished file to its place, readable for all users.

    Raises:
        OigeError: the place cannot be written.
    """
    try:
        file.chmod(0o644)
        file.replace(target)
    except OSError as error:
        raise OigeError(f"output={target}: cannot be written ({error.strerror}); choose another name.") from error


def write_network(actor: Actor, file: Path) -> None:
    """Write the actor.

    Args:
        actor: the actor.
        file: ends in ``.onnx`` or ``.pt``.

    Raises:
        MissingExtraError: onnx is not installed.
        OigeError: the name has another ending.
    """
    inputs = actor.inputs(2, torch.Generator().manual_seed(0))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracers, on sizes of batches, which check_network varies
        if file.suffix == ".onnx":
            with needs_export("output=*.onnx"):
                import onnx  # noqa: F401 - which torch needs, and reports in its own words
            exporter: Any = torch.onnx
            exporter.register_custom_op_symbolic("aten::rms_norm", _rms_norm, OPSET)
            batch = {name: {0 if name in (OBSERVATIONS, "actions") else 1: "batch"} for name in _names(actor)}
            torch.onnx.export(
                actor,
                inputs,
                str(file),
                input_names=actor.input_names,
                output_names=actor.output_names,
                dynamic_axes=batch,
                opset_version=OPSET,
                dynamo=False,
            )
        elif file.suffix == ".pt":
            torch.jit.save(torch.jit.freeze(torch.jit.trace(actor, inputs)), str(file))
        else:
            raise OigeError(f"output={file.name}: expected a name that ends in .onnx or .pt.")


def load_network(file: Path, input_names: Sequence[str], *, threads: int = 1) -> Network:
    """Load an exported network.

    Args:
        file: ends in ``.onnx`` or ``.pt``.
        input_names: names of its inputs, in order.
        threads: of onnxruntime.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        OigeError: the file is not what its ending says, or an ONNX file has other inputs.
    """
    if file.suffix == ".onnx":
        with needs_export(file.name):
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of many types, none of which onnxruntime exports
            raise OigeError(f"{file}: not an ONNX file, or damaged; export the policy again.") from error
        found = [each.name for each in session.get_inputs()]
        if found != list(input_names):
            raise OigeError(f"{file}: has inputs {found}, expected {list(input_names)}; export the policy again.")

        def run_session(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
            return session.run(None, dict(zip(input_names, arrays, strict=True)))  # type: ignore[return-value]

        return run_session
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript remains the format that C++ loads
            module: Any = torch.jit.load(str(file), map_location="cpu").eval()
    except RuntimeError as error:
        raise OigeError(f"{file}: not a TorchScript file, or damaged; export the policy again.") from error

    def run_module(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad():
            return [tensor.numpy() for tensor in module(*(torch.from_numpy(array) for array in arrays))]

    return run_module


def check_network(network: Network, actor: Actor, inputs: Sequence[torch.Tensor], output: Path) -> None:
    """Raise an OigeError unless an exported network computes what the actor does, also for one row.

    Args:
        network: the exported network.
        actor: the actor.
        inputs: observations ``(N, …)`` and hidden states ``(layers, N, units)``.
        output: name of the file in the message.
    """
    single = [inputs[0][:1], *(hidden[:, :1] for hidden in inputs[1:])]
    for batch in (inputs, single):
        with torch.no_grad():
            expected = [tensor.numpy() for tensor in actor(*batch)]
        found = network([tensor.contiguous().numpy() for tensor in batch])
        for name, wanted, got in zip(actor.output_names, expected, found, strict=True):
            deviation = deviation_of(got, wanted)
            if not deviation <= TOLERANCE:
                raise OigeError(
                    f"output={output}: the file computes other {name} than PyTorch (difference {deviation:.1e}, "
                    f"expected at most {TOLERANCE:.0e}); it was not written."
                )


def deviation_of(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of two arrays relative to 1 + |expected|; infinite if their shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    return float((np.abs(found - expected) / (1.0 + np.abs(expected))).max(initial=0.0))


def _rms_norm(graph: Any, x: Any, shape: Any, weight: Any, epsilon: Any) -> Any:
    """Return x / √(mean(x²) + ε) · weight in ONNX, which torch cannot convert; the mean is over the last axis."""
    mean = graph.op("ReduceMean", graph.op("Mul", x, x), axes_i=[-1])
    return graph.op("Mul", graph.op("Div", x, graph.op("Sqrt", graph.op("Add", mean, epsilon))), weight)


def _names(actor: Actor) -> list[str]:
    return [*actor.input_names, *actor.output_names]
