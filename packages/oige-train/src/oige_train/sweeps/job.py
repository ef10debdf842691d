"""One job of a sweep: a training in a process of its own, whatever launches it."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from oige_core.errors import ConfigError, OigeError
from omegaconf import DictConfig

from oige_train.runs.run_summary import read_run
from oige_train.runs.summaries import read_summaries

__all__ = ["OBJECTIVES", "JobResult", "LaunchedJob", "check_objective", "objective_of"]

OBJECTIVES = ("reward", "reward_best", "success", "success_best", "speed")
SPEC, RESULT, LOG = "job_{}.spec.json", "job_{}.json", "job_{}.log"


@dataclasses.dataclass(frozen=True)
class JobResult:
    """What became of a job.

    Attributes:
        number: number of the job in its sweep.
        overrides: Hydra's overrides of the job that vary.
        code: exit code of its process.
        folder: folder of the run; None if there is none.
        objective: the value to optimise; None if the job failed.
        error: why it failed; empty otherwise.
    """

    number: int
    overrides: list[str]
    code: int
    folder: str | None
    objective: float | None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class LaunchedJob:
    """What Hydra's launchers call, in processes of theirs and perhaps on other machines.

    Attributes:
        folder: folder of the sweep, which all machines see.
        directory: where the sweep was started.
        keys: keys that vary.
        arguments: further arguments of each job: options, folders of YAML files, threads.
        task_files: Python files that register tasks.
        objective: name of the value to optimise.
    """

    folder: str
    directory: str
    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    task_files: tuple[str, ...]
    objective: str

    def __call__(self, cfg: DictConfig) -> float | None:
        """Train in a new process, write its result to the folder of the sweep, and return the value to optimise.

        Args:
            cfg: the configuration that Hydra composed; it is composed again in the process.
        """
        hydra = HydraConfig.get()
        number = int(hydra.job.num)
        overrides = list(hydra.overrides.task)
        folder = Path(self.folder)
        spec = {
            "overrides": [*overrides, *self.arguments],
            "keys": self.keys,
            "task_files": self.task_files,
            "folder_file": str(folder / RESULT.format(number)),
        }
        file, log = folder / SPEC.format(number), folder / LOG.format(number)
        file.write_text(json.dumps(spec), "utf-8")
        with log.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "oige_train.sweeps.launched", str(file)],
                cwd=self.directory,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
            try:
                code = process.wait()
            except KeyboardInterrupt:  # the process got it, too, and saves a checkpoint
                process.wait()
                raise
        result = self._result(number, overrides, code, folder, log)
        (folder / RESULT.format(number)).write_text(json.dumps(dataclasses.asdict(result), indent=1) + "\n", "utf-8")
        outcome = result.error if result.objective is None else f"{self.objective} {result.objective:.6g}"
        print(f"job {number}: {' '.join(result.overrides)}: {outcome}", file=sys.stderr, flush=True)
        return result.objective

    def _result(self, number: int, overrides: list[str], code: int, folder: Path, log: Path) -> JobResult:
        varying = [text.lstrip("+") for text in overrides if text.partition("=")[0].lstrip("+") in self.keys]
        written = folder / RESULT.format(number)
        run = json.loads(written.read_text("utf-8"))["folder"] if written.is_file() else None
        result = JobResult(number, varying, code, run, None)
        if code:
            return dataclasses.replace(result, error=_last_error(log, code))
        try:
            value = objective_of(Path(self.directory) / str(run), self.objective)
        except OigeError as error:
            return dataclasses.replace(result, error=str(error))
        return dataclasses.replace(result, objective=value)


def check_objective(objective: str) -> None:
    """Raise ConfigError unless a text may name a value of a run."""
    if objective not in OBJECTIVES and "/" not in objective:
        raise ConfigError(
            f"objective={objective}: expected {', '.join(OBJECTIVES)}, or a name in TensorBoard such as rewards/step."
        )


def objective_of(folder: Path, objective: str) -> float:
    """Return a value of a finished run.

    Args:
        folder: folder of the run.
        objective: one of :data:`OBJECTIVES`, or the name of a summary, whose last value is taken.

    Raises:
        OigeError: the run has no such value.
    """
    if objective in OBJECTIVES:
        value = getattr(read_run(folder, folder.name), objective)
    else:
        points = read_summaries(folder / "summaries", [objective]).scalars.get(objective)
        value = points[-1].value if points else None
    if value is None:
        raise OigeError(f"{folder.name}: has no value of objective={objective}; train longer, or choose another one.")
    return float(value)


def _last_error(log: Path, code: int) -> str:
    """Return the last error in the output of a process, or its last line."""
    lines = [line for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    text = errors[-1] if errors else lines[-1] if lines else "no output"
    ended = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    return f"{text} ({ended}; {log})"
