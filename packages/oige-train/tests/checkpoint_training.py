"""A training that writes checkpoints whose policies return constant actions, and an environment that notes them."""

import dataclasses
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from fake_env import FakeEnv, make_agent
from oige_train.config import Run
from oige_train.stopping import RunStoppedError


class Watched(FakeEnv):
    """Notes actions and resets; at some steps, counted over all episodes, something happens."""

    def __init__(self, happenings: Mapping[int, Callable[[], object]], last: int) -> None:
        # Episodes of 30 steps, each of which pays 1.
        super().__init__(2, endings=dict.fromkeys(range(30, last + 1, 30), "terminated"))
        self.happenings, self.last = happenings, last
        self.played: list[float] = []
        self.resets: list[int] = []

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, ...]:
        self.resets.append(len(self.played))
        return super().reset(seed, options)

    def step(self, actions: torch.Tensor) -> Any:
        if len(self.played) == self.last:
            raise RunStoppedError
        self.happenings.get(len(self.played), lambda: None)()
        self.played.append(actions[0, 0].item())
        return super().step(actions)


class Training:
    """A training in the background, whose policy returns a constant action."""

    def __init__(self, folder: Path) -> None:
        self.agent = make_agent(FakeEnv(2), folder)
        self.agent.init_tensors()
        self.agent.obs = self.agent.env_reset()
        self.written = 0

    def write(self, action: float, name: str = "last_run_ep_1_rew_1.00") -> Path:
        """Write a checkpoint that is newer than those before."""
        network = self.agent.model.a2c_network
        with torch.no_grad():
            network.mu.weight.zero_()
            network.mu.bias.fill_(action)
        self.agent.session.saved.clear()
        self.agent.save(f"{self.agent.nn_dir}/last")
        assert self.agent.session.last is not None
        file = self.agent.session.last.replace(Path(self.agent.nn_dir) / f"{name}.pth")
        self.touch(file)
        return file

    def touch(self, file: Path) -> None:
        self.written += 1
        os.utime(file, (self.written, self.written))

    def run(self, checkpoint: Path) -> Run:
        run = dataclasses.replace(self.agent.session.run, checkpoint=checkpoint)
        return dataclasses.replace(run, config=dataclasses.replace(run.config, evaluation=True, test=True))


def described(file: Path, **changes: Any) -> Path:
    """Change the description of a checkpoint and leave its tensors."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in entries if name.endswith("/oige.json"))
    entries[name] = json.dumps(json.loads(entries[name]) | changes).encode()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for each, content in entries.items():
            archive.writestr(each, content)
    return file
