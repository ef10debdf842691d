"""From the command line to a checked :class:`~oige_train.schema.TrainRunConfig`, without torch.

Hydra composes; the typed schemas judge. An override ``key=value`` of an existing or unknown key reaches the schemas
alike, so that a misspelt key is answered with the nearest one and a key that no YAML file names needs no ``+``.
"""

import dataclasses
import importlib.util
import math
import os
import random
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from hydra import main as hydra_main
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from oige_core.config import CORE_CFG, register_resolvers, validate
from oige_core.devices import cuda_device_count, cuda_device_memory, resolve_devices
from oige_core.errors import ConfigError, nearest
from oige_core.registry import InstalledTask, TaskSpec, find_task, installed_tasks
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from oige_train.checkpoint import check_checkpoint, read_info
from oige_train.pretrained import PRETRAINED, find_pretrained
from oige_train.schema import ALGORITHMS, CONFIG, PpoConfig, SacConfig, TrainRunConfig

__all__ = ["Run", "finish", "memory_estimate", "run_hydra"]

TRAIN_CFG = Path(__file__).resolve().parent / "cfg"
GROUPS = ("task", "train")
# Values of these words are names and paths; Hydra's grammar would trip over '[' or '=' in them.
TEXT_WORDS = ("checkpoint", "experiment", "wandb_name", "wandb_group", "recording_dir", "livestream_host")


@dataclasses.dataclass(frozen=True)
class Run:
    """A checked run.

    Attributes:
        config: the configuration, with every derived value filled in.
        resolved: the same as plain values, to be written beside the run's results.
        task: the installed task that ``task=`` chose.
        train_name: name of the training configuration.
        spec: its record.
        checkpoint: file to resume from or to play.
        notes: sentences that tell the user of values that were derived.
    """

    config: TrainRunConfig
    resolved: dict[str, Any]
    task: InstalledTask
    train_name: str
    spec: TaskSpec
    checkpoint: Path | None
    notes: tuple[str, ...]


class OigeSearchPath(SearchPathPlugin):
    """Adds the configuration groups of oige-core and of every installed task package to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders; no task package is imported."""
        search_path.append("oige-core", f"file://{CORE_CFG}")
        for folder in sorted({task.cfg for task in installed_tasks().values()}):
            search_path.append("oige-tasks", f"file://{folder}")


def run_hydra(arguments: Sequence[str], job: Callable[[DictConfig, list[str]], None]) -> None:
    """Compose the configuration with Hydra and call ``job`` with it and with the words that were overridden.

    Args:
        arguments: command-line arguments without the program's name; Hydra's own options work, ``--multirun`` too.
        job: called once per run.

    Raises:
        ConfigError: an argument is malformed, or names a task or a training configuration that does not exist.
    """
    register_resolvers()
    Plugins.instance().register(OigeSearchPath)
    rewritten = rewrite_overrides(arguments)

    failures: list[BaseException] = []

    def task_function(cfg: DictConfig) -> None:
        try:
            job(cfg, [_key(override) for override in HydraConfig.get().overrides.task])
        except Exception as error:
            # Hydra would report it in its own words; leave it by the one way that Hydra lets through.
            failures.append(error)
            sys.exit(1)

    program, full_error = sys.argv[0], os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [program, *rewritten]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra_main(version_base="1.3", config_path=str(TRAIN_CFG), config_name="config")(task_function)()
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ConfigError(f"{' '.join(arguments)}: {' '.join(lines[:2]).replace('++', '')}") from error
    except SystemExit:
        if failures:
            raise failures[0] from failures[0].__cause__
        raise
    finally:
        sys.argv = [program, *arguments]
        del os.environ["HYDRA_FULL_ERROR"]
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def rewrite_overrides(arguments: Sequence[str]) -> list[str]:
    """Return Hydra's arguments for ours; check the names of tasks and training configurations on the way.

    ``key=value`` becomes ``++key=value`` (force), group choices and Hydra's own words stay as they are. Options come
    last, since Hydra takes all overrides from one place.
    """
    task, train = "Cartpole", None
    rewritten: list[str] = []
    options: list[str] = []
    position_of_value = False
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument.startswith("-") or position_of_value:
            position_of_value = argument in ("--package", "-p", "--cfg", "-c", "--config-dir", "-cd")
            options.append(argument)
        elif not equals and not argument.startswith("~"):
            raise ConfigError(f"'{argument}': expected key=value, for instance num_envs=64.")
        elif key in GROUPS:
            if key == "task":
                task = value
            else:
                train = value
            rewritten.append(argument)
        elif key[0] in "+~" or key.startswith("hydra") or "@" in key:
            rewritten.append(argument)
        else:
            rewritten.append(f"++{key}={_quoted(key, value)}")
    tasks = [find_task(name) for name in _choices(task)]
    if train is None:
        binding = default_train(tasks[0]) if len(tasks) == 1 else None
        if binding is not None:
            rewritten.append(f"train={binding}")
    else:
        available = _train_configs(installed_tasks().values())
        for name in _choices(train):
            if name not in available:
                own = _train_configs(tasks)
                raise ConfigError(f"train={name}: unknown training configuration. {nearest(name, own or available)}")
    return rewritten + options


def default_train(task: InstalledTask) -> str | None:
    """Return the training configuration that goes with a task that has no ``<Task>PPO``, such as AntSAC.

    Raises:
        ConfigError: the task has neither.
    """
    if (task.cfg / "train" / f"{task.name}PPO.yaml").is_file():
        return None
    if (task.cfg / "train" / f"{task.name}.yaml").is_file():
        return task.name
    available = ", ".join(_train_configs([task])) or "none"
    raise ConfigError(
        f"task={task.name}: its package has no training configuration {task.name}PPO; name one with train= "
        f"(available: {available})."
    )


def finish(cfg: DictConfig, overridden: Iterable[str]) -> Run:
    """Check a composed configuration, fill in derived values and return the run.

    Args:
        cfg: root of the configuration that Hydra composed.
        overridden: dotted keys that the user set.

    Raises:
        ConfigError: a value is unknown, of the wrong type, out of range, or asks for more than the machine has.
    """
    overridden = set(overridden)
    choices = HydraConfig.get().runtime.choices
    task = find_task(choices["task"])
    spec = task.spec()
    for key in ("num_envs", "max_iterations"):
        _check_root_number(cfg, key)
    if HydraConfig.get().mode == RunMode.MULTIRUN and "experiment" not in overridden:
        # Jobs of one sweep would otherwise overwrite each other's results.
        cfg.experiment = f"{OmegaConf.select(cfg, 'train.params.config.name')}_{HydraConfig.get().job.num}"

    algo = OmegaConf.select(cfg, "train.params.algo.name")
    if algo not in ALGORITHMS:
        raise ConfigError(f"train.params.algo.name={algo}: unknown algorithm. {nearest(str(algo), ALGORITHMS)}")
    config = validate(cfg, spec, TrainRunConfig, sections={"config": ALGORITHMS[algo]})
    spec = spec.for_config(config.task.env)
    notes = _derive(config, spec, overridden)
    checkpoint = None
    if config.checkpoint:
        if config.checkpoint == PRETRAINED:
            if not config.test:
                raise ConfigError("checkpoint=pretrained: can be played, not trained further; add test=True.")
            config.checkpoint = str(find_pretrained(task, choices["train"]))
        checkpoint = check_checkpoint(config.checkpoint, task=config.task.name, algo=algo, spec=spec)
        _check_epochs(config, checkpoint)
    elif config.test:
        raise ConfigError("test=True: a policy is needed; add checkpoint=<file>.")
    return Run(
        config=config,
        resolved=_resolved(cfg, config),
        task=task,
        train_name=choices["train"],
        spec=spec,
        checkpoint=checkpoint,
        notes=tuple(notes),
    )


def memory_estimate(config: TrainRunConfig, spec: TaskSpec) -> int:
    """Return bytes that a run needs at the very least.

    float32 rollout buffer of PPO, twice because rl_games copies it from time-major to flat for an epoch:
    ``2 · 4 · horizon · envs · (observations + states + 3 · actions + 6)``, where 3 · actions are actions, means and
    deviations and 6 are reward, value, return, advantage, log-probability and done flag. SAC:
    ``4 · replay size · (2 · observations + actions + 2)``. Engine rows: ``8 · envs · (observations + 256)``, the
    float64 state and derived fields of a world with hardly anything in it. Numbers of images are bytes, a quarter of a
    float.
    """
    envs = config.task.env.numEnvs
    observations = math.prod(spec.observation_shape) / (4 if spec.images else 1)
    learner = config.train.params.config
    needed = 8 * envs * (observations + 256)
    if isinstance(learner, PpoConfig):
        per_step = observations + spec.num_states + 3 * spec.num_actions + 6
        needed += 2 * 4 * learner.horizon_length * envs * per_step
    elif isinstance(learner, SacConfig):
        needed += 4 * learner.replay_buffer_size * (2 * observations + spec.num_actions + 2)
    return int(needed)


def _derive(config: TrainRunConfig, spec: TaskSpec, overridden: set[str]) -> list[str]:
    """Fill in devices and minibatch sizes; check them and the memory."""
    learner = config.train.params.config
    if config.multi_gpu:
        _join_torchrun(config)
    devices = resolve_devices(config)
    if config.rl_device == "auto":
        config.rl_device = devices.pipeline
    elif config.rl_device == "cuda":
        config.rl_device = f"cuda:{config.device_id}"
    if config.rl_device != "cpu":
        _check_learner_device(config.rl_device)
    if config.seed == -1:
        # Deterministic algorithms with a seed nobody knows would make no sense.
        config.seed = 42 if config.torch_deterministic else random.SystemRandom().randrange(2**31)
    config.train.params.seed = config.seed
    learner.device = learner.device_name = config.rl_device
    learner.full_experiment_name = learner.full_experiment_name or learner.name
    if learner.num_actors != config.task.env.numEnvs:
        raise ConfigError(
            f"{CONFIG}.num_actors={learner.num_actors}: expected task.env.numEnvs={config.task.env.numEnvs}; "
            "set num_envs instead."
        )
    _check_memory(config, spec, devices.simulation, overridden)
    notes = _derive_minibatches(config, overridden) if isinstance(learner, PpoConfig) else []
    if config.torch_deterministic and devices.simulation != "cpu":
        notes.append(
            "torch_deterministic=True: the learner repeats bit by bit; physics does with sim_device=cpu alone."
        )
    if config.wandb_activate and importlib.util.find_spec("wandb") is None:
        raise ConfigError("wandb_activate=True: wandb is not installed; install oige-train[wandb].")
    return notes


def _check_learner_device(device: str) -> None:
    count = cuda_device_count()
    if count == 0:
        raise ConfigError(f"rl_device={device}: this machine has no CUDA device; use rl_device=cpu or rl_device=auto.")
    if int(device.partition(":")[2]) >= count:
        raise ConfigError(f"rl_device={device}: expected a number below {count}, the number of CUDA devices here.")


def _join_torchrun(config: TrainRunConfig) -> None:
    """Take device and seed of this process from what torchrun set.

    Raises:
        ConfigError: torchrun did not start this process.
    """
    if any(key not in os.environ for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")):
        raise ConfigError(
            "multi_gpu=True: this process was not started by torchrun; use "
            "torchrun --nproc-per-node=<number of GPUs> -m oige_train.cli.train multi_gpu=True …"
        )
    if config.train.params.algo.name != "a2c_continuous":
        raise ConfigError(f"multi_gpu=True: expected PPO, {config.train.params.algo.name} trains in one process only.")
    if cuda_device_count() > 0:
        config.device_id = int(os.environ["LOCAL_RANK"])
    if config.seed != -1:
        config.seed += int(os.environ["RANK"])


def _derive_minibatches(config: TrainRunConfig, overridden: set[str]) -> list[str]:
    """Make the minibatch sizes divide the batch, or say which sizes would."""
    learner = config.train.params.config
    assert isinstance(learner, PpoConfig)
    batch = learner.horizon_length * learner.num_actors
    recurrent = config.train.params.network.rnn is not None
    # rl_games cuts every batch into sequences, and those of a recurrent network may not cross worlds.
    if batch % learner.seq_length or (recurrent and learner.horizon_length % learner.seq_length):
        unit = "horizon_length" if recurrent else "horizon_length × num_envs"
        value = learner.horizon_length if recurrent else batch
        raise ConfigError(f"{CONFIG}.seq_length={learner.seq_length}: expected a divisor of {unit} = {value}.")
    multiple = learner.seq_length if recurrent else 1
    batch_words = {"num_envs", "task.env.numEnvs", f"{CONFIG}.horizon_length"}
    notes = []
    for section, holder in (("", learner), (".central_value_config", learner.central_value_config)):
        if holder is None or holder.minibatch_size is None:
            continue
        key = f"{CONFIG}{section}.minibatch_size"
        size = holder.minibatch_size
        if batch % size == 0 and size % multiple == 0:
            continue
        valid = [d for d in _divisors(batch) if d % multiple == 0]
        below = [d for d in valid if d <= size]
        if key not in overridden and batch_words & overridden and below:
            holder.minibatch_size = below[-1]
            notes.append(
                f"{key}: {size} does not divide horizon_length × num_envs = {learner.horizon_length} × "
                f"{learner.num_actors} = {batch}; using {below[-1]}."
            )
            continue
        near = sorted(sorted(valid, key=lambda d: abs(d - size))[:4])
        raise ConfigError(
            f"{key}={size}: expected a divisor of horizon_length × num_envs = {learner.horizon_length} × "
            f"{learner.num_actors} = {batch}; near it are {', '.join(map(str, near))}."
        )
    return notes


def _divisors(number: int) -> list[int]:
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})


def _check_epochs(config: TrainRunConfig, checkpoint: Path) -> None:
    """Refuse to resume a run that has reached its last epoch."""
    info = read_info(checkpoint, f"checkpoint={checkpoint}")
    last = config.train.params.config.max_epochs
    if info is not None and not config.test and 0 < last <= info.epoch:
        raise ConfigError(
            f"checkpoint={checkpoint}: is of epoch {info.epoch} and training ends at {last}; raise max_iterations, or "
            "play it with test=True."
        )


def _check_memory(config: TrainRunConfig, spec: TaskSpec, simulation: str, overridden: set[str]) -> None:
    needed = memory_estimate(config, spec)
    available = _available_memory() if simulation == "cpu" else cuda_device_memory(int(simulation.partition(":")[2]))
    if available is not None and needed > available:
        key = "num_envs" if "num_envs" in overridden else "task.env.numEnvs"
        raise ConfigError(
            f"{key}={config.task.env.numEnvs}: needs at least {needed / 2**30:,.1f} GiB of memory, "
            f"and {simulation} has {available / 2**30:,.1f} GiB; use fewer environments."
        )


def _available_memory() -> int | None:
    """Bytes of main memory that this process may still take, or None where the system does not tell."""
    available = []
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        match = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
        if match:
            available.append(int(match[1]) * 1024)
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and limit.read_text().strip().isdigit():
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        available.append(int(limit.read_text()) - used)
    return min(available) if available else None


def _check_root_number(cfg: DictConfig, key: str) -> None:
    """Check a word of the root before it spreads, so that a bad value is reported under the name the user typed."""
    value = cfg.get(key)
    if value in ("", None):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ConfigError(f"{key}={value}: expected a whole number above 0.")


def _resolved(cfg: DictConfig, config: TrainRunConfig) -> dict[str, Any]:
    """Return the composed configuration as plain values, derived values put in."""
    resolved = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    resolved["rl_device"] = config.rl_device
    resolved["seed"] = resolved["train"]["params"]["seed"] = config.seed
    learner = resolved["train"]["params"]["config"]
    for key in ("device", "device_name", "full_experiment_name"):
        learner[key] = getattr(config.train.params.config, key)
    if isinstance(config.train.params.config, PpoConfig):
        ppo = config.train.params.config
        if ppo.minibatch_size is not None:
            learner["minibatch_size"] = ppo.minibatch_size
        if ppo.central_value_config is not None and ppo.central_value_config.minibatch_size is not None:
            learner["central_value_config"]["minibatch_size"] = ppo.central_value_config.minibatch_size
    return resolved


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _choices(value: str) -> list[str]:
    return [choice.strip() for choice in value.split(",")]


def _train_configs(tasks: Iterable[InstalledTask]) -> list[str]:
    return sorted({file.stem for task in tasks for file in (task.cfg / "train").glob("*.yaml")})


def _quoted(key: str, value: str) -> str:
    """Quote names and paths that hold characters of Hydra's grammar and are not quoted or escaped already."""
    if key in TEXT_WORDS and re.search(r"[\[\]{}()=: ]", value) and value[:1] not in "'\"" and "\\" not in value:
        escaped = value.replace("'", r"\'")
        return f"'{escaped}'"
    return value
