"""Steps tasks of public forks of OmniIsaacGymEnvs with random actions through oige-compat.

    uv run python tools/compat_forks.py FOLDER [NAME …] [--steps N] [--num-envs N] [--clone]

FOLDER contains the checkouts, one per fork of :data:`FORKS` under its name; ``--clone`` fetches those that are missing.
Each fork's own training script runs without changes in a process of its own; instead of training, the learner takes
uniform random actions. ``FOLDER/results.json`` gets a row per fork: the number of steps, whether all observations and
rewards were finite, and the messages of oige-compat. ``FOLDER/NAME.log`` contains the output.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FORKS", "Fork"]

SCRIPT = "omniisaacgymenvs/scripts/rlgames_train.py"


@dataclass(frozen=True)
class Fork:
    """A fork and one of its own tasks.

    Attributes:
        repository: ``owner/name`` on GitHub.
        task: name of the task.
        folder: the folder in the checkout in which the fork's documentation runs the script.
        script: the script, relative to the checkout.
        overrides: further arguments of the script.
        assets: files of the checkout by the ends of the paths for which they stand (``oige-compat run --asset``).
        paths: folders of the checkout that the fork's modules expect on ``sys.path``.
        num_envs: number of worlds that its code takes for granted.
    """

    repository: str
    task: str
    folder: str = "omniisaacgymenvs"
    script: str = SCRIPT
    overrides: tuple[str, ...] = ()
    assets: dict[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    num_envs: int | None = None


FORKS: dict[str, Fork] = {
    "Cassie": Fork("cwjwudi/OmniIsaacGymEnvs-Cassie", "Cassie"),
    "RANS": Fork("elharirymatteo/RANS", "MFP2D/GoToPose", overrides=("train=RANS/PPOmulti_discrete_MLP",)),
    "RANS-ASV": Fork("elharirymatteo/RANS", "ASV/GoToPose", overrides=("train=RANS/PPOcontinuous_MLP",)),
    "USV": Fork(
        "loop-Z/omniisaacgymenvs_loop",
        "USV/IROS2024/USV_Virtual_CaptureXY_SysID-TEST",
        script="omniisaacgymenvs/scripts/random_policy.py",
        overrides=("+train=USV/USV_PPOcontinuous_MLP",),
    ),
    "Barn": Fork("Skythinker616/BarnOIGE", "Barn"),
    "Car": Fork("tim-w97/SelfDrivingCar", "Car", folder=".", num_envs=512),
    "Plastic": Fork(
        "worasuch/BioInspiredPlasticNeuralNets",
        "Slalom",
        overrides=("+terrain.type=flat", "+randomization.forces=[0.0,0.0]"),
        assets={"slalom_fixedbody_16dof_v2_0.usd": "omniisaacgymenvs/robots/models/slalom_fixedbody_16dof.usd"},
    ),
    "Plastic-Ant": Fork(
        "worasuch/BioInspiredPlasticNeuralNets",
        "Ant_test",
        overrides=("+terrain.type=flat", "+randomization.forces=[0.0,0.0]"),
    ),
    "ADebor": Fork("ADebor/OmniIsaacGymEnvs", "GlobalBenchmark"),
    "Pizzaro": Fork("abhijaysingh/pizzaro", "UR10Assembler"),
    "jcoll44": Fork("jcoll44/OmniIsaacGymEnvs", "Jackal", overrides=("task.env.renderImages=False",)),
    "kihyeonjoo": Fork("kihyeonjoo/OmniIsaacGymEnvsAfftv", "FrankaPickandPlace", paths=("omniisaacgymenvs",)),
    "v-xchen-v": Fork("v-xchen-v/Luca_OmniIsaacGymEnvs", "FrankaFollowTarget"),
    "Warthog": Fork("kim4375731/OmniIsaacGymEnvs", "Warthog"),
    "Virlus": Fork("Virlus/OmniIsaacGymEnvs", "AliengoTerrain"),
    "mingj1125": Fork("mingj1125/OmniIsaacGymEnvs", "MovingOnTheTab"),
    "tolomeis": Fork("tolomeis/OmniIsaacGymEnvs", "FactoryCube"),
    "Vishaal": Fork("Vishaal-Kanna/OmniIsaacGymEnvs", "Franka"),
    "AlanSunHR": Fork("AlanSunHR/OmniIsaacGymEnvs", "TestModule"),
}
"""Forks by the names of their checkouts."""


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *FORKS], metavar="NAME")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--timeout", type=float, default=900.0, metavar="S")
    parser.add_argument("--clone", action="store_true")
    options = parser.parse_args()
    output = options.folder / "results.json"
    for name in options.names or FORKS:
        checkout = options.folder / name
        if options.clone and not checkout.exists():
            url = f"https://github.com/{FORKS[name].repository}"
            subprocess.run(["git", "clone", "--quiet", url, str(checkout)], check=True)
        if not checkout.is_dir():
            print(f"{name:12s} no checkout")
            continue
        row = examine(name, options.folder.resolve(), options.steps, options.num_envs, options.timeout)
        rows: dict[str, Any] = json.loads(output.read_text()) if output.is_file() else {}
        output.write_text(json.dumps({**rows, name: row}, indent=1) + "\n", encoding="utf-8")
        print(
            f"{name:12s} {row['task']:20s} {row['steps']:5d} steps, finite: {row['finite']}  {row['error']}", flush=True
        )


def examine(name: str, root: Path, steps: int, num_envs: int, timeout: float) -> dict[str, Any]:
    """Step a task of a fork in another process and return its row."""
    fork, checkout = FORKS[name], (root / name).resolve()
    num_envs = fork.num_envs or num_envs
    commit = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, __file__, "--trial", str(steps), str(result)]
        for end, file in fork.assets.items():
            command += ["--asset", f"{end}={checkout / file}"]
        command += [str(checkout / fork.script), f"task={fork.task}", f"num_envs={num_envs}", "seed=42"]
        paths = [*(str(checkout / path) for path in fork.paths), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "WANDB_MODE": "disabled",
            "HYDRA_FULL_ERROR": "1",
        }
        command += fork.overrides
        log = root / f"{name}.log"
        with log.open("w", encoding="utf-8") as stream:
            try:
                done = subprocess.run(
                    command, cwd=checkout / fork.folder, stdout=stream, stderr=stream, timeout=timeout, env=environment
                )
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = 124
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        found = json.loads(result.read_text()) if result.is_file() else {"steps": 0, "finite": False}
    notes = [line for line in lines if line.startswith("oige-compat: ")]
    error = "" if code == 0 else next((line for line in reversed(lines) if line.strip()), "")
    row = {"repository": fork.repository, "commit": commit.stdout.strip()[:7], "task": fork.task, "num_envs": num_envs}
    return {**row, **found, "exit_code": code, "error": error, "notes": notes}


def trial(steps: int, output: Path, arguments: list[str]) -> int:
    """Run a training script whose learner takes random actions, and write how far it came."""
    import torch
    from oige_compat.gym_interface import VecEnvBase
    from oige_compat.kit import SimulationApp
    from oige_compat.run import run
    from oige_train.cli.common import run_cli
    from rl_games.common import env_configurations
    from rl_games.torch_runner import Runner

    found: dict[str, Any] = {"steps": 0, "finite": True, "rewards": [0.0, 0.0]}

    def tensors_of(values: Any) -> list[torch.Tensor]:
        if isinstance(values, dict):
            return [tensor for value in values.values() for tensor in tensors_of(value)]
        return [values] if torch.is_tensor(values) else []

    def record(rewards: torch.Tensor, observations: Any) -> None:
        tensors = [rewards, *tensors_of(observations)]
        found["finite"] &= all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
        least, largest = found["rewards"]
        found["rewards"] = [min(least, float(rewards.min())), max(largest, float(rewards.max()))]
        found["steps"] += 1
        output.write_text(json.dumps(found), encoding="utf-8")

    def draw(space: Any, worlds: int, generator: torch.Generator) -> torch.Tensor:
        """Return uniform actions: numbers from -1 to 1, or choices as integers."""
        if hasattr(space, "spaces"):
            return torch.stack([draw(each, worlds, generator) for each in space.spaces], dim=1)
        if hasattr(space, "n"):
            return torch.randint(int(space.n), (worlds,), generator=generator)
        return 2.0 * torch.rand(worlds, space.shape[0], generator=generator) - 1.0

    def act(self: Any, args: Any) -> None:
        """Step the environment that the training script has registered."""
        env = env_configurations.configurations["rlgpu"]["env_creator"]()
        generator = torch.Generator().manual_seed(0)
        env.reset()
        for _ in range(steps):
            observations, rewards, *_ = env.step(draw(env.action_space, env.num_envs, generator))
            record(rewards, observations)
        env.close()

    def is_running(self: Any) -> bool:
        """Record what the script's own random policy has done since the last call."""
        task = environments[-1]._task
        if task is not None and environments[-1].sim_frame_count > found["steps"]:
            record(task.rew_buf, task.obs_buf)
        return found["steps"] < steps

    def set_task(self: Any, *arguments: Any, **named: Any) -> None:
        environments.append(self)
        original(self, *arguments, **named)

    environments: list[VecEnvBase] = []
    original, VecEnvBase.set_task = VecEnvBase.set_task, set_task
    SimulationApp.is_running = is_running
    Runner.run = act
    sys.argv = [sys.argv[0]]
    run_cli(lambda _: run(arguments), "")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--trial"]:
        trial(int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
    else:
        main()
