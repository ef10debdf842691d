"""``oige-deploy-check``: a good log of ANYmal, and one fault in it at a time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from oige_core import make_env
from oige_core.errors import OigeError
from oige_train.cli.common import checked_run
from oige_train.cli.deploy_check import deploy_check
from oige_train.cli.export import export
from oige_train.export.actor import load_actor
from oige_train.export.check import check_log
from oige_train.export.contract import Contract, read_contract
from oige_train.export.log import read_log
from oige_train.export.rollout import record

Arrays = dict[str, np.ndarray]
JOINTS = ["LF", "LH", "RF", "RH"]
STEPS = 200
PERIOD = 0.02


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    """Return the contract of ANYmal's policy."""
    file = tmp_path_factory.mktemp("anymal") / "policy.onnx"
    export(["task=Anymal", "checkpoint=pretrained", f"output={file}", "sim_device=cpu", "num_envs=16", "steps=150"])
    return read_contract(file)


@pytest.fixture(scope="module")
def recorded(contract: Contract) -> Arrays:
    """Return a good log: the policy in its task, with another seed, and what encoders and an IMU would measure."""
    run = checked_run([f"checkpoint={contract.policy}", "test=True", "num_envs=1", "seed=5", "sim_device=cpu"])
    pretrained = checked_run(["task=Anymal", "checkpoint=pretrained", "test=True", "num_envs=1", "sim_device=cpu"])
    env = make_env(run.config)
    positions, orientations = [], []
    view = env.task.anymals  # type: ignore[attr-defined]
    positions.append(view.get_joint_positions()[0].numpy())

    def measure(observations: torch.Tensor) -> torch.Tensor:
        positions.append(view.get_joint_positions()[0].numpy())
        orientations.append(view.get_world_poses()[1][0].numpy())
        return observations

    env.observation_hooks.append(measure)
    recording = record(env, load_actor(pretrained), STEPS)
    env.close()
    return {
        "observations": recording.observations[:, 0],
        "actions": recording.actions[:, 0],
        "starts": recording.starts[:, 0],
        "time": np.arange(STEPS) * PERIOD,
        "joint_names": np.array([joint["name"] for joint in contract.values["robots"][0]["joints"]]),
        "joint_positions": np.stack(positions[1 : STEPS + 1]),
        "base_orientation": np.stack(orientations[:STEPS]),
    }


@pytest.fixture
def good(recorded: Arrays) -> Arrays:
    """Return a copy of the good log."""
    return {name: array.copy() for name, array in recorded.items()}


def column(contract: Contract, name: str) -> int:
    """Return the index of an observation."""
    return [entry["name"] for entry in contract.observations].index(name)


def findings(contract: Contract, arrays: Arrays, folder: Path) -> dict[str, str]:
    """Return the findings of a log by entry."""
    file = folder / "log.npz"
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return {finding.entry: finding.text for finding in check_log(contract, read_log(file)).findings}


def replay_after(contract: Contract, arrays: Arrays) -> None:
    """Let the policy of the log have seen its damaged observations, as on a robot."""
    from oige_train.export.check_actions import replay
    from oige_train.export.log import Log

    arrays["actions"] = replay(contract, Log(Path(), arrays["observations"], arrays["starts"]))
    echoed = [column(contract, f"previous_action[{entry['component']}]") for entry in contract.actions]
    arrays["observations"][1:, echoed] = arrays["actions"][:-1]
    arrays["actions"] = replay(contract, Log(Path(), arrays["observations"], arrays["starts"]))


def test_good_log_has_no_findings(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    assert findings(contract, good, tmp_path) == {}


def test_nan_is_named_with_its_row(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["observations"][[50, 60], column(contract, "gravity[y]")] = np.nan
    assert findings(contract, good, tmp_path) == {"gravity[y]": "NaN or infinite in 2 of 200 rows, first in row 50"}


def test_degrees_are_recognised(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    columns = [column(contract, f"joint_position[{leg}_KFE]") for leg in JOINTS]
    good["observations"][:, columns] *= 180.0 / np.pi
    del good["joint_positions"], good["actions"]
    found = findings(contract, good, tmp_path)
    assert "degrees instead of rad" in found["joint_position[LF_KFE]"]
    assert {name for name in found if name.startswith("joint_position")} == {
        f"joint_position[{leg}_KFE]" for leg in JOINTS
    }


def test_missing_scale_is_recognised(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    columns = [index for index, entry in enumerate(contract.observations) if entry["quantity"] == "joint_velocity"]
    good["observations"][:, columns] /= 0.05
    del good["actions"]
    found = findings(contract, good, tmp_path)
    scaled = [text for name, text in found.items() if name.startswith("joint_velocity")]
    assert len(scaled) == 12
    assert sum("values without the scale of 0.05" in text for text in scaled) >= 10


def test_exchanged_joints_are_named(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    first, second = (column(contract, f"joint_position[LF_{joint}]") for joint in ("HFE", "KFE"))
    good["observations"][:, [first, second]] = good["observations"][:, [second, first]]
    del good["joint_positions"], good["actions"]
    found = findings(contract, good, tmp_path)
    assert "it looks like joint_position[LF_KFE]" in found["joint_position[LF_HFE]"]
    assert "it looks like joint_position[LF_HFE]" in found["joint_position[LF_KFE]"]


def test_joints_in_another_order_are_told_by_their_velocities(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    # Both hind hips move about the same mean, so that only their velocities tell them apart.
    first, second = (column(contract, f"joint_velocity[{leg}_HAA]") for leg in ("LF", "RF"))
    good["observations"][:, [first, second]] = good["observations"][:, [second, first]]
    del good["joint_positions"], good["actions"]
    found = findings(contract, good, tmp_path)
    assert "joint_velocity[RF_HAA] does" in found["joint_velocity[LF_HAA]"]
    assert "joint_velocity[LF_HAA] does" in found["joint_velocity[RF_HAA]"]


def test_encoders_in_another_order_are_named(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    order = np.arange(12)
    order[[4, 5]] = order[[5, 4]]
    good["joint_positions"] = good["joint_positions"][:, order]
    found = findings(contract, good, tmp_path)
    assert found.keys() == {"joint_position[LF_HFE]", "joint_position[LH_HFE]"}
    assert found["joint_position[LF_HFE]"].endswith("it fits LH_HFE, so that the order differs")


def test_encoders_in_degrees_are_named(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["joint_positions"][:, 3] *= 180.0 / np.pi
    found = findings(contract, good, tmp_path)
    assert found.keys() == {"joint_positions[RH_HAA]"}
    assert found["joint_positions[RH_HAA]"].endswith("the measured position looks like degrees")


def test_dead_encoder_and_constant_observation_are_not_called_degrees(
    contract: Contract, good: Arrays, tmp_path: Path
) -> None:
    good["joint_positions"][:, 3] = 0.0
    good["joint_positions"][:, 2] = 1.0
    good["observations"][:, column(contract, "joint_position[LH_HAA]")] = 0.0
    del good["actions"]
    found = findings(contract, good, tmp_path)
    assert "differs from the measured position of RH_HAA" in found["joint_position[RH_HAA]"]
    assert not [text for text in found.values() if "degrees" in text]


def test_positions_without_the_default_pose_are_recognised(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    index = column(contract, "joint_position[LF_KFE]")
    default = next(j for j in contract.values["robots"][0]["joints"] if j["name"] == "LF_KFE")["default_position"]
    good["observations"][:, index] += default
    del good["actions"]
    found = findings(contract, good, tmp_path)
    assert found["joint_position[LF_KFE]"].endswith("the default position was not subtracted")


def test_quaternion_with_the_scalar_last_is_recognised(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["base_orientation"] = good["base_orientation"][:, [1, 2, 3, 0]]
    found = findings(contract, good, tmp_path)
    assert found.keys() == {"base_orientation"}
    assert found["base_orientation"].endswith(", and expected is w, x, y, z")


def test_quaternion_of_another_length_is_reported(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["base_orientation"] *= 1.5
    assert findings(contract, good, tmp_path) == {"base_orientation": "has the length 1.5, expected 1"}


def test_vector_of_another_length_is_reported(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    columns = [column(contract, f"gravity[{axis}]") for axis in "xyz"]
    good["observations"][:, columns] *= 0.9
    del good["actions"], good["base_orientation"]
    found = findings(contract, good, tmp_path)
    assert found["gravity[x, y, z]"] == "has the length 0.9, recorded always 1"


def test_wrong_rate_is_reported(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["time"] = np.arange(STEPS) * 0.025
    expected = "steps of 0.025 s (40 Hz), but the policy was recorded with 0.02 s (50 Hz)"
    assert findings(contract, good, tmp_path) == {"time": expected}


def test_wrong_rate_is_told_without_time_stamps(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    kept = slice(None, None, 2)  # what a loop of 25 Hz would see of the same motion
    log = {name: good[name][kept] for name in ("observations", "starts")}
    found = findings(contract, log, tmp_path)
    assert "it looks like 2" in found["rate"]
    assert found["rate"].endswith("Hz instead of 50 Hz")


def test_late_steps_and_time_that_runs_backwards_are_reported(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["time"][100:] += 0.05
    good["time"][150:] += 0.05
    good["time"][170:] += 0.05
    expected = "3 of 199 steps are longer than 1.5 control periods of 0.02 s, the longest 0.07 s"
    assert findings(contract, good, tmp_path) == {"time": expected}
    good["time"][120] = good["time"][119]
    assert findings(contract, good, tmp_path) == {"time": "does not increase from row 119 to row 120"}


def test_frozen_entry_is_named_with_its_rows(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    index = column(contract, "joint_velocity[RF_KFE]")
    good["observations"][80:140, index] = 0.125
    del good["actions"]
    found = findings(contract, good, tmp_path)
    assert found["joint_velocity[RF_KFE]"] == "keeps the value 0.125 for 60 steps from row 80, recorded at most 1"


def test_delayed_entry_is_named(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    index = column(contract, "joint_velocity[LF_HFE]")
    good["observations"][3:, index] = good["observations"][:-3, index]
    del good["actions"]
    found = findings(contract, good, tmp_path)
    text = found["joint_velocity[LF_HFE]"]
    assert text.startswith("looks delayed: it fits joint_position[LF_HFE] 3 control steps earlier")


def test_delayed_actions_are_recognised(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["actions"][2:] = good["actions"][:-2].copy()
    found = findings(contract, good, tmp_path)
    names = {f"joint_target_speed[{joint}]" for joint in good["joint_names"]}
    assert names <= found.keys()
    assert all(found[name].endswith("it is that of 2 steps earlier, so that it looks delayed") for name in names)


def test_actions_in_another_order_scale_and_sign_are_recognised(
    contract: Contract, good: Arrays, tmp_path: Path
) -> None:
    good["actions"][:, [0, 1]] = good["actions"][:, [1, 0]]
    good["actions"][:, 2] *= 13.5
    good["actions"][:, 3] *= -1.0
    found = findings(contract, good, tmp_path)
    assert found["joint_target_speed[LF_HAA]"].endswith(
        "it is that of joint_target_speed[LH_HAA], so that the order differs"
    )
    assert found["joint_target_speed[RF_HAA]"].endswith("; it is 13.5 times that")
    assert found["joint_target_speed[RH_HAA]"].endswith("; it is -1 times that, with the other sign")
    assert "joint_target_speed[LF_HFE]" not in found


def test_actions_that_the_policy_would_not_give_are_reported(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["actions"] = np.random.default_rng(0).uniform(-1.0, 1.0, good["actions"].shape).astype(np.float32)
    found = findings(contract, good, tmp_path)
    assert len([name for name in found if name.startswith("joint_target_speed")]) == 12
    assert found["joint_target_speed[LF_HAA]"].startswith("is not what the policy gives for its observations (")


def test_previous_actions_of_other_steps_are_reported(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    index = column(contract, "previous_action[LF_KFE]")
    good["observations"][1:, index] = good["observations"][:-1, index].copy()
    replay_after(contract, good)
    good["observations"][2:, index] = good["actions"][:-2, 8]
    del good["actions"]
    found = findings(contract, good, tmp_path)
    assert "previous_action[LF_KFE]" in found


def test_shapes_and_names_are_compared_first(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    names = np.array([entry["name"] for entry in contract.observations])
    names[[12, 13]] = names[[13, 12]]
    good["observation_names"] = names
    good["actions"] = good["actions"][:, :11]
    assert findings(contract, good, tmp_path) == {
        "actions": "has the shape (200, 11), expected (200, 12)",
        "observation_names[12]": "is 'joint_position[LH_HAA]', and the contract has 'joint_position[LF_HAA]' there",
        "observation_names[13]": "is 'joint_position[LF_HAA]', and the contract has 'joint_position[LH_HAA]' there",
    }


def test_short_logs_and_unknown_joints_are_reported(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    short = {name: good[name][:10] for name in ("observations", "actions")}
    assert findings(contract, short, tmp_path) == {
        "observations": "has 10 steps, too few to compare; at least 20 are needed"
    }
    good["joint_names"] = good["joint_names"].astype("U16")
    good["joint_names"][0] = "left_hip"
    assert findings(contract, good, tmp_path) == {"joint_names[0]": "is 'left_hip', which is no joint of the contract"}


def test_joints_that_are_named_twice_are_reported(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["joint_names"] = good["joint_names"].copy()
    good["joint_names"][1] = good["joint_names"][0]
    assert findings(contract, good, tmp_path) == {"joint_names": "has 'LF_HAA' 2 times, expected each joint once"}


def test_time_stamps_that_are_nan_are_reported(contract: Contract, good: Arrays, tmp_path: Path) -> None:
    good["time"] = np.arange(STEPS) * PERIOD
    good["time"][7:9] = np.nan
    assert findings(contract, good, tmp_path) == {"time": "NaN or infinite in 2 of 200 rows, first in row 7"}


def test_program_prints_findings_and_returns_one(
    contract: Contract, good: Arrays, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log.npz"
    np.savez(file, observations=good["observations"])
    assert deploy_check([str(contract.policy), str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "not compared: rate (no array 'time'); actions (no array 'actions')"
    assert lines[2] == f"{file}: nothing in 200 steps contradicts the recording of Anymal"
    np.savez(file, observations=good["observations"], time=np.arange(STEPS) * 0.01)
    assert deploy_check([str(contract.policy), str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "time: steps of 0.01 s (100 Hz), but the policy was recorded with 0.02 s (50 Hz)"
    assert lines[-1] == f"{file}: 1 finding in 200 steps of Anymal"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"actions": np.zeros((30, 12))}, "{file}: has no array 'observations' (T, D), which is required."),
        (
            {"observation": np.zeros(3)},
            "{file}: has an array 'observation', which logs do not have. Did you mean observations or "
            "observation_names or base_orientation?",
        ),
        (
            {"observations": np.array(["a"])},
            "{file}: observations has the type <U1; expected numbers.",
        ),
        (None, "{file}: not a NumPy archive of arrays; write the log with numpy.savez."),
    ],
)
def test_other_files_are_refused(tmp_path: Path, arrays: Arrays | None, message: str) -> None:
    file = tmp_path / "log.npz"
    file.write_text("no archive") if arrays is None else np.savez(file, **arrays)  # type: ignore[arg-type]
    with pytest.raises(OigeError) as info:
        read_log(file)
    assert str(info.value) == message.format(file=file)


def test_file_of_one_array_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "log.npy"
    np.save(file, np.zeros((30, 4)))
    with pytest.raises(OigeError) as info:
        read_log(file)
    assert (
        str(info.value) == f"{file}: holds one array, expected an archive of named arrays; write it with numpy.savez."
    )


def test_missing_files_and_arguments_are_reported(tmp_path: Path) -> None:
    with pytest.raises(OigeError) as info:
        deploy_check([])
    assert str(info.value) == "oige-deploy-check: expected POLICY LOG."
    with pytest.raises(OigeError) as info:
        deploy_check([str(tmp_path / "x.onnx"), "log.npz"])
    assert str(info.value) == f"{tmp_path / 'x.onnx'}: no such file; write it with oige-export."
    with pytest.raises(OigeError) as info:
        read_log(tmp_path / "log.npz")
    assert str(info.value) == f"{tmp_path / 'log.npz'}: no such file; expected a log written with numpy.savez."
