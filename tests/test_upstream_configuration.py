"""Every task and training configuration of OmniIsaacGymEnvs loads unchanged as a file of the user.

tools/upstream_configuration.py writes the keys and values of its files, from which the files are made here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from oige_core import make_env
from oige_core.registry import installed_tasks
from oige_train.cli.common import checked_run
from oige_train.config import Run

DATA = json.loads((Path(__file__).parent / "data" / "upstream_configuration.json").read_text())
TASKS = sorted(DATA["task"].keys() & installed_tasks().keys())

RENAMED = {
    "task.env.maxEpisodeLength": "task.env.episodeLength",
    "task.env.cameraWidth": "task.env.imageSize",
    "task.env.cameraHeight": "task.env.imageSize",
    "task.env.nearestDistance": "task.env.targetDistance.0",
    "task.env.farthestDistance": "task.env.targetDistance.1",
    "task.env.control.decimation": "task.env.controlFrequencyInv",
    "task.sim.default_material": "task.sim.default_physics_material",
    "task.sim.CarterV2": "task.sim.carter",
    "task.sim.Anymal": "task.sim.anymal",
    "task.rl.max_episode_length": "task.env.episodeLength",
    "task.rl.": "task.env.rl.",
    "task.ctrl.": "task.env.ctrl.",
    "task.randomize.": "task.env.randomize.",
}
FOLLOWING_ROOT_KEYS = {
    "task.name",
    "task.physics_engine",
    "train.params.seed",
    "train.params.load_checkpoint",
    "train.params.load_path",
    "train.params.config.device",
    "train.params.config.device_name",
    "train.params.config.multi_gpu",
}
WITHOUT_EFFECT = re.compile(
    r"task\.env\.(aggregateMode|enableDebugVis|exportImages|numObservations|numActions"
    r"|resetRotationNoise|printNumSuccesses|force(Scale|ProbRange|Decay|DecayInterval)"
    r"|terrain\.slopeTreshold)"
    r"|task\.sim\.(use_gpu_pipeline|use_fabric|enable_scene_query_support|enable_cameras|disable_contact_processing"
    r"|rendering_dt|physx\..*)"
    r"|task\.sim\.\w+\.(override_usd_defaults|enable_gyroscopic_forces|solver_\w+_iteration_count|sleep_threshold"
    r"|stabilization_threshold|max_depenetration_velocity|contact_offset|rest_offset)"
    r"|train\..*(\.env_name|\.print_stats|\.num_seed_steps|\.regularizer\.name|\.rnn\.zero_rnn_on_done"
    r"|central_value_config\.(schedule_type|kl_threshold))"
)
"""Keys that must be listed."""
UNUSED_NOISE = re.compile(r"task\.env\.start(Position|Rotation)Noise")
"""Keys that must be listed for all tasks but FrankaDeformable."""
CONVERTED = {
    "train.params.config.central_value_config.minibatch_size=32864": 32768,  # a divisor of the batch
    "train.params.config.lr_schedule=fixed": "identity",  # the same in rl_games
    "train.params.network.space.continuous=None": None,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cfg")
    for group in ("task", "train"):
        (folder / group).mkdir()
        for name, content in DATA[group].items():
            (folder / group / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, entry in value.items():
            yield from leaves(entry, f"{key}.{name}")
    else:
        yield key, value


def original(group: str, name: str) -> dict[str, Any]:
    """Return the keys and values of a file and of those that its defaults name; interpolations are left out."""
    content = DATA[group][name]
    values: dict[str, Any] = {}
    for parent in content.get("defaults", []):
        values |= original(group, parent) if parent != "_self_" else {}
    own = {key: value for key, value in content.items() if key != "defaults"}
    return values | dict(leaves(own, group))


def select(values: Any, key: str) -> Any:
    for name in key.split("."):
        if isinstance(values, list | tuple):
            values = values[int(name)]
        elif isinstance(values, Mapping) and name in values:
            values = values[name]
        else:
            return KeyError
    return values


def listed(run: Run) -> list[str]:
    """Return the keys that the notes of a run list."""
    keys = []
    for note in run.file_notes:
        for section, names, single in re.findall(r"(t[\w.]+)\.\{([^}]*)\}|(t(?:ask|rain)\.[\w.]*\w)", note):
            keys += [f"{section}.{name}" for name in names.split(", ")] if names else [single]
    return keys


def unanswered(run: Run, values: Mapping[str, Any]) -> list[str]:
    """Return the keys whose values neither apply nor are in the notes."""
    found, idle = [], listed(run)
    for key, value in values.items():
        if key in FOLLOWING_ROOT_KEYS or any(key == name or key.startswith(f"{name}.") for name in idle):
            continue
        if WITHOUT_EFFECT.fullmatch(key) or (UNUSED_NOISE.fullmatch(key) and run.task.name != "FrankaDeformable"):
            found.append(f"{key} has no effect, and is not listed")
            continue
        actual = select(run.resolved, key)
        if actual is KeyError:
            name = next((key.replace(old, new) for old, new in RENAMED.items() if key.startswith(old)), key)
            actual = select(run.resolved, name)
        expected = CONVERTED.get(f"{key}={value}", value)
        if isinstance(expected, str) and re.search(r"\$\{", expected):
            applies = actual is not KeyError
        elif expected is None:
            applies = actual in (None, KeyError)
        else:
            actual = list(actual) if isinstance(actual, tuple) else actual
            applies = type(expected)(actual) == expected if actual not in (KeyError, None) else False
        if not applies:
            found.append(f"{key}={value}, not {actual}")
    return found


def test_data_are_complete() -> None:
    assert (len(TASKS), len(DATA["task"]), len(DATA["train"])) == (22, 24, 22)
    assert DATA["commit"] == "f8f91bcf73cfd8ede2eab70e19dd70162abf9775"


@pytest.mark.parametrize("task", TASKS)
def test_task_loads_and_every_key_applies_or_is_listed(task: str, folder: Path) -> None:
    run = checked_run([f"--config-dir={folder}", f"task={task}", "headless=True"])
    assert run.task.name == task
    values = original("task", task) | original("train", run.train_name)
    assert unanswered(run, values) == []
    # Numbers of worlds and epochs are the arguments of a resolver: ``${resolve_default:<number>,…}``.
    worlds = re.match(r"\$\{resolve_default:(\d+),", values["task.env.numEnvs"])
    epochs = re.match(r"\$\{resolve_default:(\d+),", values["train.params.config.max_epochs"])
    assert worlds is not None
    assert epochs is not None
    learner = run.config.train.params.config
    assert (run.config.task.env.numEnvs, learner.max_epochs) == (int(worlds[1]), int(epochs[1]))
    assert learner.num_actors == run.config.task.env.numEnvs


@pytest.mark.parametrize("train", DATA["train"])
def test_training_configuration_loads_and_every_key_applies_or_is_listed(train: str, folder: Path) -> None:
    task = next((task for task in ("CartpoleCamera", "TargetFollowing") if train.startswith(task)), "Ant")
    worlds = 64 if task == "Ant" else 8  # images of a whole batch must fit into memory
    run = checked_run([f"--config-dir={folder}", f"task={task}", f"train={train}", f"num_envs={worlds}"])
    # Sizes of minibatches do not divide the samples of so few worlds.
    values = {key: value for key, value in original("train", train).items() if "minibatch_size" not in key}
    assert unanswered(run, values) == []


@pytest.mark.parametrize("task", [task for task in TASKS if task.startswith("Factory") or task == "FrankaDeformable"])
def test_settings_of_actors_fit_the_scene(task: str, folder: Path) -> None:
    """Scenes check what configurations alone cannot: the names of actors, and whether a density applies."""
    run = checked_run([f"--config-dir={folder}", f"task={task}", "num_envs=1", "sim_device=cpu", "headless=True"])
    make_env(run.config).close()


def test_values_that_cannot_apply_are_refused(folder: Path, tmp_path: Path) -> None:
    """Loading is not swallowing: changed values of keys that change the task arrive or are refused."""
    content = json.loads(json.dumps(DATA["task"]["AnymalTerrain"]))
    content["env"]["defaultJointAngles"]["LF_HAA"] = 0.25
    content["env"]["baseInitState"]["pos"] = [0.0, 0.0, 1.5]
    (tmp_path / "task").mkdir()
    file = tmp_path / "task" / "AnymalTerrain.yaml"
    file.write_text(yaml.safe_dump(content))
    env: Any = checked_run([f"--config-dir={tmp_path}", "task=AnymalTerrain"]).config.task.env
    assert (env.defaultJointAngles["LF_HAA"], env.baseInitState.pos) == (0.25, (0.0, 0.0, 1.5))
    for section, key, value in (
        ("terrain", "restitution", 0.5),
        ("terrain", "staticFriction", 0.5),
        ("defaultJointAngles", "LF_XYZ", 0.1),
    ):
        changed = json.loads(json.dumps(content))
        changed["env"][section][key] = value
        file.write_text(yaml.safe_dump(changed))
        with pytest.raises(ValueError, match=rf"task\.env\.{section}\.{key}={value}: "):
            checked_run([f"--config-dir={tmp_path}", "task=AnymalTerrain"])
