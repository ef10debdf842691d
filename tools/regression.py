"""Measure speed and scores of every task on a CPU, and compare them with recorded ones.

    uv run python tools/regression.py --json regression.json
    uv run python tools/regression.py --record docs/results/data/regression.json

The first command compares with docs/results/data/regression.json, which the second one writes.

Each task is measured in a process of its own, with one thread:

* speed: CPU time of a control step with random actions, divided by the CPU time of a fixed calculation with MuJoCo that
  takes turns with it, so that different machines can be compared. The fastest blocks of both count.
* training: mean reward of a control step in a few epochs from a fixed seed, and a checksum of the weights at the end.
* policy: mean reward of a control step of the policy that the package ships, from a fixed seed.

A speed is worse if the ratio grew by more than ``--slower``. A score is worse if it fell by more than ``--errors``
standard errors of the difference and a thousandth of the score. Checksums are compared only between equal processors
and versions, where the CPU repeats everything bit by bit; a different one is reported, but may be intended. The program
prints a table and exits with 1 if anything is worse or could not be measured.
"""

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mujoco
import torch
from oige_core import make_env
from oige_core.errors import ConfigError
from oige_core.registry import find_task, installed_tasks
from oige_train.benchmark.report import versions
from oige_train.cli.common import checked_run, run_cli
from oige_train.learner.agent import Session
from oige_train.learner.build import build_agent
from oige_train.learner.distributed import Workers
from oige_train.learner.environment import RlGamesEnv
from oige_train.learner.progress import Observer
from oige_train.machine import machine
from oige_train.policy_loading import load_policy
from oige_train.pretrained import policy_files
from oige_train.schema import SacConfig
from oige_train.torch_setup import configure_torch

RECORDED = Path(__file__).resolve().parent.parent / "docs" / "results" / "data" / "regression.json"
ENVS = 16
EPOCHS = 3
OFF_POLICY_EPOCHS = 4  # of a few control steps each, without a warm-up
PLAYED_STEPS = 128
#: Of tasks that reward only the end of an episode.
LONG_STEPS = {"FactoryTaskNutBolt": 2608}
ROUNDING = 1e-3  # change of a score that is not worse, as a fraction; worlds of some tasks have equal rewards
BLOCKS = 60
BLOCK_SECONDS = 0.05  # of CPU time
SETTLING_STEPS = 20
SEED = 1
#: A chain of capsules that falls onto the ground: what the calibration simulates.
CHAIN = """
<mujoco>
  <worldbody>
    <geom type="plane" size="5 5 1"/>
    <body pos="0 0 1"><freejoint/><geom type="capsule" size=".05" fromto="0 0 0 .3 0 0"/>
      <body pos=".3 0 0"><joint axis="0 1 0"/><geom type="capsule" size=".05" fromto="0 0 0 .3 0 0"/>
        <body pos=".3 0 0"><joint axis="0 1 0"/><geom type="capsule" size=".05" fromto="0 0 0 .3 0 0"/></body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""


class Calibration:
    """A calculation of fixed size with MuJoCo."""

    def __init__(self) -> None:
        self._model = mujoco.MjModel.from_xml_string(CHAIN)
        self._data = mujoco.MjData(self._model)

    def run(self) -> None:
        """Simulate 200 steps from the start."""
        mujoco.mj_resetData(self._model, self._data)
        mujoco.mj_step(self._model, self._data, 200)


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call, the mean over as many calls as take the time of a block."""
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < BLOCK_SECONDS or count == 0:
        work()
        count += 1
    return spent / count


def overrides_of(task: str) -> list[str]:
    fixed = ["sim_device=cpu", "rl_device=cpu", "headless=True", "num_threads=1", "train.params.torch_threads=1"]
    return [f"task={task}", f"num_envs={ENVS}", f"seed={SEED}", *fixed]


def measure_speed(task: str) -> dict[str, Any]:
    """Return the CPU time of a control step relative to the calibration: of the fastest blocks, and of all."""
    run = checked_run(overrides_of(task))
    configure_torch(run)
    env, calibration = make_env(run.config), Calibration()
    generator = torch.Generator().manual_seed(SEED)
    env.reset(seed=SEED)

    def step() -> None:
        env.step(2.0 * torch.rand(ENVS, run.spec.num_actions, generator=generator) - 1.0)

    for _ in range(SETTLING_STEPS):
        step()
    pairs = [(cpu_seconds(step), cpu_seconds(calibration.run)) for _ in range(BLOCKS)]
    env.close()
    fastest = [min(seconds) for seconds in zip(*pairs, strict=True)]  # other programs can only make a block slower
    return {
        "ms_per_step": round(1e3 * fastest[0], 4),
        "ratio": round(fastest[0] / fastest[1], 4),
        "ratios": [round(ours / reference, 4) for ours, reference in pairs],
    }


class Rewards:
    """Sums of the rewards of each world."""

    def __init__(self) -> None:
        self.steps = 0
        self.sums = torch.zeros(ENVS, dtype=torch.float64)

    def add(self, rewards: torch.Tensor) -> None:
        """Add the rewards of a step, ``(N,)``."""
        self.steps += 1
        self.sums += rewards

    def score(self) -> dict[str, float]:
        """Return the mean reward of a control step and its standard error over the worlds."""
        means = self.sums / self.steps
        return {"score": float(means.mean()), "error": float(means.std() / math.sqrt(len(means)))}


def measure_training(task: str) -> dict[str, Any]:
    """Train for a few epochs; return the score in them, and a checksum of the weights."""
    run = checked_run(overrides_of(task))
    configure_torch(run)
    config = run.config.train.params.config
    config.save_frequency, config.max_epochs = 0, -1
    epochs = EPOCHS
    if isinstance(config, SacConfig):
        epochs, config.num_warmup_steps = OFF_POLICY_EPOCHS, 0
    env, rewards = make_env(run.config), Rewards()
    with tempfile.TemporaryDirectory() as folder:
        agent = build_agent(Session(run=run, workers=Workers()), env, Observer(), folder=Path(folder))
        step = agent.vec_env.step

        def counted(actions: torch.Tensor) -> Any:
            result = step(actions)
            rewards.add(result[1])
            return result

        agent.vec_env.step = counted
        agent.init_tensors()
        agent.obs = agent.env_reset()
        for _ in range(epochs):
            agent.run_epoch()
        agent.writer.close()
        weights = hashlib.sha256()
        for name, values in sorted(agent.model.state_dict().items()):
            weights.update(name.encode() + values.contiguous().numpy().tobytes())
    env.close()
    return rewards.score() | {"epochs": epochs, "weights": weights.hexdigest()[:16]}


def measure_policy(task: str) -> dict[str, Any] | None:
    """Play the policy of the package; None if there is none."""
    if not policy_files(find_task(task))[0].is_file():
        return None
    run = checked_run([*overrides_of(task), "checkpoint=pretrained", "test=True"])
    configure_torch(run)
    env, rewards = make_env(run.config), Rewards()
    adapter = RlGamesEnv(env, "cpu")
    policy = load_policy(run, adapter)
    observations = adapter.reset()
    steps = LONG_STEPS.get(task, PLAYED_STEPS)
    for _ in range(steps):
        observations, reward, done, _ = adapter.step(policy.act(observations["obs"], deterministic=True))
        policy.reset_hidden_state(done)
        rewards.add(reward)
    env.close()
    return rewards.score() | {"steps": steps}


MEASUREMENTS: dict[str, Callable[[str], dict[str, Any] | None]] = {
    "speed": measure_speed,
    "training": measure_training,
    "policy": measure_policy,
}


def measure_in_process(task: str) -> dict[str, Any]:
    """Measure a task in a process of its own; what fails has the key ``failed``."""
    command = [sys.executable, __file__, "--worker", task]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ended.returncode:
        return {"failed": (ended.stderr.strip() or "no message").splitlines()[-1]}
    return json.loads(ended.stdout.splitlines()[-1])


def compare(new: dict[str, Any], old: dict[str, Any], slower: float, errors: float) -> list[dict[str, Any]]:
    """Return a row for each measurement of the tasks in ``new``.

    Args:
        new: what was measured now: ``machine``, ``versions`` and ``tasks``.
        old: what was recorded.
        slower: largest growth of a ratio of speeds that is not worse, as a fraction.
        errors: largest fall of a score that is not worse, in standard errors of the difference.

    Returns:
        Rows with ``task``, ``measurement``, ``old``, ``new`` and ``verdict``: ``worse``, ``failed``, ``changed``,
        ``better``, ``equal``, ``new``, also if the number of steps or epochs differs, ``no reward`` if a score can tell
        nothing, or an empty text.
    """
    same_machine = (new["machine"], new["versions"]) == (old.get("machine"), old.get("versions"))
    rows = []
    for task, measured in new["tasks"].items():
        recorded = old.get("tasks", {}).get(task, {})
        if "failed" in measured:
            rows.append({"task": task, "measurement": "all", "old": "", "new": measured["failed"], "verdict": "failed"})
            continue
        for name, values in measured.items():
            before = recorded.get(name)
            if values is None and before is None:
                continue
            key = "ratio" if name == "speed" else "score"
            row = {"task": task, "measurement": name, "old": before and before[key], "new": values and values[key]}
            if values is None:
                verdict = "worse"  # a policy that was shipped is missing
            elif before is None or _length(values) != _length(before):
                verdict = "new"
            elif name == "speed":
                change = values["ratio"] / before["ratio"] - 1.0
                verdict = "worse" if change > slower else "better" if change < -slower else ""
            else:
                allowed = errors * math.hypot(values["error"], before["error"]) + ROUNDING * abs(before["score"])
                change = values["score"] - before["score"]
                same = values["score"] == before["score"] and values.get("weights") == before.get("weights")
                verdict = "better" if change > allowed else "" if change >= -allowed else "worse"  # NaN is worse
                if values["score"] == before["score"] == values["error"] == 0.0:
                    verdict = "no reward"
                elif same:
                    verdict = "equal"
                elif not verdict and same_machine:
                    verdict = "changed"
            rows.append(row | {"verdict": verdict})
    return rows


def _length(values: dict[str, Any]) -> int | None:
    """Return the number of steps or epochs that were measured."""
    return values.get("steps", values.get("epochs"))


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table, what is worse first."""
    order = {"worse": 0, "failed": 0}
    lines = ["| task | measurement | recorded | now | |", "|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda each: order.get(each["verdict"], 1)):
        cells = f"{_text(row['old'])} | {_text(row['new'])}"
        lines.append(f"| {row['task']} | {row['measurement']} | {cells} | {row['verdict']} |")
    return "\n".join(lines)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value or "none")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", help="by default all installed tasks")
    parser.add_argument("--slower", type=float, default=0.15, help="growth of a time that is worse, as a fraction")
    parser.add_argument("--errors", type=float, default=4.0, help="fall of a score that is worse, in standard errors")
    parser.add_argument("--against", type=Path, default=RECORDED, help="recorded measurements")
    parser.add_argument("--json", type=Path, help="output file")
    parser.add_argument("--record", type=Path, help="add what is measured to this file, and do not compare")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        print(json.dumps({name: measure(arguments.worker) for name, measure in MEASUREMENTS.items()}))
        return 0
    for task in arguments.tasks or []:
        find_task(task)
    old = _read(arguments.against, "--against") if arguments.record is None else {}
    kept = _kept(arguments.record) if arguments.record and arguments.record.exists() else {}
    new: dict[str, Any] = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine()}
    new |= {"versions": versions(), "tasks": kept}
    measured: dict[str, Any] = {}
    for task in arguments.tasks or sorted(installed_tasks()):
        new["tasks"][task] = measured[task] = measure_in_process(task)
        for file in filter(None, (arguments.json, arguments.record)):
            file.write_text(json.dumps(new, indent=1) + "\n")  # what was measured is kept
        print(f"{task}: {json.dumps(measured[task])}", file=sys.stderr, flush=True)
    rows = compare(new | {"tasks": measured}, old, arguments.slower, arguments.errors)
    print(table(rows))
    worse = [row for row in rows if row["verdict"] in ("worse", "failed")]
    print(f"{len(worse)} of {len(rows)} measurements are worse or failed.")
    return 1 if worse else 0


def _read(file: Path, option: str) -> dict[str, Any]:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{option} {file}: cannot be read ({error}). Write such a file with --record.") from error


def _kept(file: Path) -> dict[str, Any]:
    """Return the tasks that were recorded before, on the same machine.

    Raises:
        ConfigError: the file is of another machine, so that it would mix speeds of two.
    """
    old, here = _read(file, "--record"), machine()
    there = old.get("machine", {})
    differing = [f"{key}={there.get(key)}" for key in ("cpu", "cores", "gpus") if there.get(key) != here[key]]
    if differing:
        raise ConfigError(
            f"--record {file}: has measurements of another machine ({', '.join(differing)}); name a new file."
        )
    return old["tasks"]


if __name__ == "__main__":
    run_cli(main)
