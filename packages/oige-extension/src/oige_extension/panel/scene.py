"""The scene that the panel has loaded: an environment, its view, and what it was made of."""

import contextlib
import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

from oige_core import VecEnv, make_env
from oige_core.config import RunConfig

from oige_extension.panel.host import PanelHost

if TYPE_CHECKING:
    from oige_core.render.viewer import Viewer
    from oige_train.config import Run

__all__ = ["LoadedScene", "open_scene"]

#: Root keys that may differ between two runs in the same scene.
OF_RUN = ("headless", "test", "torch_deterministic", "debug", "num_envs", "task_name")


class LoadedScene:
    """A loaded environment.

    Args:
        run: the checked run that it was made for.
        env: the environment.
        viewer: its viewer, if any.
        host: shows it.
    """

    def __init__(self, run: "Run", env: VecEnv, viewer: "Viewer | None", host: PanelHost) -> None:
        self.env = env
        self.viewer = viewer
        self._host = host
        self._made_of = _settings(run)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the learner repeats them when it saves
            self._initial = env.state_dict()

    def fits(self, run: "Run") -> bool:
        """Whether another run can use the scene: only whether and how it learns may differ."""
        return _settings(run) == self._made_of

    def restore(self) -> None:
        """Restore the initial state, so that a run in a used scene is the same as in a new one."""
        self.env.load_state_dict(self._initial)

    def close(self) -> None:
        """Stop showing the worlds and close them."""
        self._host.hide()
        self.env.close()


def open_scene(run: "Run", host: PanelHost) -> LoadedScene:
    """Make the environment of a run and show it.

    Args:
        run: the checked run.
        host: shows it.

    Raises:
        OigeError: the engine, the device or a scene element is not available.
    """
    with contextlib.ExitStack() as stack:
        env = make_env(run.config)
        stack.callback(env.close)
        viewer = host.show(env)
        stack.callback(host.hide)
        scene = LoadedScene(run, env, viewer, host)
        stack.pop_all()
    return scene


def _settings(run: "Run") -> dict[str, Any]:
    """Return the values that a scene depends on."""
    values = dataclasses.asdict(run.config)
    return {field.name: values[field.name] for field in dataclasses.fields(RunConfig) if field.name not in OF_RUN}
