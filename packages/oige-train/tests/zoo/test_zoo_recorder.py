"""Recorded programs are compared with torch itself: the same function, on other numbers."""

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from oige_train.zoo.graphs import Graph, write_graphs
from oige_train.zoo.program import Program, Recording, is_constant
from oige_train.zoo.random_numbers import RandomNumbers
from oige_train.zoo.recorder import Recorder, RecordingError

Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def record(function: Function, x: torch.Tensor, y: torch.Tensor) -> Graph:
    recorder = Recorder(RandomNumbers(0))
    for name, tensor in (("x", x), ("y", y)):
        recorder.memory(tensor).current.source = ("given", name)
    with torch.no_grad(), recorder:
        result = function(x, y)
    recording = Recording({0: {"result": recorder.read(result)}}, recorder.inputs, [], recorder.segment)
    return write_graphs(Program({"function": recording}, {}, []))["function"][0]


def run(graph: Graph, **given: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph.model, providers=["CPUExecutionProvider"])
    feeds = {each["name"]: given[each["name"].removeprefix("given:")].flatten().numpy() for each in graph.inputs}
    return np.asarray(session.run(None, feeds)[0])


def writes_in_a_view(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    target = torch.zeros(2, 4)
    column = target[:, 1]
    column.copy_(x[:, 0])
    target[0].mul_(3.0)
    return target + column.unsqueeze(-1)


def writes_rows(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    torch.where(y > 0, x, torch.ones(()), out=x)
    x.index_copy_(1, torch.tensor([3, 0]), y[:, :2])
    return x.transpose(0, 1).reshape(2, 4)


def turns_complex_numbers(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    first, second = (torch.view_as_complex(each.unflatten(-1, (2, 2))) for each in (x, y))
    product = first.conj() * second
    return torch.cat((product.angle(), torch.cat((product, first), dim=-1).sum(-1, keepdim=True).real), dim=-1)


def solves(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    matrix = x.T @ x + 2.0 * torch.eye(4)
    return torch.cholesky_solve(y.T, torch.linalg.cholesky_ex(matrix)[0])


def selects(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    table = torch.tensor([0.5, -1.0, 2.0, 7.0])
    rank = torch.bucketize(x, torch.tensor([-0.5, 0.0, 0.5]))
    flags = (x > 0) & ~(y > 0) | (x == y)
    flags = torch.where(y > 1, flags, x < 0)
    return table[rank] * flags.any(dim=0) + flags.count_nonzero(
        dim=1,
    ).unsqueeze(-1)


def computes_angles(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    angles = torch.atan2(y, x) + torch.atan2(torch.zeros_like(x), x) + torch.atan2(y, torch.zeros_like(x))
    return torch.cat(
        (angles, torch.remainder(x, 0.3), torch.sinc(y), torch.lerp(x, y, 0.25), x.norm(dim=1, keepdim=True)), 1
    )


def crosses(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    along_rows = torch.linalg.cross(x[:, :3], y[:, 1:])
    along_columns = torch.linalg.cross(x.expand(3, 2, 4)[:, 0], y.expand(3, 2, 4)[:, 1], dim=0)
    return torch.cat((along_rows.flatten(), along_columns.flatten()))


@pytest.mark.parametrize(
    "function",
    [writes_in_a_view, writes_rows, turns_complex_numbers, solves, selects, computes_angles, crosses],
    ids=lambda function: function.__name__,
)
def test_graph_computes_what_torch_computes_on_other_numbers(function: Function) -> None:
    generator = torch.Generator().manual_seed(3)
    numbers = [torch.randn(2, 4, generator=generator) for _ in range(4)]
    graph = record(function, numbers[0].clone(), numbers[1].clone())
    result = run(graph, x=numbers[2], y=numbers[3])
    expected = function(numbers[2].clone(), numbers[3].clone()).numpy()
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-6)


def test_what_does_not_depend_on_inputs_is_not_computed_again() -> None:
    graph = record(lambda x, _: x * torch.arange(8.0).view(2, 4).square().sum(), torch.ones(2, 4), torch.ones(1))
    assert graph.nodes == 3  # the input's shape, the product, and the name of the output
    assert run(graph, x=torch.full((2, 4), 2.0)).tolist() == [[280.0] * 4] * 2  # 0² + 1² + … + 7² = 140


def test_random_numbers_are_inputs() -> None:
    recorder = Recorder(RandomNumbers(0))
    generator = torch.Generator()
    with recorder:
        drawn = torch.empty(3).uniform_(-1.0, 3.0, generator=generator)
        whole = torch.randint(10, (2,), generator=generator)
    outputs = {"drawn": recorder.read(drawn), "whole": recorder.read(whole)}
    program = Program({"f": Recording({0: outputs}, recorder.inputs, [], 0)}, {}, [])
    graph = write_graphs(program)["f"][0]
    session = onnxruntime.InferenceSession(graph.model, providers=["CPUExecutionProvider"])
    feeds = {"random:0": np.array([0.0, 0.5, 0.75], np.float32), "random:1": np.array([0.05, 0.999], np.float32)}
    numbers, counted = map(np.asarray, session.run(None, feeds))
    assert numbers.tolist() == [-1.0, 1.0, 2.0]
    assert counted.tolist() == [0, 9]


def test_reading_a_number_that_changes_is_noticed() -> None:
    recorder = Recorder(RandomNumbers(0))
    x = torch.ones(3)
    recorder.memory(x).current.source = ("given", "x")
    with recorder:
        x.sum().item()
    value, _ = recorder.fixed[0]
    assert not is_constant(value)


def test_unknown_operation_is_named() -> None:
    with pytest.raises(RecordingError, match=r"_linalg_eigh.*: pages do not know this operation of torch"):
        record(lambda x, _: torch.linalg.eigvalsh(x[:, :2] + x[:, :2].T), torch.ones(2, 4), torch.ones(1))


def test_masked_indexing_is_refused() -> None:
    with pytest.raises(RecordingError, match=r"a step reads|values\[mask\] in a step"):
        record(lambda x, y: x[y > 0].sum(), torch.ones(2, 4), torch.ones(2, 4))
