"""A member of a population, as Ray Tune's trainable."""

import json
import math
import os
from pathlib import Path
from typing import Any

from oige_core.errors import ConfigError, OigeError
from ray import tune  # pyright: ignore[reportMissingImports]

from oige_train.pbt.kept import keep, start_of_copy
from oige_train.pbt.plan import Plan

__all__ = ["Member"]

STATE_FILE = "member.json"


class Member(tune.Trainable):
    """Trains for one interval of epochs per step, each from the checkpoint of the one before.

    Ray Tune lets a member continue from the checkpoint of a better one by restoring what that one has saved. The copy
    has the seed of the other one, too, so that episodes continue: of new ones, only the shortest would have ended after
    an interval, and the reward of the copy would be too low.
    """

    def setup(self, config: dict[str, Any], plan: Plan | None = None) -> None:
        """Start without a checkpoint; Ray Tune calls this once, with the first settings."""
        assert plan is not None
        self.plan = plan
        os.chdir(plan.directory)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Become a member that has not trained yet; Ray Tune then restores its state, if it has any."""
        self.values = new_config
        self.number = int(self.trial_id.rpartition("_")[2])
        self.file: str | None = None
        self.files: dict[str, str | None] = {}  # by the number of intervals
        self.owner = self.number
        self.seed = self.plan.seed + self.number
        return True

    def step(self) -> dict[str, Any]:
        """Train for one interval, and return the mean episode reward at its end; −∞ if there is none.

        A member that has diverged, or whose settings are wrong together, and was not replaced trains again from its
        last checkpoint, until the epoch of the others.
        """
        from oige_train.checkpoint import read_info
        from oige_train.learner.divergence import DivergedError
        from oige_train.runs.run_summary import read_run
        from oige_train.sweeps.execution import train_once

        arguments = self.plan.arguments_of(self.number, self.seed, self.values)
        copied = self.owner if self.owner != self.number else None
        if self.file is not None:
            start = self.file if copied is None else start_of_copy(Path(self.file))
            arguments.append(f"checkpoint={start}")
        last = (self.iteration + 1) * self.plan.interval
        texts = {setting.key: setting.decode(self.values[setting.key]) for setting in self.plan.settings}
        row = {"member": self.number, "copied_from": copied, "epoch": last, "settings": texts}
        try:
            folder, _ = train_once([*arguments, f"max_iterations={last}"])
        except (DivergedError, ConfigError) as error:  # also settings that are wrong together
            return {**row, "reward": -math.inf, "folder": None, "problem": str(error), "file": self.file}
        files = [*folder.glob(f"nn/last_*_ep_{last}_rew_*.pth")]
        summary = read_run(folder, folder.name)
        reward = -math.inf if summary.reward is None else summary.reward
        if not files and summary.ended_early is None:
            raise OigeError(f"{folder}: training ended without a checkpoint of epoch {last}.")
        if not files:  # the goal of the run was reached
            files = sorted(folder.glob("nn/last_*.pth"), key=lambda file: file.stat().st_mtime)[-1:]
            info = read_info(files[0], str(files[0]))
            row |= {"goal": True, "done": True, "epoch": last if info is None else info.epoch}
        if reward == -math.inf:
            row["problem"] = "no episode has ended"
        keep(files[0])
        self.file, self.owner = str(files[0]), self.number
        return {**row, "reward": reward, "folder": str(folder), "file": self.file, "steps": summary.steps}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write where the checkpoints of this member are.

        Of all intervals: if Ray Tune saves a member twice after one, it overwrites the second folder after the next
        one, even if a copy still has to be made from it.
        """
        self.files[str(self.iteration)] = self.file
        state = {"files": self.files, "owner": self.owner, "seed": self.seed}
        (Path(checkpoint_dir) / STATE_FILE).write_text(json.dumps(state), "utf-8")

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Continue from the checkpoint that this member or a better one has saved, in a folder."""
        state = json.loads((Path(checkpoint) / STATE_FILE).read_text("utf-8"))
        self.files, self.owner, self.seed = state["files"], state["owner"], state["seed"]
        self.file = self.files[str(self.iteration)]
