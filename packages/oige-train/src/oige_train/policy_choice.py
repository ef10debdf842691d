"""The policy that the viewer's page shows: users replace it with another checkpoint while it is played."""

import contextlib
import html
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from oige_train.checkpoint import CheckpointError, CheckpointInfo, check_checkpoint, read_info
from oige_train.config import Run
from oige_train.export.exported import ExportedPolicy
from oige_train.play_result import PlayResult
from oige_train.policy import FlashSacPolicy, Policy, load_weights
from oige_train.pretrained import PRETRAINED, policy_files

if TYPE_CHECKING:
    import viser
    from oige_core.render.viewer import Viewer

__all__ = ["PolicyChoice", "offer_policies"]

_log = logging.getLogger(__name__)

LOOK_TIME = 2.0  # s; between two looks into the folder


class PolicyChoice:
    """A drop-down list on the viewer's page with the checkpoints beside the one that is played, the best first.

    The list also has the policy that came with the task. Files that a training writes meanwhile appear in it. A file
    that is broken or does not fit gives a line on the page, and the old policy is played on.

    Args:
        run: the checked run, whose checkpoint the policy has.
        policy: the policy.
        viewer: the viewer of the environment.
        clock: returns the time in seconds.

    Attributes:
        playing: the file of the policy.
        text: what the page says about it.
    """

    def __init__(
        self, run: Run, policy: Policy | FlashSacPolicy, viewer: "Viewer", clock: Callable[[], float] = time.monotonic
    ) -> None:
        assert run.checkpoint is not None
        self._run, self._policy, self._clock = run, policy, clock
        self._shipped = policy_files(run.task)[0]
        self._folder = run.checkpoint.parent
        self._known: dict[Path, tuple[int, CheckpointInfo | None]] = {}  # with the time at which it was written
        self._wanted: str | None = None
        self._next_look = 0.0
        self.playing = run.checkpoint
        self._playing_label = ""
        self._files: dict[str, Path] = {}
        gui = viewer.server.gui
        self._in_panel = viewer.folder("Policy", first=True)
        with self._in_panel:
            self._list: viser.GuiDropdownHandle[str] = gui.add_dropdown("Checkpoint", [""])
            self._line = gui.add_html("")
        self._list.on_update(self._selected)
        self.show_playing(run.checkpoint)

    def show_playing(self, file: Path) -> None:
        """Show which file is played."""
        self.playing = file
        self._look()
        info = self._info(file)
        self._playing_label = self._label(file)
        self._show_list()
        trained = "" if info is None else f", trained for {info.epoch:,} epochs"
        reward = (
            "" if info is None or info.mean_reward is None else f", mean reward {info.mean_reward:,.2f} in training"
        )
        self._say(f"playing {self._name(file)}{trained}{reward}")

    def close(self) -> None:
        """Remove the list from the page."""
        self._in_panel.remove()

    def update(self, result: Callable[[], PlayResult] | None = None) -> bool:
        """Load the file that a user has selected; return whether it has replaced the policy.

        The stepping thread calls this between steps. Every two seconds it also looks for new files.

        Args:
            result: returns the result of the policy so far, which is logged before it is replaced.
        """
        wanted, self._wanted = self._wanted, None
        if wanted is not None and wanted != self._playing_label and wanted in self._files:
            return self._load(self._files[wanted], result)
        if self._clock() >= self._next_look:
            self._look()
            self._show_list()
        return False

    def _load(self, file: Path, result: Callable[[], PlayResult] | None) -> bool:
        config = self._run.config
        algo = config.train.params.algo.name
        try:
            check_checkpoint(str(file), task=config.task.name, algo=algo, spec=self._run.spec, env=config.task.env)
            load_weights(self._policy, file, config.rl_device)
        except CheckpointError as error:
            self._show_list()
            self._say(f"{error} {self._name(self.playing)} is played on.", failed=True)
            return False
        if result is not None:
            _log.info(f"{self.playing}: {result().text()}")
        _log.info(f"playing {file}")
        self._policy.reset_hidden_state(torch.ones(config.task.env.numEnvs, dtype=torch.bool, device=config.rl_device))
        self.show_playing(file)
        return True

    def _selected(self, event: "viser.GuiEvent") -> None:
        """Note what a user has selected; the program's own changes of the list have no client."""
        if event.client_id is None:
            return
        label = self._list.value
        self._wanted = None if label == self._playing_label else label
        if self._wanted is not None:
            self._say(f"{label} is loaded before the next step")

    def _look(self) -> None:
        """List the files, those of the highest mean reward first."""
        self._next_look = self._clock() + LOOK_TIME
        beside = [] if self._folder == self._shipped.parent else list(self._folder.glob("*.pth"))
        infos = {file: self._info(file) for file in beside}

        def rank(file: Path) -> tuple[bool, float, str]:
            info = infos[file]
            reward = None if info is None else info.mean_reward
            return reward is None, -(reward or 0.0), file.name

        files = sorted(beside, key=rank)
        if self._shipped.is_file():
            files.append(self._shipped)
        self._files = {self._label(file): file for file in files}

    def _info(self, file: Path) -> CheckpointInfo | None:
        """Return the info of a file, which is read once; None if it has none or is broken."""
        try:
            written = file.stat().st_mtime_ns
            if self._known.get(file, (0, None))[0] != written:
                self._known[file] = written, read_info(file, str(file))
        except (OSError, CheckpointError):
            return None
        return self._known[file][1]

    def _name(self, file: Path) -> str:
        return PRETRAINED if file == self._shipped else file.name

    def _label(self, file: Path) -> str:
        """Return the text of a file in the list, which is another one once the file is written again."""
        info, name = self._info(file), self._name(file)
        return name if info is None else f"{name} · epoch {info.epoch:,}"

    def _show_list(self) -> None:
        labels = list(self._files)
        if self._playing_label not in labels:  # the file was written again, or is gone
            labels.insert(0, self._playing_label)
        if tuple(labels) != self._list.options:
            self._list.options = labels
        if self._list.value != self._playing_label and self._wanted is None:
            self._list.value = self._playing_label

    def _say(self, text: str, *, failed: bool = False) -> None:
        self.text = text
        color = "#dc2626" if failed else "inherit"
        self._line.content = (
            f'<div style="font-size:0.85em;padding:0 0.8em;overflow-wrap:anywhere;color:{color}">'
            f"{html.escape(text)}</div>"
        )


@contextlib.contextmanager
def offer_policies(
    run: Run, policy: Policy | FlashSacPolicy | ExportedPolicy, viewer: "Viewer | None"
) -> Iterator[PolicyChoice | None]:
    """Let users of the viewer's page replace a policy until the block ends.

    None without a viewer, and for an exported policy, which cannot be replaced.

    Args:
        run: the checked run, whose checkpoint the policy has.
        policy: the policy.
        viewer: the viewer of the environment, if any.
    """
    if viewer is None or isinstance(policy, ExportedPolicy):
        yield None
        return
    choice = PolicyChoice(run, policy, viewer)
    try:
        yield choice
    finally:
        choice.close()
