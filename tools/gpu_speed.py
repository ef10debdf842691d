"""Measure tasks on a GPU by stage, torch and Warp variants, beside ``mjwarp-testspeed`` on the same models.

    uv run python tools/gpu_speed.py --tasks Ant Humanoid --envs 4096 16384 --out gpu_speed.json

Each measurement runs in its own process, one after the other: ``oige-benchmark`` for the torch task and its Warp
variant, if there is one, and ``mjwarp-testspeed`` on the compiled model, with the same buffer sizes. The latter starts
from the model's zero pose and has no controls, drives or resets, so its contacts differ. Its rate is divided by the
number of physics steps per environment step. ``--trace`` adds the time of each stage of MuJoCo Warp.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import mujoco
from oige_core import make_env
from oige_core.registry import find_task, load_spec
from oige_train.cli.common import checked_run, run_cli

TESTSPEED_STEPS = 400


def benchmark(overrides: list[str], folder: Path) -> dict[str, Any]:
    file = folder / "benchmark.json"
    command = [sys.executable, "-m", "oige_train.cli.benchmark", *overrides, "rounds=5", "--json", str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads(file.read_text())


def testspeed(overrides: list[str], folder: Path, *, trace: bool) -> dict[str, float]:
    """Return the figures of ``mjwarp-testspeed`` for the model of a run, with ``env_steps_per_second`` added."""
    env = make_env(checked_run(overrides).config)
    engine: Any = env.task.engine
    executor = engine.executor
    substeps = env.task.control_frequency_inv
    file = folder / "model.mjb"
    mujoco.mj_saveModel(executor.model, str(file), None)
    command = [sys.executable, "-m", "mujoco_warp.testspeed", str(file), "--format=json"]
    command += [f"--nworld={env.num_envs}", f"--nstep={TESTSPEED_STEPS}", "--noise_std=0"]
    command += [f"--nconmax={executor.max_contacts}", f"--njmax={executor.max_constraints}"]
    command += [f"--event_trace={str(trace).lower()}", "--overflow_behavior=continue"]
    env.close()
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = json.loads(output.strip().splitlines()[-1])
    return figures | {"env_steps_per_second": figures["steps_per_second"] / substeps}


def rates(report: dict[str, Any]) -> dict[str, float]:
    return {stage["name"]: stage["rate"] for stage in report["stages"]}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", required=True)
    parser.add_argument("--envs", nargs="+", type=int, default=[4096, 16384])
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args(argv)
    results: dict[str, Any] = {}
    for task in arguments.tasks:
        for num_envs in arguments.envs:
            overrides = [f"task={task}", f"num_envs={num_envs}"]
            entry: dict[str, Any] = {}
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                try:
                    entry["testspeed"] = testspeed(overrides, folder, trace=arguments.trace)
                    entry["torch"] = benchmark(overrides, folder)
                    if load_spec(find_task(task)).warp_task is not None:
                        entry["warp"] = benchmark([*overrides, "warp=True"], folder)
                except subprocess.CalledProcessError as error:
                    print(f"{task}, {num_envs} envs: {' '.join(error.cmd)} failed\n{error.stderr or ''}", flush=True)
            results[f"{task} {num_envs}"] = entry
            Path(arguments.out).write_text(json.dumps(results, indent=2) + "\n")  # what was measured is kept
            bare = entry.get("testspeed", {}).get("env_steps_per_second")
            print(f"{task}, {num_envs} envs: testspeed {bare}")
            for variant in ("torch", "warp"):
                if variant in entry:
                    line = ", ".join(f"{k} {v:,.0f}" for k, v in rates(entry[variant]).items())
                    print(f"  {variant}: {line}", flush=True)


if __name__ == "__main__":
    run_cli(main)
