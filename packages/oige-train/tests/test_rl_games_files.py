"""Files of rl_games: old layouts, and the network that follows from weights."""

import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from oige_train.checkpoint import CheckpointError, load_checkpoint, read_info
from oige_train.config.adoption import adopt_network
from oige_train.config.overrides import TRAIN_CFG
from oige_train.learner import rl_games_shim
from oige_train.network_shapes import find_network
from omegaconf import DictConfig, OmegaConf

SETTINGS = {"activation": "elu", "initializer": {"name": "default"}}
SPACE = {
    "continuous": {
        "mu_activation": "None",
        "sigma_activation": "None",
        "mu_init": {"name": "default"},
        "sigma_init": {"name": "const_initializer", "val": 0.0},
        "fixed_sigma": True,
    }
}
LSTM = {"name": "lstm", "units": 7, "layers": 2}
CNN = {"type": "conv2d", **SETTINGS, "convs": [{"filters": 4, "kernel_size": 3, "strides": 2, "padding": 0}]}


def network(units: list[int], **settings: Any) -> dict[str, Any]:
    """The ``network`` section of a policy; settings by key, ``mlp`` and ``continuous`` merged into their sections."""
    mlp, continuous = settings.pop("mlp", {}), settings.pop("continuous", {})
    section = {
        "name": "actor_critic",
        "separate": False,
        "mlp": {"units": units, **SETTINGS, **mlp},
        "space": {"continuous": {**SPACE["continuous"], **continuous}},
    }
    return section | settings


def build(section: Mapping[str, Any], *, normalises: bool = True) -> Any:
    """Build rl_games' model of 5 observations, or of images, and 3 actions."""
    rl_games_shim.install()
    from rl_games.algos_torch.model_builder import ModelBuilder

    sizes = {
        "actions_num": 3,
        "action_dim": 3,
        "obs_dim": 5,
        "input_shape": (9, 11, 2) if "cnn" in section else (5,),
        "num_seqs": 1,
        "value_size": 1,
        "normalize_value": normalises,
        "normalize_input": normalises,
    }
    sac = section["name"] == "soft_actor_critic"
    model = "soft_actor_critic" if sac else "continuous_a2c_logstd"
    with rl_games_shim.building_model():
        return ModelBuilder().load({"model": {"name": model}, "network": dict(section)}).build(sizes)


def configuration(train: str = "PPO", **overrides: Any) -> DictConfig:
    """The base configuration of an algorithm for a task, with the network that :func:`build` builds by default."""
    file = OmegaConf.load(TRAIN_CFG / "train" / f"{train}.yaml")
    cfg = OmegaConf.create({"task": {"name": "Mine"}, "train": file})
    for key, value in overrides.items():
        OmegaConf.update(cfg, f"train.params.{key.replace('__', '.')}", value, force_add=True)
    return cfg


def adopted(cfg: DictConfig, file: Path, *, resumes: bool = False, **keywords: Any) -> list[str]:
    """Adopt the network of a file, and return the notes without the name of the file."""
    keywords = {"overridden": (), "tasks": ["Mine"]} | keywords
    notes = adopt_network(cfg, file, resumes=resumes, **keywords).notes
    return [note.removeprefix(f"checkpoint={file}: ") for note in notes]


def saved(state: Mapping[str, Any], folder: Path) -> Path:
    torch.save(dict(state), folder / "policy.pth")
    return folder / "policy.pth"


@pytest.mark.parametrize(
    "section",
    [
        network([8]),
        network([8, 6], separate=True),
        network([8, 6], mlp={"d2rl": True}),
        network([8, 6], continuous={"fixed_sigma": False}),
        network([]),
        network([8, 6], rnn=LSTM),
        network([8, 6], rnn={**LSTM, "name": "gru", "concat_input": True, "layer_norm": True}),
        network([8, 6], rnn={**LSTM, "concat_output": True}),
        network([8, 6], rnn={**LSTM, "before_mlp": True}, separate=True),
        network([8, 6], rnn={**LSTM, "before_mlp": True, "concat_output": True, "layers": 1, "layer_norm": True}),
        network([8], cnn=CNN),
        network([8], cnn=CNN, separate=True),
    ],
)
def test_network_follows_from_weights(section: dict[str, Any], tmp_path: Path) -> None:
    model = build(section)
    weights = model.state_dict()
    cfg = configuration(network=network([5], rnn={**LSTM, "units": 3}, cnn=section.get("cnn", CNN)))
    adopted(cfg, saved({"model": weights}, tmp_path))
    found = OmegaConf.to_container(cfg.train.params.network)
    assert isinstance(found, dict)
    again = build({key: value for key, value in found.items() if value is not None})  # type: ignore[misc]
    again.load_state_dict(weights)
    shape = (2, 9, 11, 2) if "cnn" in section else (2, 5)
    inputs = {"is_train": False, "prev_actions": None, "obs": torch.randn(shape)}
    memory = [torch.randn(state.shape[0], 2, state.shape[2]) for state in model.get_default_rnn_state() or ()]
    outputs = [each.eval()(inputs | {"rnn_states": memory or None})["mus"] for each in (model, again)]
    assert torch.equal(*outputs)


@pytest.mark.parametrize("before", [True, False])
def test_place_of_recurrent_layers_that_weights_do_not_tell_is_that_of_the_configuration(
    before: bool, tmp_path: Path
) -> None:
    section = network([5], rnn={**LSTM, "units": 5, "before_mlp": before})
    cfg = configuration(network=section)
    adopted(cfg, saved({"model": build(section).state_dict()}, tmp_path))
    assert cfg.train.params.network.rnn.before_mlp is before


def test_sac_network_follows_from_weights(tmp_path: Path) -> None:
    section = {"name": "soft_actor_critic", "log_std_bounds": [-5, 2], "mlp": {"units": [8, 6], **SETTINGS}}
    policy = build(section).sac_network
    state = {"actor": policy.actor.state_dict(), "critic": policy.critic.state_dict()}
    cfg = configuration("SAC")
    notes = adopted(cfg, saved(state, tmp_path))
    assert cfg.train.params.network.mlp.units == [8, 6]
    assert not cfg.train.params.config.normalize_input
    assert notes[0] == "adopted network.mlp.units=[8,6], config.normalize_input=False from its weights."
    assert any(note.startswith("has no statistics of observations") for note in notes)
    optimisers = {f"{name}_optimizer": {} for name in ("actor", "critic", "log_alpha")}
    cfg = configuration("SAC")
    adopted(cfg, saved(state | optimisers, tmp_path), resumes=True)
    assert cfg.train.params.config.normalize_input, "training normalises from new statistics"
    cfg = configuration("SAC")  # rl_games 1.6.5 saves statistics
    notes = adopted(cfg, saved(state | {"running_mean_std": {"count": torch.ones(())}}, tmp_path))
    assert cfg.train.params.config.normalize_input
    assert not any("statistics" in note for note in notes)


def test_unknown_architecture_is_left_to_loading(tmp_path: Path) -> None:
    assert find_network({"model": {"conv.weight": torch.ones(2, 2)}}) is None
    cfg = configuration()
    before = OmegaConf.to_container(cfg, resolve=False)
    assert adopted(cfg, saved({"model": {"conv.weight": torch.ones(2, 2)}}, tmp_path)) == []
    assert OmegaConf.to_container(cfg, resolve=False) == before


def test_missing_statistics_mean_no_normalisation(tmp_path: Path) -> None:
    cfg = configuration(network__mlp__units=[8])
    notes = adopted(cfg, saved({"model": build(network([8]), normalises=False).state_dict()}, tmp_path))
    assert notes[0] == "adopted config.normalize_input=False, config.normalize_value=False from its weights."


def policy_file(folder: Path, **state: Any) -> Path:
    return saved({"model": build(network([8])).state_dict(), "epoch": 4, **state}, folder)


def test_activation_of_upstream_is_adopted(tmp_path: Path) -> None:
    cfg = configuration(network__mlp__units=[8])
    groups = ["task", "train"]  # the user has chosen both
    assert adopted(cfg, policy_file(tmp_path), tasks=["Crazyflie"], overridden=groups) == [
        "adopted network.mlp.activation=tanh from OmniIsaacGymEnvs."
    ]
    assert adopted(configuration(network__mlp__units=[8]), policy_file(tmp_path), tasks=["Ant"]) == []


def test_activation_that_nothing_tells_is_named(tmp_path: Path) -> None:
    (note,) = adopted(configuration(network__mlp__units=[8]), policy_file(tmp_path))
    assert note.startswith("does not contain activations; train.params.network.mlp.activation=elu is assumed.")


@pytest.mark.parametrize("tasks", [["Crazyflie"], ["Mine"], None])
def test_activation_of_the_user_wins(tmp_path: Path, tasks: list[str] | None) -> None:
    cfg = configuration(network__mlp={"units": [8], "activation": "relu", "initializer": {"name": "default"}})
    given = () if tasks is None else ("train", "train.params.network.mlp.activation")
    assert adopted(cfg, policy_file(tmp_path), tasks=tasks, overridden=given) == []
    assert cfg.train.params.network.mlp.activation == "relu"


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """The folder of a run of OmniIsaacGymEnvs, whose network has other activations than its files."""
    folder = tmp_path / "runs" / "Ant"
    (folder / "nn").mkdir(parents=True)
    params = {"network": {"mlp": {"units": [8], "activation": "selu"}}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"task": {"name": "Ant"}, "train": {"params": params}}))
    return folder


def test_activation_of_the_run_s_folder_wins_over_upstream_s(run_folder: Path) -> None:
    cfg = configuration(network__mlp__units=[8])
    (note,) = adopted(cfg, policy_file(run_folder / "nn"), tasks=["Crazyflie"])
    assert note == f"adopted network.mlp.activation=selu from {run_folder / 'config.yaml'}."


@pytest.mark.parametrize("content", ["- 1", "{", "train: 3", "train: {params: {network: []}}", "\0", ""])
def test_unreadable_configuration_of_a_run_is_ignored(run_folder: Path, content: str) -> None:
    (run_folder / "config.yaml").write_text(content)
    cfg = configuration(network__mlp__units=[8])
    assert adopted(cfg, policy_file(run_folder / "nn"), tasks=["Ant"]) == []


def test_strides_that_nothing_tells_are_asked_for(tmp_path: Path) -> None:
    file = saved({"model": build(network([8], cnn=CNN)).state_dict()}, tmp_path)
    with pytest.raises(CheckpointError, match=r"not their strides and paddings; set train.params.network.cnn.convs"):
        adopted(configuration(), file)
    cfg = configuration(network__cnn=CNN)
    adopted(cfg, file, overridden=["train.params.network.cnn.convs"])
    assert cfg.train.params.network.cnn.convs == CNN["convs"]


def test_override_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    message = r"train.params.network.mlp.units=\[9\]: checkpoint=.* has \[8\]; leave train.params.network.mlp.units out"
    with pytest.raises(CheckpointError, match=message):
        adopted(configuration(network__mlp__units=[9]), policy_file(tmp_path), overridden=["train.params.network"])


def test_file_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"trained with PPO, not SAC; add train=PPO"):
        adopted(configuration("SAC"), policy_file(tmp_path))


def test_file_without_optimiser_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"can be played with test=True but not resumed.*has no optimizer\."):
        adopted(configuration(), policy_file(tmp_path), resumes=True)


def test_asymmetric_critic_without_a_counterpart_is_refused(tmp_path: Path) -> None:
    critic = {"model.a2c_network.value.weight": torch.ones(1, 5)}
    file = policy_file(tmp_path, assymetric_vf_nets=critic, optimizer={})
    with pytest.raises(CheckpointError, match="has an asymmetric critic, and the training configuration has none"):
        adopted(configuration(network__mlp__units=[8]), file, resumes=True)
    adopted(configuration(network__mlp__units=[8]), file)  # its policy can be played
    cfg = configuration(network__mlp__units=[8], config__central_value_config={"network": network([8])})
    with pytest.raises(CheckpointError, match="has no asymmetric critic, and the training configuration trains one"):
        adopted(cfg, policy_file(tmp_path, optimizer={}), resumes=True)


def renamed(weights: Mapping[str, Any], pattern: str, replacement: str) -> dict[str, Any]:
    return {re.sub(pattern, replacement, name): value for name, value in weights.items()}


def state_now() -> dict[str, Any]:
    """A checkpoint of the installed rl_games with recurrent cells and an asymmetric critic."""
    policy = build(network([8], rnn=LSTM, separate=True)).state_dict()
    critic = {f"model.{name}": value for name, value in build(network([8], rnn=LSTM)).state_dict().items()}
    values = {f"model.{name}": value for name, value in policy.items() if name.startswith("value_mean_std.")}
    return {"model": policy, "assymetric_vf_nets": critic | values, "optimizer": {}, "epoch": 3, "frame": 0}


def state_of_1_1(state: Mapping[str, Any]) -> dict[str, Any]:
    """The same checkpoint in the layout of rl_games 1.1 and 1.2."""
    policy = {name: value for name, value in state["model"].items() if name.startswith("a2c_network.")}
    statistics, values = (
        {
            name.removeprefix(f"{prefix}."): value
            for name, value in state["model"].items()
            if name.startswith(f"{prefix}.")
        }
        for prefix in ("running_mean_std", "value_mean_std")
    )
    critic = {name: value for name, value in state["assymetric_vf_nets"].items() if "value_mean_std" not in name}
    critic = renamed(critic, r"^model\.(a2c_network|(?=running_mean_std))\.?", r"model.")
    critic = renamed(critic, r"^model\.(?=running_mean_std)", "")
    return {
        "running_mean_std": statistics,
        "reward_mean_std": values,
        "model": renamed(policy, r"rnn\.rnn\.", "rnn."),
        "assymetric_vf_nets": renamed(critic, r"rnn\.rnn\.", "rnn."),
        "optimizer": {},
        "epoch": 3,
    }


def compiled(state: Mapping[str, Any]) -> dict[str, Any]:
    """The same checkpoint as rl_games writes it with ``torch_compile``."""
    return {**state, "model": {f"_orig_mod.{name}": value for name, value in state["model"].items()}}


@pytest.mark.parametrize("layout", [dict, state_of_1_1, compiled])
@pytest.mark.parametrize("archive", [True, False])
def test_layouts_of_all_versions_load_as_the_installed_one(layout: Any, archive: bool, tmp_path: Path) -> None:
    state, file = state_now(), tmp_path / "policy.pth"
    old = layout(state)
    if layout is state_of_1_1:
        assert {"a2c_network.a_rnn.weight_ih_l0"} <= old["model"].keys()
        assert {"model.rnn.weight_ih_l0", "running_mean_std.count"} <= old["assymetric_vf_nets"].keys()
    torch.save(old, file, _use_new_zipfile_serialization=archive)
    assert read_info(file, "x") is None
    loaded = load_checkpoint(file, "cpu")
    for section in ("model", "assymetric_vf_nets"):
        assert loaded[section].keys() == state[section].keys()
        assert all(torch.equal(value, state[section][name]) for name, value in loaded[section].items())
    assert (loaded["epoch"], loaded["frame"]) == (3, 0)


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.victim}",)


def test_old_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    file, victim = tmp_path / "policy.pth", tmp_path / "victim"
    torch.save({"model": {}, "epoch": Malicious(victim)}, file, _use_new_zipfile_serialization=False)
    torch.load(file, weights_only=False)
    assert victim.exists(), "the file must be able to do harm, or the test shows nothing"
    victim.unlink()
    assert read_info(file, "x") is None
    with pytest.raises(CheckpointError, match=r"refused: .* plain values \(\w+\.system\) and could run code"):
        load_checkpoint(file, "cpu")
    assert not victim.exists()


@pytest.mark.parametrize("rest", [b"", b"\x80\x02}q\x00.", pickle.dumps("x", 2)])
def test_beginning_of_an_old_file_is_damaged(rest: bytes, tmp_path: Path) -> None:
    file = tmp_path / "policy.pth"
    torch.save({}, file, _use_new_zipfile_serialization=False)
    file.write_bytes(file.read_bytes()[:15] + rest)
    with pytest.raises(CheckpointError, match=r"damaged|refused"):
        load_checkpoint(file, "cpu")


def small_file(folder: Path, **state: Any) -> Path:
    """A checkpoint of rl_games of Cartpole, with a smaller network than its training configuration has."""
    rl_games_shim.install()
    from rl_games.algos_torch.model_builder import ModelBuilder

    sizes = {"actions_num": 1, "input_shape": (4,), "num_seqs": 1, "normalize_value": True, "normalize_input": True}
    params = {"model": {"name": "continuous_a2c_logstd"}, "network": network([8])}
    with rl_games_shim.building_model():
        model = ModelBuilder().load(params).build(sizes)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    state = {"model": model.state_dict(), "optimizer": optimiser.state_dict(), "epoch": 1, **state}
    return saved(state, folder)


def test_program_plays_a_file_of_rl_games_and_suggests_compatibility(tmp_path: Path, program) -> None:
    file = small_file(tmp_path)
    arguments = ("task=Cartpole", "test=True", f"checkpoint={file}", "num_envs=2", "task.env.episodeLength=5")
    arguments = (*arguments, "train.params.config.player.games_num=2")
    outcome = program(*arguments)
    assert outcome.code == 0, outcome.err
    assert "over 2 finished episodes" in outcome.out
    assert "adopted network.separate=False, network.mlp.units=[8] from its weights." in outcome.err
    assert "if OmniIsaacGymEnvs trained it, add task.env.compat=upstream" in outcome.err
    assert "task.env.compat" not in program(*arguments, "task.env.compat=upstream").err


def test_resumed_file_of_rl_games_keeps_its_network_in_new_checkpoints(tmp_path: Path, program) -> None:
    file = small_file(tmp_path)
    common = ("num_envs=4", "train.params.config.minibatch_size=64")
    outcome = program("task=Cartpole", f"checkpoint={file}", "max_iterations=2", *common)
    assert outcome.code == 0, outcome.err
    assert "after epoch 1; the file has no state of the simulation, so new episodes begin" in outcome.err
    (last,) = (tmp_path / "runs" / "Cartpole" / "nn").glob("last_*.pth")
    info = read_info(last, "last")
    assert info is not None
    assert info.run is not None
    assert info.run.config["train"]["params"]["network"]["mlp"]["units"] == [8]
    played = program(f"checkpoint={last}", "test=True", "train.params.config.player.games_num=2", "num_envs=2")
    assert played.code == 0, played.err
    ended = program("task=Cartpole", f"checkpoint={file}", "max_iterations=1", *common)
    assert ended.code == 2
    assert "is from epoch 1, and training ends at epoch 1" in ended.err


def test_sizes_of_another_task_are_refused_with_tasks_that_fit(tmp_path: Path, program) -> None:
    outcome = program("task=Ant", "test=True", f"checkpoint={small_file(tmp_path)}")
    assert outcome.code == 2
    assert "trained with 4 observations and 1 actions, but Ant has 60 observations and 8 actions" in outcome.err
    assert outcome.err.rstrip().endswith("choose task=Cartpole.")


def test_task_of_the_run_s_folder_is_chosen(run_folder: Path, program) -> None:
    outcome = program("test=True", f"checkpoint={small_file(run_folder / 'nn')}")
    assert outcome.code == 2
    assert "but Ant has 60 observations" in outcome.err


def test_resuming_leaves_the_folder_of_a_run_of_upstream_as_it_is(tmp_path: Path, program) -> None:
    folder = tmp_path / "runs" / "Cartpole"
    (folder / "nn").mkdir(parents=True)
    (folder / "config.yaml").write_text("task: {name: Cartpole}\n")
    file = small_file(folder / "nn").rename(folder / "nn" / "Cartpole.pth")
    before = {path: path.read_bytes() for path in (file, folder / "config.yaml")}
    outcome = program(f"checkpoint={file}", "max_iterations=2", "num_envs=4", "train.params.config.minibatch_size=64")
    assert outcome.code == 0, outcome.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert list((tmp_path / "runs" / "Cartpole_2" / "nn").glob("last_*.pth"))


def test_activation_of_the_user_s_training_configuration_wins(tmp_path: Path, program) -> None:
    (tmp_path / "mine" / "train").mkdir(parents=True)
    own = {"defaults": ["PPO", "_self_"], "params": {"network": {"mlp": {"activation": "selu"}}}}
    (tmp_path / "mine" / "train" / "CartpolePPO.yaml").write_text(yaml.safe_dump(own))
    arguments = ("task=Cartpole", "test=True", f"checkpoint={small_file(tmp_path)}", "num_envs=2")
    arguments = (*arguments, "train.params.config.player.games_num=2", "task.env.episodeLength=5")
    outcome = program("--config-dir", "mine", *arguments)
    assert outcome.code == 0, outcome.err
    assert "adopted network.mlp.units=[8] from its weights." in outcome.err
