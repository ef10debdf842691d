"""Complete the user's own YAML files, and say which of their keys have no effect here."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from oige_core.config import CORE_CFG
from oige_core.config.defaults import compose_file
from oige_core.config.fields import EngineName, brief_keys, keys_without_effect
from oige_core.config.renamed import remove_key, rename_keys
from oige_core.registry import config_folders
from oige_core.spec import InstalledTask, TaskSpec
from omegaconf import DictConfig, OmegaConf

from oige_train.config.user_files import MAIN_FILE, UserFiles
from oige_train.run_record import RunRecord
from oige_train.schema import TrainRunConfig

__all__ = ["complete", "note_on_upstream", "notes_on_files"]

ENGINE = "task.physics_engine"


def complete(
    cfg: DictConfig,
    task: InstalledTask,
    spec: TaskSpec,
    *,
    overridden: Collection[str],
    written: Collection[str],
) -> tuple[DictConfig, list[str]]:
    """Return a configuration with the keys of this project, and all that its task has.

    Args:
        cfg: root of the configuration that Hydra composed, which is changed.
        task: its task.
        spec: record of the task.
        overridden: dotted keys that the user overrides.
        written: dotted keys that the user's own files set; empty: there is no such file of the task.

    Returns:
        The configuration, and notes for the user on converted values.

    Raises:
        ConfigError: a value cannot be converted, or a key is set twice.
    """
    notes, base = [], None
    if any(key.startswith("task.") for key in written):
        base = compose_file([CORE_CFG, *config_folders()], f"task/{task.name}", package="task")
        notes += _drop_ignored(cfg, spec, overridden, written) + _drop_unsupported(cfg, spec, overridden, written)
    cfg, converted = rename_keys(cfg, spec.renamed, base=base, overridden=overridden, written=written)
    if base is not None:
        OmegaConf.update(cfg, "task.name", task.name)
    if OmegaConf.select(cfg, ENGINE) == "physx" and ENGINE in written:
        notes.append(f"{ENGINE}=physx: has no effect; this version simulates with MuJoCo.")
    return cfg, notes + [f"{key}: read as {setting}." for key, setting in converted.items()]


def _drop_ignored(cfg: DictConfig, spec: TaskSpec, overridden: Collection[str], written: Collection[str]) -> list[str]:
    """Remove keys that the task of OmniIsaacGymEnvs does not read from its files; return notes that say so."""
    if not any(_sets(f"task.{old}", written) for old in spec.renamed):
        return []
    upstream = OmegaConf.select(cfg, "task.env.compat") in ("upstream", "oige")
    dropped: dict[str, list[str]] = {}
    for key, instead in spec.ignored_by_original.items():
        full = f"task.{key}"
        if full in written and full not in overridden:
            remove_key(cfg, full)
            if not (upstream and key in spec.idle_upstream):  # the note on them is that of note_on_upstream
                dropped.setdefault(instead, []).append(full)
    return [f"{brief_keys(keys)}: ignored, as OmniIsaacGymEnvs does; {instead}." for instead, keys in dropped.items()]


def _drop_unsupported(
    cfg: DictConfig, spec: TaskSpec, overridden: Collection[str], written: Collection[str]
) -> list[str]:
    """Remove keys and sections of files that have no effect here; return notes that say so."""
    notes = []
    for key, reason in spec.unsupported.items():
        full = f"task.{key}"
        if _sets(full, written) and not _sets(full, overridden):
            remove_key(cfg, full)
            notes.append(f"{full}: has no effect; {reason}.")
    return notes


def _sets(name: str, keys: Collection[str]) -> bool:
    """Whether dotted keys contain a key, or one of a section."""
    return any(f"{key}.".startswith(f"{name}.") for key in keys)


def note_on_upstream(spec: TaskSpec, keys: Collection[str]) -> list[str]:
    """Return a note that lists those of the user's keys that have no effect with ``task.env.compat=upstream``.

    Args:
        spec: record of the task.
        keys: dotted keys that the user's files or overrides set.
    """
    sections = [f"task.{key}" for key in spec.idle_upstream]
    idle = [name for name in sections if _sets(name, keys)]
    return [f"{brief_keys(idle)}: ignored with task.env.compat=upstream, as by OmniIsaacGymEnvs."] if idle else []


def notes_on_files(
    files: UserFiles,
    choices: Mapping[str, str],
    record: RunRecord | None,
    written: Collection[str],
    sections: Mapping[str, type],
    engine: EngineName,
) -> list[str]:
    """Return notes that name the user's files, say which are not read, and list their keys without effect.

    Args:
        files: the user's files.
        choices: name of the file, by group.
        record: record of the run that is resumed or played, whose configuration replaces files.
        written: dotted keys that the user's files set and that are known here.
        sections: schemas by dotted key.
        engine: the engine that simulates.
    """
    if not files.folders:
        return []
    found = {group: file for group, name in choices.items() if (file := files.find(group, name)) is not None}
    recorded = [found[group] for group in found if record is not None and getattr(record, group) == choices[group]]
    used = [file for file in found.values() if file not in recorded]
    notes = [f"configuration of {_names(used)}."] if used else []
    if not found:
        folders = _names(files.folders)
        notes.append(f"{folders}: no file task/{choices['task']}.yaml or train/{choices['train']}.yaml, so not used.")
    if recorded:
        notes.append(f"{_names(recorded)}: not read; the configuration is that of the checkpoint's run.")
    unread = [folder / MAIN_FILE for folder in files.folders if (folder / MAIN_FILE).is_file()]
    if unread:
        notes.append(f"{_names(unread)}: not read; set root keys on the command line.")
    idle = keys_without_effect(TrainRunConfig, sorted(written), sections, engine)
    if idle:
        notes.append(f"keys of these files that have no effect in this version: {brief_keys(idle)}.")
    return notes


def _names(files: Iterable[Path]) -> str:
    return " and ".join(map(str, files))
