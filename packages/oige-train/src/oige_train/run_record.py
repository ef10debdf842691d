"""The configuration that a run was trained with, as its checkpoints keep it.

Playing and resuming compose from it: the recorded ``task`` and ``train`` sections stand in for the installed YAML
files, so that a run is played as it was trained even where those files have changed since, and the user's overrides
come on top. Interpolations are kept, so that ``num_envs=8`` still reaches everything that follows from it.
"""

import contextlib
import contextvars
import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

__all__ = ["ROOT_KEYS", "RunRecord", "active_record", "is_recorded", "recorded_files", "search_folder"]

#: Root keys that belong to a run. The others (devices, viewer, videos, W&B, …) belong to the command that is given.
ROOT_KEYS = (
    "num_envs",
    "seed",
    "max_iterations",
    "experiment",
    "torch_deterministic",
    "physics_engine",
    "solver_type",
    "warp",
)
SECTIONS = ("task", "train")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a checkpoint knows of its run.

    Attributes:
        task: name of the task.
        train: name of the training configuration.
        folder: name of the run's folder before a number was appended.
        overrides: what the user had overridden, as ``key=value``.
        config: the sections ``task`` and ``train`` and the root keys, interpolations unresolved.
    """

    task: str
    train: str
    folder: str
    overrides: tuple[str, ...]
    config: dict[str, Any]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RunRecord":
        """Return the record that a checkpoint holds as plain values.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        texts = [values[key] for key in ("task", "train", "folder")]
        overrides = tuple(values["overrides"])
        config = values["config"]
        if not all(isinstance(text, str) for text in (*texts, *overrides)) or not isinstance(config, dict):
            raise TypeError("its run is described by values of the wrong type")
        if not all(isinstance(config[section], dict) for section in SECTIONS):
            raise TypeError("its run has sections without keys")
        return cls(task=texts[0], train=texts[1], folder=texts[2], overrides=overrides, config=config)

    @classmethod
    def of(
        cls, cfg: DictConfig, *, task: str, train: str, folder: str, seed: int, overrides: Iterable[str]
    ) -> "RunRecord":
        """Return the record of a run that is about to start.

        Args:
            cfg: root of the composed configuration.
            task: name of the task.
            train: name of the training configuration.
            folder: name of the run's folder before a number was appended.
            seed: the seed, which was drawn where the configuration says -1.
            overrides: what the user has overridden, as ``key=value``; of the same key, the last one holds.
        """
        plain = OmegaConf.to_container(cfg, resolve=False)
        assert isinstance(plain, dict)
        config = {key: plain[key] for key in (*ROOT_KEYS, *SECTIONS)} | {"seed": seed}
        latest = {override.partition("=")[0]: override for override in overrides}
        return cls(task=task, train=train, folder=folder, overrides=tuple(latest.values()), config=config)


def is_recorded(key: str) -> bool:
    """Whether a dotted key belongs to a run, and not to the command that trains or plays it."""
    return key in ROOT_KEYS or key.partition(".")[0] in SECTIONS


_active: contextvars.ContextVar[tuple[RunRecord, Path] | None] = contextvars.ContextVar("_active", default=None)


def active_record() -> RunRecord | None:
    """Return the record that the present composition starts from."""
    active = _active.get()
    return None if active is None else active[0]


def search_folder() -> Path | None:
    """Return the folder whose files come before the installed ones in the present composition."""
    active = _active.get()
    return None if active is None else active[1]


@contextlib.contextmanager
def recorded_files(record: RunRecord | None, base: Path, *, train: bool) -> Iterator[None]:
    """Let Hydra find, until the block ends, the configuration of a run before the installed files.

    Args:
        record: of the run; with None nothing happens.
        base: the installed ``config.yaml``.
        train: whether the ``train`` section is that of the run, too; False where the user chose another one.
    """
    if record is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="oige-") as name:
        folder = Path(name)
        root = OmegaConf.load(base)
        assert isinstance(root, DictConfig)
        for key in ROOT_KEYS:
            root[key] = record.config[key]
        choices = {"task": record.task, "train": record.train}
        for entry in root.defaults:
            if isinstance(entry, DictConfig):
                entry.update({key: value for key, value in choices.items() if key in entry})
        OmegaConf.save(root, folder / "config.yaml")
        for section in SECTIONS if train else SECTIONS[:1]:
            (folder / section).mkdir()
            OmegaConf.save(OmegaConf.create(record.config[section]), folder / section / f"{choices[section]}.yaml")
        token = _active.set((record, folder))
        try:
            yield
        finally:
            _active.reset(token)
