"""Records of tasks: plain data that imports neither torch nor an engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Generic, TypeVar

from oige_core.config.renamed import Renamed
from oige_core.config.schema import EnvConfig

__all__ = ["InstalledTask", "TaskSpec"]

EnvConfigT = TypeVar("EnvConfigT", bound=EnvConfig)


@dataclass(frozen=True, kw_only=True)
class TaskSpec(Generic[EnvConfigT]):
    """The record of a task, which an entry point of its package names.

    Attributes:
        task: ``"module:Class"`` of the :class:`~oige_core.tasks.RLTask`.
        env: schema of the ``task.env`` section of its YAML.
        observation_shape: shape of one world's observation, or a function that computes it from ``task.env``.
        num_actions: size of one world's action.
        num_states: size of the privileged state of an asymmetric critic, 0 if there is none, or a function that
            computes it from ``task.env``.
        description: ``"module:NAME"`` of the :class:`~oige_core.description.TaskDescription`, or of a function that
            makes one from ``task.env`` and the whole :class:`~oige_core.config.RunConfig`; None: the task has none.
        warp_task: ``"module:Class"`` of the :class:`~oige_core.tasks.RLTaskWarp` that ``warp=True`` selects, if any.
        demo: overrides by dotted key that ``oige-demo`` sets; None: users cannot drive the task's robots, because it is
            not :class:`~oige_core.tasks.Steerable`.
        original_ends_early: whether episodes end one control step before ``episodeLength`` with
            ``task.env.compat=upstream``, as in the original of the task.
        images: whether observations are images: rows × columns × channels of bytes, 0 to 255, instead of floats. With
            ``task.env.compat=upstream``, the base class turns what the task returns into columns × rows × channels of
            floats, 0 to 1, as the original does.
        renamed: keys of OmniIsaacGymEnvs that have another name here, by dotted key below ``task``.
        ignored_by_original: keys that files of OmniIsaacGymEnvs contain although it does not read them, by dotted key
            below ``task``, with what applies instead. Files that contain a key of ``renamed`` cannot set them.
        unsupported: keys and sections of files of OmniIsaacGymEnvs that have no effect here, by dotted key below
            ``task``, with the reason. Files may set them, but overrides may not.
        idle_upstream: keys and sections below ``task`` that have no effect with ``task.env.compat=upstream``.
    """

    task: str
    env: type[EnvConfigT]
    observation_shape: tuple[int, ...] | Callable[[EnvConfigT], tuple[int, ...]]
    num_actions: int
    num_states: int | Callable[[EnvConfigT], int] = 0
    description: str | None = None
    warp_task: str | None = None
    demo: Mapping[str, bool | int | float | str] | None = None
    original_ends_early: bool = False
    images: bool = False
    renamed: Mapping[str, Renamed] = field(default_factory=dict)
    ignored_by_original: Mapping[str, str] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)
    idle_upstream: tuple[str, ...] = ()

    def shape_for(self, env: EnvConfigT) -> tuple[int, ...]:
        """Return the shape of one world's observation for a validated ``task.env`` section."""
        shape = self.observation_shape(env) if callable(self.observation_shape) else self.observation_shape
        if self.images and not self.has_bytes(env):
            rows, columns, channels = shape
            return columns, rows, channels
        return shape

    def states_for(self, env: EnvConfigT) -> int:
        """Return the size of the privileged state for a validated ``task.env`` section."""
        return self.num_states(env) if callable(self.num_states) else self.num_states

    def has_bytes(self, env: EnvConfigT) -> bool:
        """Whether observations are bytes for a validated ``task.env`` section."""
        return self.images and env.compat != "upstream"


@dataclass(frozen=True, kw_only=True)
class InstalledTask:
    """An entry point of a task package, not yet imported, or a task that ``register_task`` registered.

    Attributes:
        name: the value of ``task=``.
        package: distribution that provides the task; of a registered task, its module.
        cfg: folder of the package's ``task/`` and ``train/`` configuration groups.
        entry_point: names the task's :class:`TaskSpec`, or the class of a registered task.
        spec: the record of a registered task.
        file: the value of ``task=`` that registers the task, if that is a file.
    """

    name: str
    package: str
    cfg: Path
    entry_point: EntryPoint
    spec: TaskSpec | None = None
    file: str | None = None
