"""The settings of controllers: the keys of OmniIsaacGymEnvs, and what a user can get wrong."""

import dataclasses
import typing
from typing import Any

import pytest
from oige_core.config import ControlConfig, EnvConfig, RunConfig, validate
from oige_core.config.control_schema import ControlType
from oige_core.config.fields import check_overrides_have_effect
from oige_core.config.renamed import Renamed, name_here
from oige_core.errors import ConfigError
from omegaconf import OmegaConf

CONTROL_TYPES: tuple[str, ...] = typing.get_args(ControlType)


@dataclasses.dataclass(kw_only=True)
class ArmConfig(EnvConfig):
    """A ``task.env`` section with a controller."""

    ctrl: ControlConfig


def load_run(ctrl: dict[str, Any]) -> RunConfig:
    env = {"numEnvs": 1, "envSpacing": 1.0, "episodeLength": 1, "ctrl": ctrl}
    root = OmegaConf.create({"task": {"name": "Arm", "env": env}})
    return validate(root, RunConfig, sections={"task.env": ArmConfig})


def load(ctrl: dict[str, Any]) -> ControlConfig:
    return load_run(ctrl).task.env.ctrl  # type: ignore[attr-defined]


def test_section_has_the_keys_of_the_original() -> None:
    config = load(
        {
            "ctrl_type": "operational_space_motion",
            "all": {"jacobian_type": "geometric", "gripper_prop_gains": [200, 200], "gripper_deriv_gains": [1, 1]},
            "operational_space_motion": {
                "motion_ctrl_axes": [0, 0, 1, 0, 0, 1],
                "task_prop_gains": [1, 1, 4, 1, 1, 800],
                "task_deriv_gains": [1, 1, 1, 1, 1, 1],
            },
            "open_loop_force": {"force_ctrl_axes": [0, 0, 1, 0, 0, 0]},
        }
    )
    assert config.operational_space_motion.task_prop_gains == [1.0, 1.0, 4.0, 1.0, 1.0, 800.0]
    assert config.operational_space_motion.motion_ctrl_axes == [0, 0, 1, 0, 0, 1]
    assert config.all.gripper_prop_gains == [200.0, 200.0]
    assert config.joint_space_ik.joint_prop_gains == [1.0] * 7  # the default of the original


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "ctrl_type",
            "joint_space_di",
            "ctrl_type=joint_space_di: expected one of {types}. Did you mean joint_space_ik or",
        ),
        ("all.jacobian_type", "analytical", "all.jacobian_type=analytical: expected one of geometric, analytic. Did"),
        ("joint_space_id.ik_method", "lm", "joint_space_id.ik_method=lm: expected one of pinv, trans, dls, svd."),
        ("joint_space_id.wrench_prop_gains", [1.0], "joint_space_id.wrench_prop_gains: unknown key. "),
        (
            "open_loop_force.force_ctrl_axes",
            [1],
            "open_loop_force.force_ctrl_axes=[1]: expected 6 values, but there are 1.",
        ),
        (
            "hybrid_force_motion.motion_ctrl_axes",
            [1, 2, 0, 0, 0, 0],
            "hybrid_force_motion.motion_ctrl_axes=[1, 2, 0, 0, 0, 0]: expected 1 for axes that are controlled and",
        ),
        (
            "joint_space_ik.joint_prop_gains",
            [-1.0] + [1.0] * 6,
            "joint_space_ik.joint_prop_gains=-1.0: expected a number",
        ),
        (
            "all.gripper_deriv_gains",
            [1.0],
            "all.gripper_deriv_gains=[1.0]: expected 2 values, as gripper_prop_gains has, but there are 1.",
        ),
        ("joint_space_ik.joint_deriv_gains", "x", "joint_space_ik.joint_deriv_gains=x: expected a list[float]."),
    ],
)
def test_invalid_keys_raise_one_line(key: str, value: Any, message: str) -> None:
    section, _, name = key.rpartition(".")
    given: dict[str, Any] = {"ctrl_type": "joint_space_id"}
    given |= {section: {name: value}} if section else {name: value}
    with pytest.raises(ConfigError) as caught:
        load(given)
    assert str(caught.value).startswith("task.env.ctrl." + message.replace("{types}", ", ".join(CONTROL_TYPES)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ctrl_type", "key"),
    [
        ("joint_space_id", "joint_space_ik.ik_method"),
        ("joint_space_id", "open_loop_force"),
        ("gym_default", "all.gripper_prop_gains"),
        ("open_loop_force", "all.jacobian_type"),
    ],
)
def test_overrides_that_the_controller_does_not_read_are_refused(ctrl_type: str, key: str) -> None:
    config = load_run({"ctrl_type": ctrl_type})
    check_overrides_have_effect(config, ["seed", "task.env.ctrl.ctrl_type", f"task.env.ctrl.{ctrl_type}"])
    with pytest.raises(ConfigError) as caught:
        check_overrides_have_effect(config, ["task.env.numEnvs", f"task.env.ctrl.{key}"])
    assert str(caught.value) == f"task.env.ctrl.{key}: has no effect with task.env.ctrl.ctrl_type={ctrl_type}."


def test_messages_name_the_section_of_a_second_controller() -> None:
    @dataclasses.dataclass(kw_only=True)
    class PushConfig(ControlConfig):
        section: typing.ClassVar[str] = "task.env.push_ctrl"

    with pytest.raises(ConfigError, match=r"\Atask\.env\.push_ctrl\.ctrl_type=push: expected one of"):
        PushConfig(ctrl_type="push")  # type: ignore[arg-type]
    reason = PushConfig(ctrl_type="gym_default").idle_keys()["all.gripper_prop_gains"]
    assert reason == "with task.env.push_ctrl.ctrl_type=gym_default"


def test_keys_of_the_original_are_found_by_their_section() -> None:
    renamed = {"ctrl": Renamed("env.ctrl"), "rl.max_episode_length": Renamed("env.episodeLength")}
    assert name_here("task.ctrl.all.jacobian_type", renamed) == "task.env.ctrl.all.jacobian_type"
    assert name_here("task.rl.max_episode_length", renamed) == "task.env.episodeLength"
    assert name_here("task.ctrlx", renamed) == "task.ctrlx"
