"""The configuration of a run, as its checkpoints store it.

Playing and resuming start from it: the recorded ``task`` and ``train`` sections replace the installed YAML files, so
that changes of those files do not affect the run, and the user's overrides are applied to them. Interpolations are
stored unresolved, so that ``num_envs=8`` still reaches every value that depends on it.
"""

import contextlib
import contextvars
import dataclasses
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

__all__ = ["ROOT_KEYS", "RunRecord", "active_record", "is_recorded", "recorded_files", "search_folder"]

#: Root keys that belong to a run. The others (devices, viewer, videos, W&B, …) belong to a command.
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
    """The description of a run in its checkpoints.

    Attributes:
        task: name of the task.
        train: name of the training configuration.
        folder: name of the run's folder before a number was appended.
        overrides: the user's overrides, as ``key=value``.
        config: the sections ``task`` and ``train`` and the root keys, interpolations unresolved.
    """

    task: str
    train: str
    folder: str
    overrides: tuple[str, ...]
    config: dict[str, Any]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RunRecord":
        """Return the record from the plain values in a checkpoint.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        texts = [values[key] for key in ("task", "train", "folder")]
        overrides = tuple(values["overrides"])
        config = values["config"]
        if not all(isinstance(text, str) for text in (*texts, *overrides)) or not isinstance(config, dict):
            raise TypeError("values that describe its run have the wrong type")
        if any(re.search(r"[/\\\0]|^\.", name) for name in texts[:2]):  # files get these names
            raise ValueError("its task or training configuration has a name that no file may have")
        if not all(isinstance(config[section], dict) for section in SECTIONS):
            raise TypeError("a section of its run is not a mapping")
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
            seed: the seed, which was drawn if the configuration has -1.
            overrides: the user's overrides, as ``key=value``; the last one of a key counts.
        """
        plain = OmegaConf.to_container(cfg, resolve=False)
        assert isinstance(plain, dict)
        config = {key: plain[key] for key in (*ROOT_KEYS, *SECTIONS)} | {"seed": seed}
        latest = {override.partition("=")[0]: override for override in overrides}
        return cls(task=task, train=train, folder=folder, overrides=tuple(latest.values()), config=config)


def is_recorded(key: str) -> bool:
    """Whether a dotted key belongs to a run rather than to a command."""
    return key in ROOT_KEYS or key.partition(".")[0] in SECTIONS


_active: contextvars.ContextVar[tuple[RunRecord, Path] | None] = contextvars.ContextVar("_active", default=None)


def active_record() -> RunRecord | None:
    """Return the record that the current composition starts from."""
    active = _active.get()
    return None if active is None else active[0]


def search_folder() -> Path | None:
    """Return the folder whose files precede the installed ones in the current composition."""
    active = _active.get()
    return None if active is None else active[1]


@contextlib.contextmanager
def recorded_files(record: RunRecord | None, base: Path, *, train: bool) -> Iterator[None]:
    """Write a run's configuration to a folder that precedes the installed files until the block ends.

    Args:
        record: record of the run; None: nothing happens.
        base: the installed root file.
        train: also use the run's ``train`` section; False if the user chose another one.
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
        OmegaConf.save(root, folder / base.name)
        for section in SECTIONS if train else SECTIONS[:1]:
            (folder / section).mkdir()
            OmegaConf.save(OmegaConf.create(record.config[section]), folder / section / f"{choices[section]}.yaml")
        token = _active.set((record, folder))
        try:
            yield
        finally:
            _active.reset(token)
