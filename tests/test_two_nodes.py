"""Two nodes that train together, in network namespaces with addresses of their own."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.two_nodes import Node, fail, missing, network, resume, train_on_both, train_on_one

pytestmark = pytest.mark.slow


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    if reason := missing():
        pytest.skip(reason)
    with network(tmp_path) as both:
        yield both


def test_two_nodes_learn_what_two_processes_of_one_node_learn(nodes: tuple[Node, Node], tmp_path: Path) -> None:
    import torch

    alone = tmp_path / "alone"
    alone.mkdir()
    one, two = train_on_both(nodes, tmp_path)
    expected = train_on_one(nodes[0], alone)
    assert len(expected) > 8
    for name, value in expected.items():
        assert torch.equal(one[name], value), name
        assert torch.equal(two[name], value), name


@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize(
    ("failure", "cause"),
    [(Node.kill, "was killed or has crashed"), (Node.unplug, r"cannot be reached any more \(\S.*\)")],
    ids=["killed", "unplugged"],
)
def test_failed_node_ends_the_other_with_one_line_that_resumes(
    nodes: tuple[Node, Node], tmp_path: Path, victim: int, failure: Callable[[Node], None], cause: str
) -> None:
    programs, _ = fail(nodes, tmp_path, victim, failure)
    if failure is Node.kill:
        assert programs[1 - victim].code(60.0) == 1  # of torchrun
    (error,) = programs[1 - victim].errors()
    name = rf"process {victim} of 2 \(PID \d+ on {nodes[victim].name}\)"
    command = "torchrun --nnodes=2 --nproc-per-node=1 --rdzv-backend=c10d --rdzv-endpoint=node-[ab]:29500 -m oige_train"
    assert re.match(rf"error: {name} {cause}, so training has ended; resume: {command}", error), error
    if failure is Node.kill:
        said = resume(nodes, tmp_path, error)
        assert re.match(r"resuming \S+ after epoch (\d+); .*\ndone: ", said), said
