"""A replacement for CUDA graphs on machines without a GPU: a tape of operations, which can be repeated.

Like a graph, a tape works on the memory with which it was recorded, runs no Python code of the task, and refuses
operations that wait for a GPU. Tests of captured steps use it with MuJoCo Warp on the CPU.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.graphs import Graphs
from oige_core.envs import VecEnv
from oige_core.kernel_launch import KernelLaunch
from oige_core.selections import as_on_gpu
from oige_core.tasks import RLTask
from oige_core.torch_graphs import calling_line

__all__ = ["TapeRecorder", "assert_captured_steps_agree"]

_WAITS = frozenset(
    {
        "aten::_local_scalar_dense",
        "aten::nonzero",
        "aten::masked_select",
        "aten::_unique2",
        "aten::unique_dim",
        "aten::repeat_interleave.Tensor",
        "aten::equal",
        "aten::is_nonzero",
    }
)


class TapeRecorder:
    """Records the operations of torch and the work of Warp; see :class:`~oige_core.engines.base.GraphRecorder`.

    Unlike in a CUDA graph, operations are executed while they are recorded. The first call of a returned function
    therefore does nothing.
    """

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """See :class:`~oige_core.engines.base.GraphRecorder`."""
        tape = _Tape(strict=True)
        with as_on_gpu(), _recording_warp_work(tape), tape:
            work()
        plays = 0

        def play() -> None:
            nonlocal plays
            plays += 1
            if plays > 1:
                tape.play()

        return play

    @contextlib.contextmanager
    def watch_waits(self) -> Iterator[list[str]]:
        """See :class:`~oige_core.engines.base.GraphRecorder`."""
        tape = _Tape(strict=False)
        with as_on_gpu(), tape:
            yield tape.waits


@contextlib.contextmanager
def _recording_warp_work(tape: "_Tape") -> Iterator[None]:
    """Record the work of Warp on a tape."""
    run, launch, launch_alone = Graphs.run, Graphs.launch, KernelLaunch.run

    def recorded_run(graphs: Graphs, key: Any, work: Callable[[], object]) -> None:
        if isinstance(key, tuple) and key[0] == "step":
            raise RuntimeError("it steps the engine itself")  # as executors do during a capture
        run(graphs, key, work)
        tape.operations.append(lambda: run(graphs, key, work))

    def recorded_launch(graphs: Graphs, work: Callable[[], object]) -> None:
        launch(graphs, work)
        tape.operations.append(lambda: launch(graphs, work))

    def recorded_launch_alone(kernel: KernelLaunch) -> None:
        launch_alone(kernel)
        tape.operations.append(lambda: launch_alone(kernel))

    Graphs.run, Graphs.launch = recorded_run, recorded_launch  # type: ignore[method-assign]
    KernelLaunch.run = recorded_launch_alone  # type: ignore[method-assign]
    try:
        yield
    finally:
        Graphs.run, Graphs.launch = run, launch  # type: ignore[method-assign]
        KernelLaunch.run = launch_alone  # type: ignore[method-assign]


def assert_captured_steps_agree(captured: VecEnv, eager: VecEnv, actions: torch.Tensor) -> int:
    """Assert that captured steps return the same as eager steps, bit for bit and in new tensors, including ``info``.

    Args:
        captured: the environment; it is reset.
        eager: another environment of the same task, with ``captureStep=False``; it is reset.
        actions: ``(steps, N, num_actions)``.

    Returns:
        The number of episodes that ended.

    Raises:
        AssertionError: they differ, or the steps were not captured.
    """
    task = captured.task
    assert isinstance(task, RLTask)
    assert task.capture is not None
    assert isinstance(eager.task, RLTask)
    assert eager.task.capture is None
    _share_physics(captured, eager)
    _assert_same(captured.reset(seed=1), eager.reset(seed=1), "reset")
    held: list[tuple[Any, Any]] = []
    ended = 0
    for step, action in enumerate(actions):
        ours, theirs = (env.step(action.to(env.device)) for env in (captured, eager))
        _assert_same(ours, theirs, f"step {step}")
        assert task.capture.reason is None, task.capture.reason
        assert task.capture.captured == (step > 1)
        held.append((ours, theirs))
        ended += int((theirs[2] | theirs[3]).sum())
    for step, (ours, theirs) in enumerate(held):
        _assert_same(ours, theirs, f"results of step {step}, after all steps")
    return ended


def _share_physics(source: VecEnv, target: VecEnv) -> None:
    """Copy the state after each physics step of one environment to another, which steps after it.

    On a GPU, threads add contact forces in a varying order, so that two simulations would diverge.
    """
    engines = [env.task.engine for env in (source, target)]
    ours, theirs = (engine.executor for engine in engines if isinstance(engine, MujocoEngine))
    step, states = ours.step, []

    def step_and_keep(n: int, *, refresh: bool) -> None:
        step(n, refresh=refresh)
        states.append(ours.state_dict())

    def take_state(n: int, *, refresh: bool) -> None:
        theirs.load_state_dict(states.pop(0))
        if refresh:
            theirs.refresh()

    ours.step, theirs.step = step_and_keep, take_state  # type: ignore[method-assign]


def _assert_same(ours: Any, theirs: Any, where: str) -> None:
    first, second = pytree.tree_flatten_with_path(ours), pytree.tree_flatten_with_path(theirs)
    assert first[1] == second[1], where
    for (path, value), (_, expected) in zip(first[0], second[0], strict=True):
        title = f"{where}{pytree.keystr(path)}"
        if isinstance(expected, torch.Tensor):
            assert value.dtype == expected.dtype, title
            assert torch.equal(value, expected), title
        else:
            assert value == expected, title


class _Tape(TorchDispatchMode):
    """Records operations of torch.

    Args:
        strict: whether an operation that would wait for a GPU raises an error, and operations are recorded.

    Attributes:
        operations: functions that repeat the recorded operations, in order.
        waits: operations that would wait for a GPU, and where they are called.
    """

    def __init__(self, *, strict: bool) -> None:
        super().__init__()
        self.operations: list[Callable[[], None]] = []
        self.waits: list[str] = []
        self._strict = strict

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if _waits(func, args):
            self.waits.append(f"{func.name().removeprefix('aten::')} in {calling_line(__file__)}")
            if self._strict:
                raise RuntimeError(f"waits for the device: {self.waits[-1]}")
        outputs = func(*args, **kwargs)
        if self._strict:
            self._record(func, args, kwargs, outputs)
        return outputs

    def _record(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
        memory = {_memory(leaf) for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        results = [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
        changes_inputs = func._schema.is_mutable
        fresh = [leaf for leaf in results if leaf.numel() and _memory(leaf) not in memory]
        if not changes_inputs and not fresh:
            return  # a view

        def repeat() -> None:
            values = [leaf for leaf in pytree.tree_leaves(func(*args, **kwargs)) if isinstance(leaf, torch.Tensor)]
            for place, value in zip(results, values, strict=True):
                if place.numel() and _memory(place) not in memory:
                    place.copy_(value)

        self.operations.append(repeat)

    @torch.no_grad()  # what was recorded includes the work of autograd
    def play(self) -> None:
        """Repeat all operations on the same memory."""
        for operation in self.operations:
            operation()


def _waits(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operation would wait for a GPU."""
    name = func.name()
    if name in _WAITS:
        return True
    if name in ("aten::index.Tensor", "aten::index_put_", "aten::index_put"):
        masks = any(index is not None and index.dtype == torch.bool for index in args[1])
        return masks and (name == "aten::index.Tensor" or args[2].numel() != 1)
    return False


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
