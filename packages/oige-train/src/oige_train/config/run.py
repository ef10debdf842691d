"""A checked run."""

import dataclasses
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from oige_core.config import validate
from oige_core.config.fields import check_overrides_are_read, check_overrides_have_effect, engine_of
from oige_core.config.load import LARGEST_INTEGER
from oige_core.config.renamed import name_here
from oige_core.errors import ConfigError, nearest
from oige_core.registry import check_task, load_spec
from oige_core.spec import InstalledTask, TaskSpec
from omegaconf import DictConfig, OmegaConf

from oige_train.checkpoint import check_checkpoint, checkpoint_path, read_info
from oige_train.config.adoption import Adoption, adopt_network
from oige_train.config.completion import complete, note_on_upstream, notes_on_files
from oige_train.config.derive import derive
from oige_train.config.origin import Overrides, check_same_run
from oige_train.config.overrides import SHORTCUTS
from oige_train.config.sweep import sweep_suffix, swept_keys
from oige_train.config.user_files import active_user_files
from oige_train.download import is_address
from oige_train.export.contract import is_exported, read_contract
from oige_train.pretrained import PRETRAINED, find_pretrained, notes_on_card, policy_files, read_card
from oige_train.run_record import RunRecord, active_record
from oige_train.schema import ALGORITHMS, CONFIG, TrainRunConfig, train_sections
from oige_train.schema.unsupported import check_supported
from oige_train.upstream_networks import is_upstream_task
from oige_train.versions import note_on_versions

__all__ = ["Run", "resolve_run"]


@dataclasses.dataclass(frozen=True)
class Run:
    """A checked run.

    Attributes:
        config: the configuration, including all derived values.
        task: the installed task that ``task=`` chose.
        train_name: name of the training configuration.
        spec: record of the task.
        checkpoint: file to resume from or to play.
        notes: sentences for the user about values that were derived or come from the checkpoint.
        file_notes: sentences for the user about the YAML files that the user added.
        record: description of this run for its checkpoints.
        former: record of the run whose checkpoint is resumed or played; None if there is none.
        command: overrides that belong to this command and not to the run, as ``key=value`` by key.
    """

    config: TrainRunConfig
    task: InstalledTask
    train_name: str
    spec: TaskSpec
    checkpoint: Path | None
    notes: tuple[str, ...]
    record: RunRecord
    former: RunRecord | None = None
    command: dict[str, str] = dataclasses.field(default_factory=dict)
    file_notes: tuple[str, ...] = ()

    @property
    def resolved(self) -> dict[str, Any]:
        """The configuration as plain values, in the structure of the YAML files."""
        values = dataclasses.asdict(self.config)
        simulation = values["task"]["sim"]
        simulation.update(simulation.pop("actors"))
        return values


def resolve_run(cfg: DictConfig, overridden: Iterable[str]) -> Run:
    """Check a composed configuration, fill in derived values and return the run.

    Args:
        cfg: root of the configuration that Hydra composed.
        overridden: dotted keys that the user set.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type, is out of range or exceeds the machine.
    """
    overridden = set(overridden)
    choices = {group: HydraConfig.get().runtime.choices[group] for group in ("task", "train")}
    former, files = active_record(), active_user_files()
    task = files.installed_task(choices["task"], former)
    spec = load_spec(task)
    for key in ("num_envs", "max_iterations"):
        _check_root_number(cfg, key)
    algo = OmegaConf.select(cfg, "train.params.algo.name")
    if algo is None:
        raise ConfigError(
            "train.params.algo.name: a value is required; begin the file with 'defaults: [PPO, _self_]' to change "
            "another training configuration."
        )
    if algo not in ALGORITHMS:
        raise ConfigError(f"train.params.algo.name={algo}: unknown algorithm. {nearest(str(algo), ALGORITHMS)}")
    sections = {"task.env": spec.env, **train_sections(algo)}
    engine = engine_of(cfg.get("physics_engine"))
    check_overrides_are_read(TrainRunConfig, sorted(overridden), sections, engine)
    check_supported(OmegaConf.select(cfg, CONFIG) or ())
    hydra_overrides = HydraConfig.get().overrides.task
    mine = Overrides(hydra_overrides)
    in_force = {group: name for group, name in choices.items() if former is None or getattr(former, group) != name}
    written = {key for group, name in in_force.items() for key in files.keys(group, name)}
    cfg, conversions = complete(cfg, task, spec, overridden=overridden, written=written)
    file_notes = notes_on_files(files, choices, former, written - overridden, sections, engine) + conversions
    adoption = _adoption(cfg, overridden)
    try:
        config = validate(cfg, TrainRunConfig, sections=sections)
        check_task(config, task, spec)
        check_overrides_have_effect(config, [name_here(key, spec.renamed) for key in sorted(overridden)])
    except ConfigError as error:
        if former is None or re.split("[=:]", str(error), maxsplit=1)[0] in overridden:
            raise
        raise ConfigError(
            f"{error} Values that are not overridden come from the run of checkpoint={cfg.checkpoint}."
        ) from error
    _check_shortcuts(config, overridden)
    _check_exported(config)
    train_name = choices["train"]
    overrides = mine.on_top_of(former, train=train_name)
    notes = [] if former is None else _notes_of_origin(former, mine)
    if config.task.env.compat == "upstream":
        notes += note_on_upstream(spec, written | overridden)
    notes += derive(config, spec, overridden, {text.partition("=")[0] for text in overrides}, written)
    learner = config.train.params.config
    learner.full_experiment_name += sweep_suffix(swept_keys(), hydra_overrides, name=learner.full_experiment_name)
    checkpoint = None
    if config.checkpoint:
        if config.checkpoint == PRETRAINED:
            if not config.test:
                raise ConfigError("checkpoint=pretrained: can be played but not resumed; add test=True.")
            if config.evaluation:
                raise ConfigError("checkpoint=pretrained: expected a file of a run that trains, with evaluation=True.")
            config.checkpoint = str(find_pretrained(task, train_name))
            notes += notes_on_card(read_card(task), cfg, overridden)
        elif config.evaluation and is_address(config.checkpoint):
            raise ConfigError(
                f"checkpoint={config.checkpoint}: expected a file of a run that trains, with evaluation=True."
            )
        checkpoint = check_checkpoint(
            config.checkpoint, task=config.task.name, algo=algo, spec=spec, env=config.task.env
        )
        info = read_info(checkpoint, f"checkpoint={config.checkpoint}")
        if adoption is not None:
            adoption.check_sizes(config.task.name, spec, config.task.env)
            _check_epochs(config, checkpoint, adoption.epoch)
            notes += [*adoption.notes, *_note_on_compatibility(config, checkpoint)]
        elif info is not None:
            check_same_run(checkpoint, info.run, former)
            notes += note_on_versions(info.versions)
            _check_epochs(config, checkpoint, info.epoch)
    elif config.test:
        raise ConfigError(f"checkpoint: a policy is needed; add checkpoint=<file>{_alternative(task)}.")
    return Run(
        config=config,
        task=task,
        train_name=train_name,
        spec=spec,
        checkpoint=checkpoint,
        notes=tuple(notes),
        record=RunRecord.of(
            cfg,
            task=choices["task"],
            train=train_name,
            folder=learner.full_experiment_name,
            seed=config.seed,
            overrides=overrides,
        ),
        former=former,
        command=mine.of_command,
        file_notes=tuple(file_notes),
    )


def _check_exported(config: TrainRunConfig) -> None:
    """Refuse what an exported policy cannot do, if the checkpoint is one.

    Raises:
        ConfigError: it would be trained, replaced by newer ones, or sampled from.
    """
    file = checkpoint_path(config.checkpoint)
    if not config.checkpoint or not file.is_file() or not is_exported(file):
        return
    shown = f"checkpoint={config.checkpoint}: an exported policy"
    if not config.test:
        source = read_contract(file, f"checkpoint={config.checkpoint}").values["checkpoint"]["file"]
        raise ConfigError(
            f"{shown} can be played with test=True but not trained; resume from the checkpoint it was exported from, "
            f"{source}."
        )
    if config.evaluation:
        raise ConfigError(f"{shown} has no newer checkpoints beside it; leave evaluation=True out.")
    if not config.train.params.config.player.deterministic:
        raise ConfigError(f"{shown} has no exploration noise; leave {CONFIG}.player.deterministic=False out.")


def _alternative(task: InstalledTask) -> str:
    """Return the end of a sentence that recommends the policy of a task, or nothing if it has none."""
    return (
        ", or use checkpoint=pretrained, the policy that comes with the task" if policy_files(task)[0].is_file() else ""
    )


def _adoption(cfg: DictConfig, overridden: Collection[str]) -> Adoption | None:
    """Adopt the network of the checkpoint if rl_games wrote it, and return what is known of it; None otherwise.

    Files that are missing are reported later, by the checks of checkpoints.
    """
    text = str(OmegaConf.select(cfg, "checkpoint") or "")
    file = checkpoint_path(text)
    if not text or not file.is_file() or read_info(file, f"checkpoint={text}") is not None:
        return None
    names = [HydraConfig.get().runtime.choices["task"], str(OmegaConf.select(cfg, "task.name"))]
    return adopt_network(
        cfg,
        file,
        overridden=overridden,
        resumes=OmegaConf.select(cfg, "test") is not True,
        tasks=names if _has_installed_training() else None,
    )


def _has_installed_training() -> bool:
    """Whether the training configuration comes from an installed package, not from a folder of the user's."""
    runtime = HydraConfig.get().runtime
    name = f"train/{runtime.choices['train']}.yaml"
    sources = [source for source in runtime.config_sources if source.schema == "file"]
    provider = next((source.provider for source in sources if (Path(source.path) / name).is_file()), "oige")
    return provider in ("main", "oige")


def _note_on_compatibility(config: TrainRunConfig, checkpoint: Path) -> list[str]:
    """Return a note if a policy of OmniIsaacGymEnvs would not see what it was trained with."""
    if config.task.env.compat == "upstream" or not is_upstream_task(config.task.name):
        return []
    return [
        f"checkpoint={checkpoint}: if OmniIsaacGymEnvs trained it, add task.env.compat=upstream, which restores the "
        "observations and actions that it was trained with."
    ]


def _check_shortcuts(config: TrainRunConfig, overridden: Collection[str]) -> None:
    """Refuse an override of a root key if the key that it stands for has another value."""
    values: dict[str, tuple[Any, Any]] = {
        "num_envs": (config.num_envs, config.task.env.numEnvs),
        "max_iterations": (config.max_iterations, config.train.params.config.max_epochs),
        "experiment": (config.experiment, config.train.params.config.name),
    }
    for root, (wanted, value) in values.items():
        if root in overridden and wanted not in ("", None, value):
            raise ConfigError(
                f"{root}={wanted}: has no effect, because {SHORTCUTS[root]}={value} is set, too; set only one of them."
            )


def _notes_of_origin(record: RunRecord, mine: Overrides) -> list[str]:
    """Return a note that lists the overrides of a checkpoint's run and the new ones."""
    changes = mine.changes(record)
    if not record.overrides and not changes:
        return []
    own = " ".join(record.overrides) or "no overrides"
    on_top = f"; overridden now: {' '.join(changes)}" if changes else ""
    return [f"configuration of the checkpoint's run: {own}{on_top}"]


def _check_epochs(config: TrainRunConfig, checkpoint: Path, epoch: int) -> None:
    """Refuse to resume a run that has reached its last epoch."""
    last = config.train.params.config.max_epochs
    if not config.test and not config.resume and 0 < last <= epoch:
        raise ConfigError(
            f"checkpoint={checkpoint}: is from epoch {epoch}, and training ends at epoch {last}; raise max_iterations, "
            "or play it with test=True."
        )


def _check_root_number(cfg: DictConfig, key: str) -> None:
    """Check a root key before others take its value, so that an error names the key that the user typed."""
    value = cfg.get(key)
    if value in ("", None):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ConfigError(f"{key}={value}: expected a whole number above 0.")
    if value > LARGEST_INTEGER:
        raise ConfigError(f"{key}={value}: expected a number of at most {LARGEST_INTEGER}.")
