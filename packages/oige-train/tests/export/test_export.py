"""``oige-export``, and exported policies that are played."""

import json
import logging
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
from oige_core import make_env
from oige_core.errors import OigeError
from oige_train.cli.common import checked_run
from oige_train.cli.export import export
from oige_train.export import deployment
from oige_train.export.contract import read_contract
from oige_train.export.exported import ExportedPolicy
from oige_train.export.vectors import decode, encode
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy import build_policy
from oige_train.policy_loading import load_policy

SMALL = ["sim_device=cpu", "num_envs=3", "steps=40"]


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported policy of Cartpole."""
    file = tmp_path_factory.mktemp("cartpole") / "policy.onnx"
    assert export(["task=Cartpole", "checkpoint=pretrained", f"output={file}", *SMALL]) == 0
    return file


def test_three_files_are_written_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "policy.onnx"
    export(["task=Cartpole", "checkpoint=pretrained", f"output={file}", *SMALL])
    policy, contract, model = capsys.readouterr().out.splitlines()
    assert policy.startswith(f"{file}: policy of Cartpole, observations 4, 1 actions, ")
    start = f"{file.with_suffix('.json')}: contract, 120 recorded steps, 16 test vectors, largest deviation "
    assert contract.startswith(start)
    assert float(contract.removeprefix(start)) < 1e-5
    assert model == f"{file.with_suffix('.xml')}: the task's world"
    assert sorted(path.name for path in file.parent.iterdir()) == ["policy.json", "policy.onnx", "policy.xml"]


def test_contract_says_what_the_task_has(cartpole: Path) -> None:
    values = read_contract(cartpole).values
    assert values["control"] == {
        "rate": pytest.approx(1 / 0.0166),
        "period": 0.0166,
        "physics_dt": 0.0083,
        "decimation": 2,
    }
    entries = values["observations"]["entries"]
    assert [entry["unit"] for entry in entries] == ["m", "m/s", "rad", "rad/s"]
    assert values["observations"]["clip"] == 5.0
    (action,) = values["actions"]["entries"]
    assert (action["kind"], action["unit"], action["scale"]) == ("effort", "N", 400.0)
    (robot,) = values["robots"]
    cart, pole = robot["joints"]
    assert (cart["name"], cart["lower_limit"], cart["upper_limit"], cart["mode"]) == ("cartJoint", -4.0, 4.0, "effort")
    assert (pole["name"], pole["lower_limit"], pole["default_position"]) == ("poleJoint", None, 0.0)
    pairs = [(each["position"], each["velocity"]) for each in values["relations"]["derivatives"]]
    assert pairs == [(0, 1), (2, 3)]
    assert [each["slope"] for each in values["relations"]["derivatives"]] == pytest.approx([1.0, 1.0], abs=0.05)


def test_contract_has_the_limits_and_the_rate_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "policy.pt"
    changes = ["controlFrequencyInv=3", "clipObservations=3.5", "clipActions=0.75"]
    arguments = ["task=Cartpole", "checkpoint=pretrained", f"output={file}", "model=False", *SMALL]
    export([*arguments, *(f"task.env.{change}" for change in changes)])
    values = read_contract(file).values
    assert (values["control"]["decimation"], values["control"]["period"]) == (3, pytest.approx(3 * 0.0083))
    assert values["observations"]["clip"] == 3.5
    assert (values["actions"]["clip"], values["actions"]["bound"]) == (0.75, 1.0)
    assert values["recording"] == {"steps": 40, "worlds": 3, "seed": 42, "engine": "MuJoCo"}
    overrides = values["checkpoint"]["info"]["run"]["overrides"]
    assert not [text for text in overrides if text.startswith("num_envs")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy.json", "policy.pt"]
    assert file.stat().st_mode & 0o777 == 0o644  # others may read it


def test_file_in_the_place_of_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    output = tmp_path / "taken" / "policy.onnx"
    with pytest.raises(OigeError) as info:
        export(["task=Cartpole", "checkpoint=pretrained", f"output={output}", *SMALL])
    assert str(info.value) == f"output={output}: cannot be written (File exists); choose another folder."


def test_actions_of_an_episode_are_those_of_the_checkpoint(cartpole: Path) -> None:
    runs = [
        checked_run(["task=Cartpole", "test=True", f"checkpoint={checkpoint}", "num_envs=2", "sim_device=cpu"])
        for checkpoint in ("pretrained", cartpole)
    ]
    adapters = [RlGamesEnv(make_env(run.config), "cpu") for run in runs]
    policies = [load_policy(run, adapter) for run, adapter in zip(runs, adapters, strict=True)]
    observations = [adapter.reset()["obs"] for adapter in adapters]
    ended = [torch.zeros(2, dtype=torch.bool)] * 2
    for _ in range(500):
        actions = [policy.act(seen, deterministic=True) for policy, seen in zip(policies, observations, strict=True)]
        torch.testing.assert_close(actions[1], actions[0], atol=2e-5, rtol=0.0)
        steps = [adapter.step(action) for adapter, action in zip(adapters, actions, strict=True)]
        observations, ended = [step[0]["obs"] for step in steps], [step[2] for step in steps]
    assert all(both.all() for both in ended)  # the last step is that of the time limit
    for adapter in adapters:
        adapter.env.close()


def test_recurrent_policies_keep_their_hidden_state(tmp_path: Path) -> None:
    lstm = {"name": "lstm", "units": 5, "layers": 1}
    arguments = [f"+train.params.network.rnn.{key}={value}" for key, value in lstm.items()]
    arguments += ["task=Cartpole", "train.params.config.symmetry_augmentation=False", "sim_device=cpu", "num_envs=2"]
    checkpoint, output = tmp_path / "lstm.pth", tmp_path / "policy.onnx"
    run = checked_run(arguments)
    adapter = RlGamesEnv(make_env(run.config), "cpu")
    policy = build_policy(run, adapter.get_env_info(), "cpu", 2)
    torch.save({"model": policy.model.state_dict(), "epoch": 1}, checkpoint)
    export([*arguments, f"checkpoint={checkpoint}", f"output={output}", "steps=30"])
    exported = ExportedPolicy(read_contract(output), "cpu", 2)
    observations = adapter.reset()["obs"]
    for step in range(60):
        actions = policy.act(observations, deterministic=True)
        torch.testing.assert_close(exported.act(observations, deterministic=True), actions, atol=2e-5, rtol=0.0)
        observations, _, done, _ = adapter.step(actions)
        observations, done = observations["obs"], done | torch.tensor([step == 20, False])
        for each in (policy, exported):
            each.reset_hidden_state(done)
    adapter.env.close()


def test_differences_between_task_and_contract_are_said(cartpole: Path, caplog: pytest.LogCaptureFixture) -> None:
    contract = read_contract(cartpole)
    contract.values["robots"][0]["joints"][0]["stiffness"] = 30.0
    other = {**contract.values["robots"][0], "joints": contract.values["robots"][0]["joints"][::-1]}
    contract.values["robots"].extend([other, {"name": "arm", "joints": []}])
    run = checked_run(["test=True", f"checkpoint={cartpole}", "num_envs=2", "sim_device=cpu", "task.sim.dt=0.01"])
    adapter = RlGamesEnv(make_env(run.config), "cpu")
    with caplog.at_level(logging.WARNING):
        ExportedPolicy(contract, "cpu", 2).compare(adapter.env)
    assert [record.getMessage() for record in caplog.records] == [
        f"checkpoint={cartpole}: was exported at 60.241 Hz, and the task now runs at 50 Hz",
        f"checkpoint={cartpole}: was exported with stiffness 30 of cartJoint, and the task now has 0",
        f"checkpoint={cartpole}: {other['name']} has other joints in the task",
        f"checkpoint={cartpole}: arm is missing in the task",
    ]
    adapter.env.close()


def test_model_is_the_world_of_the_task(cartpole: Path) -> None:
    model = mujoco.MjModel.from_xml_path(str(cartpole.with_suffix(".xml")))
    assert [model.joint(index).name for index in range(2)] == ["Cartpole/cartJoint", "Cartpole/poleJoint"]
    assert model.opt.timestep == pytest.approx(0.0083)
    assert model.actuator_gainprm[:, 0].tolist() == [1.0, 1.0]  # ctrl is the effort
    run = checked_run(["task=Cartpole", "num_envs=1", "sim_device=cpu"])
    env = make_env(run.config)
    compiled = env.task.engine.compiled.model  # type: ignore[attr-defined]
    np.testing.assert_allclose(model.body_mass, compiled.body_mass, rtol=1e-5)
    np.testing.assert_allclose(model.body_inertia, compiled.body_inertia, rtol=1e-4)
    env.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["output=x.txt"], "output=x.txt: expected a name that ends in .onnx or .pt."),
        (["output="], "output=: a value is required."),
        (["model=yes"], "model=yes: expected True or False."),
        (["steps=0"], "steps=0: expected a whole number above 0."),
        (["test=True"], "test: has no effect in oige-export; leave it out."),
        (["headless=False"], "headless=False: has no effect in oige-export; leave it out."),
    ],
)
def test_invalid_arguments_are_reported(arguments: list[str], message: str) -> None:
    with pytest.raises(OigeError) as info:
        export(["task=Cartpole", "checkpoint=pretrained", *arguments])
    assert str(info.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [],
            "can be played with test=True but not trained; resume from the checkpoint it was exported from, "
            "Cartpole.pth.",
        ),
        (["test=True", "evaluation=True"], "has no newer checkpoints beside it; leave evaluation=True out."),
        (
            ["test=True", "train.params.config.player.deterministic=False"],
            "has no exploration noise; leave train.params.config.player.deterministic=False out.",
        ),
    ],
)
def test_what_an_exported_policy_cannot_do_is_refused(cartpole: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(OigeError) as info:
        checked_run([f"checkpoint={cartpole}", "sim_device=cpu", *arguments])
    assert str(info.value) == f"checkpoint={cartpole}: an exported policy {message}"


def test_other_tasks_are_refused(cartpole: Path) -> None:
    with pytest.raises(OigeError) as info:
        checked_run([f"checkpoint={cartpole}", "task=Ant", "test=True"])
    assert str(info.value) == (
        f"checkpoint={cartpole}: belongs to task Cartpole, not Ant; give a checkpoint of Ant, or leave task= out."
    )


def damage(cartpole: Path, folder: Path, change: str) -> Path:
    """Return a copy of the exported policy with one fault."""
    file = folder / "policy.onnx"
    file.write_bytes(cartpole.read_bytes())
    text = cartpole.with_suffix(".json").read_text()
    values = json.loads(text)
    match change:
        case "no contract":
            return file
        case "other policy":
            values["policy"]["sha256"] = "0" * 64
        case "newer":
            values["format"] = 2
        case "no entries":
            del values["observations"]
        case "no JSON":
            file.with_suffix(".json").write_text(text[:-20])
            return file
    file.with_suffix(".json").write_text(json.dumps(values))
    return file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no contract", "{policy}: expected its contract policy.json beside it; copy both files."),
        ("other policy", "{policy}: is not the file that policy.json describes; export the policy again."),
        ("newer", "{contract}: written by a newer version (format 2, not 1); update oige-train."),
        ("no entries", "{contract}: observations: is missing; export the policy again."),
    ],
)
def test_damaged_contracts_are_reported(cartpole: Path, tmp_path: Path, change: str, message: str) -> None:
    file = damage(cartpole, tmp_path, change)
    with pytest.raises(OigeError) as info:
        read_contract(file)
    assert str(info.value) == message.format(policy=file, contract=file.with_suffix(".json"))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("control.period", 0.0, "control.period: is 0.0, expected a number above 0"),
        ("control.period", float("nan"), "control.period: is NaN, expected a number above 0"),
        ("control.decimation", 2.5, "control.decimation: is 2.5, expected a whole number above 0"),
        ("task.name", None, "task.name: is null, expected text"),
        ("checkpoint.info.overrides", 1, "checkpoint.info: damaged (TypeError("),
        ("observations.dtype", "float64", 'observations.dtype: is "float64", expected float32 or uint8'),
        ("observations.shape", 4, "observations.shape: is 4, expected a list"),
        ("observations.shape.0", 3, "observations.entries: has 4 entries, expected 3, the last size of the shape"),
        ("observations.entries.1.mean", "0", 'observations.entries[1].mean: is "0", expected a finite number'),
        ("observations.entries.1", [], "observations.entries[1]: is [], expected a section"),
        (
            "observations.entries.0.relative_to",
            "start",
            'observations.entries[0].relative_to: is "start", expected zero or limits or default_pose or current',
        ),
        ("robots.0.joints.0.max_effort", -1, "robots[0].joints[0].max_effort: is -1, expected a number of at least 0"),
        ("robots.0.start_position", [0.0], "robots[0].start_position: is [0.0], expected 3 numbers"),
        (
            "relations.unit_vectors",
            [{"entries": [3, 4], "length": 1.0}],
            "relations.unit_vectors[0].entries: is 4, expected an index of at most 3",
        ),
        (
            "relations.echoes",
            [{"observation": 0, "action": 1, "slope": 1.0}],
            "relations.echoes[0].action: is 1, expected an index of at most 0",
        ),
        ("vectors.actions", "a", 'vectors.actions: is "a", expected an array'),
    ],
)
def test_wrong_fields_of_contracts_are_named(
    cartpole: Path, tmp_path: Path, path: str, value: object, message: str
) -> None:
    file = damage(cartpole, tmp_path, "nothing")
    values = inner = json.loads(file.with_suffix(".json").read_text())
    *sections, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in sections:
        inner = inner[key]
    inner[last] = value
    file.with_suffix(".json").write_text(json.dumps(values))
    with pytest.raises(OigeError) as info:
        read_contract(file)
    assert str(info.value).startswith(f"{file.with_suffix('.json')}: {message}")
    assert str(info.value).endswith("; export the policy again.")


def test_damaged_test_vectors_are_reported(cartpole: Path, tmp_path: Path) -> None:
    file = damage(cartpole, tmp_path, "nothing")
    values = json.loads(file.with_suffix(".json").read_text())
    values["vectors"]["actions"].pop()
    file.with_suffix(".json").write_text(json.dumps(values))
    with pytest.raises(OigeError) as info:
        ExportedPolicy(read_contract(file), "cpu", 1)
    assert str(info.value) == (
        f"{file}: test vectors of its contract are damaged (zip() argument 2 is shorter than argument 1); export the "
        "policy again."
    )


def test_input_of_another_name_is_reported(cartpole: Path, tmp_path: Path) -> None:
    file = damage(cartpole, tmp_path, "nothing")
    values = json.loads(file.with_suffix(".json").read_text())
    values["policy"]["input"] = "obs"
    file.with_suffix(".json").write_text(json.dumps(values))
    with pytest.raises(OigeError) as info:
        ExportedPolicy(read_contract(file), "cpu", 1)
    assert str(info.value) == f"{file}: has inputs ['observations'], expected ['obs']; export the policy again."


def test_other_files_are_no_policies(cartpole: Path) -> None:
    file = cartpole.with_suffix(".xml")
    with pytest.raises(OigeError) as info:
        read_contract(file)
    assert str(info.value) == f"{file}: expected an exported policy, whose name ends in .onnx or .pt."


def test_task_in_one_file_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgets_tasks: None) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exported_pole.py").write_text(
        "import oige_core\n"
        "from oige_tasks_classic.cartpole.task import CartpoleTask\n\n\n"
        "class ExportedPole(CartpoleTask): ...\n\n\n"
        'oige_core.register_task("ExportedPole", ExportedPole, base="Cartpole")\n'
    )
    shipped = checked_run(["task=Cartpole", "checkpoint=pretrained", "test=True", "sim_device=cpu"]).checkpoint
    assert shipped is not None
    torch.save(torch.load(shipped, weights_only=True), tmp_path / "pole.pth")  # without the name of its task
    file = tmp_path / "policy.onnx"
    assert export(["task=exported_pole.py", "checkpoint=pole.pth", f"output={file}", *SMALL]) == 0
    task = read_contract(file).values["task"]
    assert (task["name"], task["package"], task["version"]) == ("ExportedPole", "exported_pole", "")


def test_one_recorded_step_has_no_relations_and_no_warnings(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    file = tmp_path / "policy.onnx"
    export(["task=Cartpole", "checkpoint=pretrained", f"output={file}", "sim_device=cpu", "num_envs=1", "steps=1"])
    assert not [warning for warning in recwarn.list if issubclass(warning.category, RuntimeWarning)]
    assert read_contract(file).values["relations"] == {"derivatives": [], "echoes": [], "unit_vectors": []}


@pytest.mark.parametrize("name", ["arm.xml", "arm.json"])
def test_files_that_are_not_from_an_export_are_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    output = tmp_path / "arm.onnx"
    with pytest.raises(OigeError) as info:
        deployment.check_output(output)
    assert str(info.value) == (
        f"output={output}: {name} beside it is not from an export and would be overwritten; choose another name."
    )
    output.write_text("exported before")
    deployment.check_output(output)


def test_unreadable_contract_is_reported(cartpole: Path, tmp_path: Path) -> None:
    file = damage(cartpole, tmp_path, "no JSON")
    with pytest.raises(OigeError, match=r"policy.json: damaged \(.*\); export the policy again\.$"):
        read_contract(file)


def test_nothing_is_written_if_test_vectors_do_not_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_vectors(actor: object, recording: object) -> dict[str, object]:
        return {"observations": [[0.0] * 4], "actions": [[0.7]], "final_hidden": [], "tolerance": 5e-4}

    monkeypatch.setattr("oige_train.export.build.make_vectors", wrong_vectors)
    output = tmp_path / "policy.onnx"
    with pytest.raises(OigeError) as info:
        export(["task=Cartpole", "checkpoint=pretrained", f"output={output}", *SMALL])
    start = f"{output}: gives something else for test vector 0 of its contract (difference "
    assert str(info.value).startswith(start)
    assert str(info.value).endswith(", expected at most 5e-04); export the policy again.")
    assert list(tmp_path.iterdir()) == []


def test_contract_of_another_format_is_not_overwritten(cartpole: Path) -> None:
    output = cartpole.with_suffix(".pt")
    with pytest.raises(OigeError) as info:
        deployment.check_output(output)
    assert str(info.value) == (f"output={output}: policy.json beside it belongs to policy.onnx; choose another name.")


def test_vectors_are_restored_exactly(cartpole: Path) -> None:
    generator = np.random.default_rng(0)
    floats = generator.normal(size=(5, 3)).astype(np.float32) * np.float32(1e-3)
    images = generator.integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    for array in (floats, images):
        restored = decode(json.loads(json.dumps(encode(array))))
        assert restored.dtype == array.dtype
        assert np.array_equal(restored, array)
