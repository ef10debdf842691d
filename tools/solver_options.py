"""Measure speed and accuracy of a task's physics with other solver options.

    uv run python tools/solver_options.py task=Ant [key=value …] [--rounds 10] [--json FILE]

All variants start from resets and use the same random actions. They alternate in every round, so that a temporarily
busy machine does not favour any of them. Speeds are ratios to the speed with the task's own options, medians over the
rounds. The difference compares velocities after one physics step from the same state with those of the task's own
options with 100 iterations. The program reports the largest difference, and the 99th percentile over worlds and steps.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from oige_core import make_env
from oige_core.envs import VecEnv
from oige_train.cli.common import checked_run, run_cli

WORLDS, STEPS, THREADS = 128, 60, 1

VARIANTS: dict[str, dict[str, object]] = {
    "the task's own": {},
    "iterations 100, ls_iterations 50": {"iterations": 100, "ls_iterations": 50},
    "iterations 5, ls_iterations 10": {"iterations": 5, "ls_iterations": 10},
    "iterations 3, ls_iterations 6": {"iterations": 3, "ls_iterations": 6},
    "tolerance 1e-5": {"tolerance": 1e-5},
    "integrator euler": {"integrator": "euler"},
    "integrator implicit": {"integrator": "implicit"},
    "integrator discrete": {"integrator": "discrete"},
    "cone pyramidal": {"cone": "pyramidal"},
    "solver cg": {"solver": "cg"},
}
EXACT = "iterations 100, ls_iterations 50"


def make(overrides: list[str], options: dict[str, object]) -> VecEnv:
    fixed = [f"num_envs={WORLDS}", f"num_threads={THREADS}", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
    chosen = [f"task.sim.mujoco.{key}={value}" for key, value in options.items()]
    return make_env(checked_run([*overrides, *fixed, *chosen]).config)


def seconds(env: VecEnv, actions: torch.Tensor) -> float:
    """Return the time that physics takes at the beginning of an episode."""
    task: Any = env.task
    env.reset(seed=0)
    spent = 0.0
    for action in actions:
        task.pre_physics_step(action)
        start = time.perf_counter()
        task.engine.step(task.control_frequency_inv)
        spent += time.perf_counter() - start
    return spent


def differences(env: VecEnv, exact: VecEnv, actions: torch.Tensor) -> torch.Tensor:
    """Return the errors of joint velocities after one physics step, by step and world."""
    ours: Any = env.task
    theirs: Any = exact.task
    exact.reset(seed=0)
    found = []
    for action in actions:
        theirs.pre_physics_step(action)
        ours.engine.load_state_dict(theirs.engine.state_dict())
        rates = []
        for task in (ours, theirs):
            task.engine.step(1)
            rates.append(task.engine.executor.field("qvel").clone())
        found.append((rates[0] - rates[1]).abs().amax(dim=1))
    return torch.stack(found)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="number of rounds")
    parser.add_argument("--json", type=Path, help="output file")
    options, overrides = parser.parse_known_args(argv)
    torch.set_num_threads(1)

    envs = {name: make(overrides, chosen) for name, chosen in VARIANTS.items()}
    own = next(iter(envs.values()))
    generator = torch.Generator().manual_seed(0)
    actions = torch.rand(STEPS, WORLDS, own.task.spec.num_actions, generator=generator) * 2.0 - 1.0
    rounds = []
    for number in range(options.rounds):
        names = list(envs)[number % len(envs) :] + list(envs)[: number % len(envs)]
        rounds.append({name: seconds(envs[name], actions) for name in names})
    figures = {}
    for name, env in envs.items():
        apart = differences(env, envs[EXACT], actions) if env is not envs[EXACT] else torch.zeros(1)
        figures[name] = {
            "speed": statistics.median(turn["the task's own"] / turn[name] for turn in rounds),
            "difference_99": apart.quantile(0.99).item(),
            "difference_max": apart.max().item(),
        }
        print(
            "{:34} × {speed:.2f}, difference 99 % {difference_99:.1e}, max {difference_max:.1e}".format(
                name, **figures[name]
            )
        )
    if options.json:
        options.json.write_text(
            json.dumps({"overrides": overrides, "rounds": options.rounds, "figures": figures}, indent=2) + "\n"
        )


if __name__ == "__main__":
    run_cli(main)
