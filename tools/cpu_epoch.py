"""Measure where the CPU time of an epoch of PPO goes: physics, environment, acting, samples and gradient steps.

    uv run python tools/cpu_epoch.py task=Ant num_envs=4096 [--epochs 5] [--json cpu_epoch.json]

Words are those of oige-train. With ``train.params.torch_threads=1``, threads of torch that wait do not count. The time
of gradient steps is divided among torch's operators by timing each of them in one more epoch.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from oige_core import make_env
from oige_core.errors import OigeError
from oige_train.benchmark.report import versions
from oige_train.cli.common import checked_run, run_cli
from oige_train.learner.agent import Session
from oige_train.learner.build import build_agent
from oige_train.learner.distributed import Workers
from oige_train.learner.ppo.agent import PpoAgent
from oige_train.learner.progress import Observer
from oige_train.machine import machine
from oige_train.torch_setup import configure_torch
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = ("mm", "addmm", "bmm", "_linear_pointwise", "convolution", "convolution_backward")


class Parts:
    """CPU seconds of calls by name; those of calls within a call are not counted twice."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def time(self, owner: Any, method: str, name: str) -> None:
        """Time a method from now on."""
        call: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            start = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                spent = time.process_time() - start
                self.seconds[name] += spent - self._inner.pop()
                self._inner[-1] += spent

        setattr(owner, method, timed)


class Operators(TorchDispatchMode):
    """CPU seconds of torch's operators: products of matrices, and others."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Time an operator."""
        start = time.process_time()
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        self.seconds["products" if name in PRODUCTS else "other operators"] += time.process_time() - start
        return result


def measure(words: list[str], epochs: int) -> dict[str, Any]:
    """Return a report about a run's epochs."""
    run = checked_run([*words, "sim_device=cpu", "rl_device=cpu", "headless=True"])
    configure_torch(run)
    learner = run.config.train.params.config
    learner.save_frequency, learner.max_epochs = 0, -1
    env = make_env(run.config)
    with tempfile.TemporaryDirectory() as folder:
        agent = build_agent(Session(run=run, workers=Workers()), env, Observer(), folder=Path(folder))
        if not isinstance(agent, PpoAgent):
            raise OigeError(f"{' '.join(words)}: expected a task that PPO learns.")
        agent.init_tensors()
        agent.obs = agent.env_reset()
        agent.run_epoch()
        parts = Parts()
        parts.time(env.task.engine, "step", "physics")
        parts.time(agent.vec_env, "step", "environment beside physics")
        parts.time(agent.collector, "collect", "acting")
        parts.time(agent, "_prepare_samples", "preparing samples")
        parts.time(agent, "_train_policy", "gradient steps")
        parts.time(agent, "run_epoch", "other")
        taken: list[defaultdict[str, float]] = []
        for _ in range(epochs):
            parts.seconds.clear()
            agent.run_epoch()
            taken.append(parts.seconds.copy())
        operators, train = Operators(), agent._train_policy

        def counted() -> None:
            with operators:
                train()

        agent._train_policy = counted
        agent.run_epoch()
        agent.writer.close()
    env.close()
    return {
        "words": words,
        "machine": machine(),
        "versions": versions(),
        "torch_threads": torch.get_num_threads(),
        "env_steps": agent.frames_per_epoch(),
        "cpu_seconds": {name: statistics.median(epoch[name] for epoch in taken) for name in taken[0]},
        "operators_of_gradient_steps": operators.seconds,
    }


def main(argv: list[str]) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="+", help="as of oige-train")
    parser.add_argument("--epochs", type=int, default=5, help="timed epochs; the median counts")
    parser.add_argument("--json", type=Path, help="output file")
    options = parser.parse_args(argv)
    report = measure(options.words, options.epochs)
    total = sum(report["cpu_seconds"].values())
    print(f"{' '.join(options.words)}: {report['env_steps']:,} env-steps, {report['torch_threads']} threads of torch")
    for name, seconds in report["cpu_seconds"].items():
        print(f"{name:28}{seconds:10.4f} s{seconds / total:8.1%}")
    for name, seconds in report["operators_of_gradient_steps"].items():
        print(f"  gradient steps, {name:16}{seconds:6.4f} s, timed one by one")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
