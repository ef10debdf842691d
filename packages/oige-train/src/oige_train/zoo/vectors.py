"""States and results of a task on the C engine, with which a page's results are compared."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from oige_core.engines.mujoco.compile import CompiledScene
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.batch import BatchExecutor
from oige_core.envs import VecEnv
from oige_core.registry import find_task, load_spec, load_task_class
from oige_core.selections import as_on_gpu
from oige_core.tasks import RLTask, Steerable

from oige_train.learner.environment import RlGamesEnv
from oige_train.policy_loading import load_policy
from oige_train.zoo.program import begin, end, observed, reset, state_tensors
from oige_train.zoo.random_numbers import GivenNumbers, RandomNumbers
from oige_train.zoo.task_files import page_run

__all__ = ["record_vectors"]

_WRITTEN = ("ctrl", "qpos", "qvel", "mocap_pos", "mocap_quat", "xfrc_applied", "qfrc_applied")


class _MaskedBatch(BatchExecutor):
    """The C engine with selections of worlds by mask, so that it draws random numbers in the same order as a page."""

    def __init__(self, compiled: CompiledScene) -> None:
        super().__init__(compiled.model, 1, 1)
        self.selects_by_mask = True


def record_vectors(
    name: str, steps: int, fields: list[str], state: list[str], *, random_every: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Play a task in one world on the C engine and return what a page must compute.

    Args:
        name: name of the task.
        steps: number of control steps; the episode is reset once in the middle.
        fields: fields of MuJoCo that the page's functions read.
        state: paths of the page's state.
        random_every: every how many steps actions are random; the others are the policy's.
        seed: of actions and of random numbers.

    Returns:
        Lists of numbers, to be written as JSON: the state before the first call; calls of functions in order, each with
        its name, the fields before it, given numbers, random numbers, and the results and written fields after it.
    """
    run = page_run(name)
    spec = load_spec(find_task(name))
    with torch.no_grad():
        engine = MujocoEngine(1, executor=lambda compiled, _: _MaskedBatch(compiled))
        task = load_task_class(spec, warp=False)(run.config, spec, engine)
    assert isinstance(task, RLTask)
    task._fused = None
    if isinstance(task, Steerable):
        task.no_timeout = torch.zeros(1, dtype=torch.bool)
    policy = load_policy(run, RlGamesEnv(VecEnv(task), "cpu"))
    numbers, generator = RandomNumbers(seed), torch.Generator().manual_seed(seed)
    everyone = torch.ones(1, dtype=torch.bool)
    calls: list[dict[str, Any]] = []
    executor: Any = engine.executor

    def read(names: list[str] | tuple[str, ...]) -> dict[str, list[float]]:
        return {each: _numbers(executor.field(each)) for each in names}

    def call(label: str, function: Callable[[], dict[str, torch.Tensor]], given: dict[str, torch.Tensor]) -> None:
        numbers.kept.clear()
        before = read([each for each in fields if each != "M"] + (["M"] if "M" in fields else []))
        with GivenNumbers(numbers):
            results = function()
        calls.append(
            {
                "function": label,
                "fields": before,
                "given": {key: _numbers(value) for key, value in given.items()},
                "random": [_numbers(each.numbers) for each in numbers.kept],
                "results": {key: _numbers(value) for key, value in results.items()},
                "written": read(_WRITTEN),
            }
        )

    with torch.no_grad(), as_on_gpu():
        task.restart(everyone)
        for _ in range(3):
            task.step(torch.zeros(1, spec.num_actions))
        for each in fields:
            executor.field(each)
        executor.refresh(None)
        tensors = dict(state_tensors({"task": task, "policy": policy}))
        first = {path: _numbers(tensors[path]) for path in state}
        call("reset", lambda: reset(task, everyone), {})
        executor.refresh(None)
        for step in range(steps):
            seen = observed(task).clone()
            actions = policy.act(seen, deterministic=True)
            calls.append(
                {
                    "function": "policy",
                    "given": {"observations": _numbers(seen)},
                    "results": {"actions": _numbers(actions)},
                }
            )
            if step % random_every:
                actions = 2.0 * torch.rand(1, spec.num_actions, generator=generator) - 1.0
            call("begin", lambda chosen=actions: begin(task, chosen), {"actions": actions})
            task.engine.step(task.control_frequency_inv)
            executor.refresh(None)
            call("end", lambda: end(task), {})
            if step == steps // 2:
                call("reset", lambda: reset(task, everyone), {})
                executor.refresh(None)
    engine.close()
    return {"task": name, "state": first, "calls": calls}


def _numbers(values: torch.Tensor) -> list[float]:
    return np.asarray(values.detach().to(torch.float64).flatten()).tolist()
