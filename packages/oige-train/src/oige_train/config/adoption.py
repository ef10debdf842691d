"""Adopt the network of a checkpoint that rl_games wrote, which does not contain the configuration of its run.

Sizes of layers follow from its weights. Activations and strides do not: they come from ``config.yaml`` in the folder of
its run, which OmniIsaacGymEnvs writes, or else from the task's training configuration in OmniIsaacGymEnvs.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from oige_core.config import EnvConfig
from oige_core.registry import installed_specs
from oige_core.spec import TaskSpec
from omegaconf import DictConfig, OmegaConf

from oige_train.checkpoint import CheckpointError, load_checkpoint
from oige_train.network_shapes import FoundNetwork, find_critic, find_network
from oige_train.schema import ALGORITHM_NAMES, CONFIG
from oige_train.upstream_networks import upstream_network

__all__ = ["Adoption", "adopt_network", "run_configuration"]

NETWORK = "train.params.network"
CRITIC = f"{CONFIG}.central_value_config"
#: Keys of a network section that weights do not determine, and what rl_games assumes for a missing one.
UNDETERMINED = {
    "mlp.activation": None,
    "cnn.activation": None,
    "value_activation": "None",
    "space.continuous.mu_activation": "None",
    "space.continuous.sigma_activation": "None",
}
#: Values that rl_games assumes for missing keys of a network section and of its ``rnn`` section.
MISSING = {"separate": False, "mlp.d2rl": False, "space.continuous.fixed_sigma": True}
MISSING_IN_RNN = {"before_mlp": False, "concat_input": False, "concat_output": False, "layer_norm": False, "layers": 1}
LARGEST_CONFIGURATION = 2**20  # bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adoption:
    """The network of a checkpoint of rl_games.

    Attributes:
        file: the checkpoint.
        found: its network; None if the architecture is unknown.
        epoch: number of epochs trained; 0 if the file does not have it.
        notes: sentences for the user.
    """

    file: Path
    found: FoundNetwork | None
    epoch: int
    notes: list[str]

    def check_sizes(self, task: str, spec: TaskSpec[Any], env: EnvConfig) -> None:
        """Raise CheckpointError unless the network has the sizes of the task.

        Args:
            task: name of the task.
            spec: record of the task.
            env: its ``task.env`` section.
        """
        if self.found is None:
            return
        shape = spec.shape_for(env)
        found, expected = (self.found.num_inputs, self.found.num_actions), (shape[-1], spec.num_actions)
        if found == expected and spec.images == bool(self.found.convs):
            return
        what = "images of {} channels" if self.found.convs else "{} observations"
        now = "images of {} channels" if spec.images else "{} observations"
        raise CheckpointError(
            f"checkpoint={self.file}: trained with {what.format(found[0])} and {found[1]} actions, but {task} has "
            f"{now.format(expected[0])} and {expected[1]} actions; {self._remedy(spec)}."
        )

    def _remedy(self, spec: TaskSpec[Any]) -> str:
        assert self.found is not None
        if self.found.convs:
            return "set the keys of task.env that images depend on" if spec.images else "choose its task with task="
        sizes = (self.found.num_inputs,), self.found.num_actions
        fitting = [
            name for name, other in installed_specs().items() if (other.observation_shape, other.num_actions) == sizes
        ]
        return f"choose task={' or task='.join(fitting)}" if fitting else "no installed task has these sizes"


def adopt_network(
    cfg: DictConfig, file: Path, *, overridden: Collection[str], resumes: bool, tasks: Sequence[str] | None
) -> Adoption:
    """Change the configuration of a run to the network of a checkpoint that rl_games wrote.

    Args:
        cfg: root of the composed configuration, which is changed.
        file: the checkpoint.
        overridden: dotted keys that the user set.
        resumes: whether training continues; False: the policy is played.
        tasks: names that the task may have in OmniIsaacGymEnvs; None: the training configuration is a file of the
            user's, which has what weights do not determine.

    Raises:
        CheckpointError: the file is refused, belongs to another algorithm, or its network is not the one that the user
            asks for.
    """
    state = load_checkpoint(file, "cpu")
    found = find_network(state)
    if found is None:
        return Adoption(file=file, found=None, epoch=state.get("epoch", 0), notes=[])
    _check_algorithm(cfg, file, found.algorithm)
    if resumes:
        _check_optimisers(state, file, found.algorithm)
    hint = _find_hint(cfg, file, found.algorithm, tasks)
    changes = _Changes(cfg, file, overridden)
    changes.follow(NETWORK, found, hint)
    if found.normalises_inputs or not (resumes and found.algorithm == "sac"):
        changes.set(f"{CONFIG}.normalize_input", found.normalises_inputs)
    if found.algorithm != "sac":
        changes.set(f"{CONFIG}.normalize_value", found.normalises_values)
    if resumes:
        _follow_critic(changes, find_critic(state), hint)
    notes = changes.notes()
    if found.algorithm == "sac" and not found.normalises_inputs:
        notes.append(_note_on_statistics(file, resumes))
    return Adoption(file=file, found=found, epoch=state.get("epoch", 0), notes=notes)


def run_configuration(file: Path) -> dict[str, Any]:
    """Return the ``config.yaml`` of the run that a checkpoint belongs to, or {} if there is none that is readable.

    Args:
        file: the checkpoint, in the folder ``nn`` of the run.
    """
    description = file.resolve().parent.parent / "config.yaml"
    try:
        if file.resolve().parent.name != "nn" or description.stat().st_size > LARGEST_CONFIGURATION:
            return {}
        values = yaml.safe_load(description.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


class _Changes:
    """Values of a configuration that follow a checkpoint.

    Args:
        cfg: root of the configuration, which is changed.
        file: the checkpoint.
        overridden: dotted keys that the user set.
    """

    def __init__(self, cfg: DictConfig, file: Path, overridden: Collection[str]) -> None:
        self._cfg = cfg
        self.file = file
        self._overridden = overridden
        self._adopted: dict[str, list[str]] = {}
        self._assumed: list[str] = []

    def set(self, key: str, value: Any, *, source: str = "its weights") -> None:
        """Give a key the value of the checkpoint.

        Args:
            key: dotted key.
            value: value of the checkpoint.
            source: where it comes from, for the note.

        Raises:
            CheckpointError: the user asks for another value.
        """
        current = self.get(key)
        if current == value:
            return
        if self._is_overridden(key):
            raise CheckpointError(
                f"{key}={_text(current)}: checkpoint={self.file} has {_text(value)}; leave {key} out."
            )
        OmegaConf.update(self._cfg, key, value, force_add=True, merge=False)
        self._adopted.setdefault(source, []).append(f"{key}={_text(value)}")

    def follow(self, section: str, found: FoundNetwork, hint: "_Hint | None") -> None:
        """Give a network section the values of a network, and those that weights do not determine from a hint."""
        for key, value in found.settings.items():
            current = self.get(f"{section}.{key}", MISSING.get(key))
            if key == "rnn" and value is not None:
                current = current and MISSING_IN_RNN | current
                value = (current or MISSING_IN_RNN) | value
            if current != value:
                self.set(f"{section}.{key}", value)
        hinted = {} if hint is None else hint.section(section)
        source = "" if hint is None else hint.source
        if found.convs:
            self._follow_convs(f"{section}.cnn", found.convs, hinted.get("cnn"), source)
        for key, assumed in UNDETERMINED.items():
            parent = f"{section}.{key}".rpartition(".")[0]
            if self.get(parent) is None or self._is_overridden(f"{section}.{key}"):
                continue
            if hint is None:
                if assumed is None:
                    self._assumed.append(f"{section}.{key}={self.get(f'{section}.{key}')}")
                continue
            value = OmegaConf.select(OmegaConf.create(hinted), key, default=assumed)
            if value is not None and self.get(f"{section}.{key}", assumed) != value:
                self.set(f"{section}.{key}", value, source=source)

    def _follow_convs(self, section: str, convs: list[dict[str, int]], hinted: Any, source: str) -> None:
        """Give convolutional layers the strides and paddings of the hint, or else those of the configuration."""
        if self._is_overridden(f"{section}.convs"):
            return
        current = self.get(section) or {}
        for layers in (hinted or {}, current):
            shapes = [{key: conv.get(key) for key in ("filters", "kernel_size")} for conv in layers.get("convs") or ()]
            if shapes == convs:
                if not current:
                    self.set(section, layers, source=source)
                elif current.get("convs") != layers["convs"]:
                    self.set(f"{section}.convs", layers["convs"], source=source)
                return
        raise CheckpointError(
            f"checkpoint={self.file}: has the convolutional layers {_text(convs)}, but not their strides and paddings; "
            f"set {section}.convs."
        )

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a dotted key, sections as dictionaries; ``default`` if there is none."""
        value = OmegaConf.select(self._cfg, key)
        value = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        return default if value is None else value

    def notes(self) -> list[str]:
        """Return sentences that list the changes and the assumptions."""
        adopted = [
            f"{', '.join(text.removeprefix('train.params.') for text in texts)} from {source}"
            for source, texts in self._adopted.items()
        ]
        notes = [f"checkpoint={self.file}: adopted {'; '.join(adopted)}."] if adopted else []
        if self._assumed:
            notes.append(
                f"checkpoint={self.file}: does not contain activations; {', '.join(self._assumed)} is assumed. "
                "Override it if the network was trained with another."
            )
        return notes

    def _is_overridden(self, key: str) -> bool:
        groups = ("task", "train")  # which files are chosen
        return any(key == name or key.startswith(f"{name}.") for name in self._overridden if name not in groups)


def _follow_critic(changes: _Changes, critic: FoundNetwork | None, hint: "_Hint | None") -> None:
    """Let the asymmetric critic of a run that is resumed follow the one of the checkpoint.

    Raises:
        CheckpointError: only one of the two has one.
    """
    configured = changes.get(CRITIC)
    if (critic is None) != (configured is None):
        has = "no asymmetric critic" if critic is None else "an asymmetric critic"
        needed = "has none" if configured is None else "trains one"
        raise CheckpointError(
            f"checkpoint={changes.file}: has {has}, and the training configuration {needed} ({CRITIC}); choose another "
            "train=, or play the checkpoint with test=True."
        )
    if critic is not None:
        changes.follow(f"{CRITIC}.network", critic, hint)
        changes.set(f"{CRITIC}.normalize_input", critic.normalises_inputs)


def _check_algorithm(cfg: DictConfig, file: Path, algorithm: str) -> None:
    now = OmegaConf.select(cfg, "train.params.algo.name")
    if now != algorithm:
        name = ALGORITHM_NAMES[algorithm]
        raise CheckpointError(
            f"checkpoint={file}: trained with {name}, not {ALGORITHM_NAMES.get(now, now)}; add train={name}, or the "
            f"task's own training configuration of {name}."
        )


def _check_optimisers(state: Mapping[str, Any], file: Path, algorithm: str) -> None:
    """Raise CheckpointError unless a checkpoint has what resuming needs."""
    needed = ("actor_optimizer", "critic_optimizer", "log_alpha_optimizer") if algorithm == "sac" else ("optimizer",)
    missing = [name for name in needed if name not in state]
    if missing:
        raise CheckpointError(
            f"checkpoint={file}: can be played with test=True but not resumed, because it has no {', '.join(missing)}."
        )


@dataclasses.dataclass(frozen=True)
class _Hint:
    """What weights do not determine.

    Attributes:
        source: where it comes from, for notes.
        network: section of the network of the policy.
        critic: that of the asymmetric critic; None: as the policy's.
    """

    source: str
    network: dict[str, Any]
    critic: dict[str, Any] | None = None

    def section(self, key: str) -> dict[str, Any]:
        """Return the section for the network at a dotted key."""
        return self.network if key == NETWORK or self.critic is None else self.critic


def _find_hint(cfg: DictConfig, file: Path, algorithm: str, tasks: Sequence[str] | None) -> _Hint | None:
    """Return what is known of the network besides its weights, or None."""
    recorded = OmegaConf.create(run_configuration(file))
    if OmegaConf.is_dict(OmegaConf.select(recorded, NETWORK)):
        return _hint_of(recorded, str(file.resolve().parent.parent / "config.yaml"))
    if tasks is None:
        return _hint_of(cfg, "")
    for name in tasks:
        network = upstream_network(name, algorithm)
        if network is not None:
            return _Hint("OmniIsaacGymEnvs", network)
    return None


def _hint_of(cfg: DictConfig, source: str) -> _Hint:
    network, critic = (
        OmegaConf.to_container(section) if OmegaConf.is_dict(section) else None
        for section in (OmegaConf.select(cfg, key) for key in (NETWORK, f"{CRITIC}.network"))
    )
    return _Hint(source, network, critic)  # type: ignore[arg-type]


def _note_on_statistics(file: Path, resumes: bool) -> str:
    effect = (
        "they begin anew, and the policy has to adapt to them"
        if resumes
        else "observations are not normalised, as in its player, and the return is low if they were in training"
    )
    return (
        f"checkpoint={file}: has no statistics of observations, which rl_games 1.6.1 does not save with SAC; {effect}."
    )


def _text(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if value is None:
        return "null"
    return str(value).replace("'", "").replace(" ", "") if isinstance(value, (list, dict)) else str(value)
