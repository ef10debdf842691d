"""Controllers of robot arms against closed forms and recorded efforts, and what a user can get wrong."""

import dataclasses
import math
import typing
from typing import Any

import pytest
import torch
from oige_core.config import ControlConfig
from oige_core.config.control_schema import ControlType, IkMethod, JacobianType
from oige_core.control import Controller, ControlState, ControlTarget, contact_wrench, inertial_wrench
from oige_core.errors import ConfigError, OigeError
from oige_core.kernel_launch import launch as launch_on_cpu
from oige_core.math import quat_from_rotation_vector, quat_mul

CONTROL_TYPES: tuple[ControlType, ...] = typing.get_args(ControlType)
TORQUE_TYPES = [name for name in CONTROL_TYPES if name != "gym_default"]

# What OmniIsaacGymEnvs' factory_control.py returns for `inputs` in float64, with its default gains and the axes of
# `configured`: position targets for gym_default, efforts for the others.
RECORDED: dict[tuple[ControlType, JacobianType, IkMethod], list[float]] = {
    ("gym_default", "geometric", "dls"): [
        0.3185354,
        0.4228237,
        0.6231493,
        0.09493798,
        0.2070789,
        0.2780561,
        0.630131,
        0.03,
        0.01,
    ],
    ("gym_default", "geometric", "pinv"): [
        0.321829,
        0.4554204,
        0.6452937,
        0.08957552,
        0.2484257,
        0.3194079,
        0.7051902,
        0.03,
        0.01,
    ],
    ("gym_default", "geometric", "trans"): [
        0.4369047,
        0.2417767,
        0.5056207,
        0.1082898,
        -0.1328556,
        -0.09464602,
        0.07161457,
        0.03,
        0.01,
    ],
    ("gym_default", "geometric", "svd"): [
        0.321829,
        0.4554204,
        0.6452937,
        0.08957552,
        0.2484257,
        0.3194079,
        0.7051902,
        0.03,
        0.01,
    ],
    ("gym_default", "analytic", "dls"): [
        0.3293821,
        0.4086943,
        0.6218004,
        0.1257502,
        0.209058,
        0.2730644,
        0.591069,
        0.03,
        0.01,
    ],
    ("joint_space_ik", "geometric", "dls"): [
        0.2975538,
        0.384845,
        0.5790041,
        0.08852168,
        0.2031992,
        0.2312968,
        0.6310893,
        0.5917015,
        -1.152748,
    ],
    ("joint_space_id", "geometric", "dls"): [
        28.42352,
        17.83194,
        38.22347,
        -2.063404,
        14.14203,
        18.58854,
        36.25318,
        0.5917015,
        -1.152748,
    ],
    ("joint_space_id", "analytic", "dls"): [
        29.26453,
        16.43791,
        38.65097,
        0.6438318,
        14.77345,
        18.10913,
        33.45588,
        0.5917015,
        -1.152748,
    ],
    ("task_space_impedance", "geometric", "dls"): [
        9.788066,
        9.111019,
        12.75791,
        5.077227,
        -7.001777,
        -2.015581,
        5.086838,
        0.5917015,
        -1.152748,
    ],
    ("operational_space_motion", "geometric", "dls"): [
        0.9080642,
        1.404044,
        1.054088,
        0.1467714,
        -0.2876778,
        -0.2262412,
        0.1364294,
        0.5917015,
        -1.152748,
    ],
    ("open_loop_force", "geometric", "dls"): [
        4.059252,
        -1.371982,
        3.405708,
        2.312315,
        -0.8764999,
        -0.3736604,
        1.81017,
        0.5917015,
        -1.152748,
    ],
    ("closed_loop_force", "geometric", "dls"): [
        4.440138,
        -1.492781,
        3.668503,
        2.728388,
        -1.165621,
        -0.3671387,
        2.111111,
        0.5917015,
        -1.152748,
    ],
    ("hybrid_force_motion", "geometric", "dls"): [
        71.5673,
        77.85353,
        64.17091,
        18.1931,
        -5.847886,
        -11.75052,
        6.227125,
        0.5917015,
        -1.152748,
    ],
}


def wave(*shape: int, phase: float) -> torch.Tensor:
    """Return numbers between −1 and 1 without a pattern."""
    steps = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(0.7 * steps**1.5 + phase).reshape(shape).float()


def inputs(**changes: torch.Tensor) -> tuple[ControlState, ControlTarget]:
    """Return a state and a target of one world; ``changes`` replace attributes of either."""
    half = wave(7, 7, phase=0.1)
    orientation = quat_from_rotation_vector(torch.tensor([[0.4, -0.9, 1.1]]))
    turn = quat_from_rotation_vector(torch.tensor([[0.3, 0.2, -0.5]]))
    state = ControlState(
        joint_positions=0.02 + 0.02 * wave(1, 9, phase=6),
        joint_velocities=0.1 * wave(1, 9, phase=7),
        position=0.3 * wave(1, 3, phase=1),
        orientation=orientation,
        linear_velocity=0.2 * wave(1, 3, phase=3),
        angular_velocity=0.2 * wave(1, 3, phase=4),
        jacobian=0.5 * wave(1, 6, 7, phase=5),
        mass_matrix=(0.2 * half @ half.T + torch.eye(7)).unsqueeze(0),
        contact_force=4.0 * wave(1, 3, phase=8),
    )
    target = ControlTarget(
        position=0.3 * wave(1, 3, phase=2),
        orientation=quat_mul(turn, orientation),
        gripper_positions=torch.tensor([[0.03, 0.01]]),
        wrench=5.0 * wave(1, 6, phase=9),
    )
    of_state = {name: value for name, value in changes.items() if hasattr(state, name)}
    of_target = {name: value for name, value in changes.items() if name not in of_state}
    return dataclasses.replace(state, **of_state), dataclasses.replace(target, **of_target)


def configured(
    name: ControlType, jacobian_type: JacobianType = "geometric", ik_method: IkMethod = "dls"
) -> ControlConfig:
    config = ControlConfig(ctrl_type=name)
    config.all.jacobian_type = jacobian_type
    section = getattr(config, name)
    for key, value in (
        ("ik_method", ik_method),
        ("motion_ctrl_axes", [1, 0, 1, 1, 0, 1]),
        ("force_ctrl_axes", [0, 1, 1, 0, 0, 1]),
    ):
        if hasattr(section, key):
            setattr(section, key, value)
    return config


@pytest.mark.parametrize("case", RECORDED, ids="-".join)
def test_efforts_are_those_of_the_original(case: tuple[ControlType, JacobianType, IkMethod]) -> None:
    controller = Controller(configured(*case), "cpu")
    compute = controller.compute_position_targets if controller.drives_positions else controller.compute_efforts
    torch.testing.assert_close(compute(*inputs()), torch.tensor([RECORDED[case]]), atol=2e-5, rtol=2e-5)


def test_efforts_are_the_same_where_a_gpu_would_fuse_rotations_and_solutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Efforts are also those of the original where Warp kernels compute them and products are sums."""
    kernels: list[str] = []

    def launch(kernel: Any, *arguments: Any) -> None:
        kernels.append(kernel.key.rpartition(".")[2])
        launch_on_cpu(kernel, *arguments)

    monkeypatch.setattr("oige_core.math.fused._on_gpu", lambda values: True)
    monkeypatch.setattr("oige_core.math.products._rounds_factors", lambda values: True)
    monkeypatch.setattr("oige_core.kernel_launch.launch", launch)
    with torch.no_grad():
        for case in RECORDED:
            test_efforts_are_those_of_the_original(case)
    assert {"multiply", "to_rotation_vector", "solve_positive_definite"} <= set(kernels)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("case", [case for case in RECORDED if "svd" not in case], ids="-".join)
def test_cuda_graphs_contain_controllers(case: tuple[ControlType, JacobianType, IkMethod]) -> None:
    """A graph that was captured at the target gives the recorded efforts when it is replayed with other inputs."""
    controller = Controller(configured(*case), "cuda", captured=True)
    compute = controller.compute_position_targets if controller.drives_positions else controller.compute_efforts
    given = [
        {name: value.cuda().expand(64, *value.shape[1:]).contiguous() for name, value in vars(part).items()}
        for part in inputs()
    ]
    state, target = ({name: value.clone() for name, value in part.items()} for part in given)
    target["position"].copy_(state["position"])
    with torch.no_grad():
        compute(ControlState(**state), ControlTarget(**target))  # compiles kernels
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = compute(ControlState(**state), ControlTarget(**target))
    target["position"].copy_(given[1]["position"])
    graph.replay()
    expected = torch.tensor(RECORDED[case]).expand(64, -1)
    torch.testing.assert_close(result.cpu(), expected, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("jacobian_type", ["geometric", "analytic"])
@pytest.mark.parametrize("name", TORQUE_TYPES)
def test_at_the_target_at_rest_there_is_no_effort(name: ControlType, jacobian_type: JacobianType) -> None:
    state, _ = inputs()
    rest, gripper = torch.zeros(1, 3), state.joint_positions[:, 7:]
    state, target = inputs(
        linear_velocity=rest, angular_velocity=rest, contact_force=rest, joint_velocities=torch.zeros(1, 9)
    )
    target = ControlTarget(
        position=state.position, orientation=-state.orientation, gripper_positions=gripper, wrench=torch.zeros(1, 6)
    )
    efforts = Controller(configured(name, jacobian_type), "cpu").compute_efforts(state, target)
    torch.testing.assert_close(efforts, torch.zeros(1, 9), atol=1e-5, rtol=0)


def test_efforts_take_the_shorter_way_round() -> None:
    """A target at 350° from 0° asks for −10°, with either sign of its quaternion; the original turns by 350°."""
    flat = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    target = quat_from_rotation_vector(torch.tensor([[0.0, 0.0, math.radians(350.0)]]))
    jacobian = torch.eye(6, 7).unsqueeze(0)
    here, still = torch.zeros(1, 3), torch.zeros(1, 3)
    controller = Controller(ControlConfig(ctrl_type="task_space_impedance"), "cpu")
    for sign in (1.0, -1.0):
        efforts = controller.compute_efforts(
            *inputs(
                orientation=flat,
                jacobian=jacobian,
                linear_velocity=still,
                angular_velocity=still,
                position=here,
            )[:1],
            ControlTarget(position=here, orientation=sign * target, gripper_positions=torch.zeros(1, 2)),
        )
        expected = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 40.0 * math.radians(-10.0), 0.0])
        torch.testing.assert_close(efforts[0, :7], expected, atol=1e-4, rtol=1e-4)


def test_masked_axes_have_no_wrench() -> None:
    """With an identity as Jacobian, efforts are the wrench: zero along axes of neither motion nor force."""
    config = configured("hybrid_force_motion")
    config.hybrid_force_motion.motion_ctrl_axes = [1, 0, 0, 0, 0, 1]
    config.hybrid_force_motion.force_ctrl_axes = [0, 0, 1, 0, 0, 0]
    efforts = Controller(config, "cpu").compute_efforts(*inputs(jacobian=torch.eye(6, 7).unsqueeze(0)))[0, :7]
    assert (efforts != 0.0).tolist() == [True, False, True, False, False, True, False]


def test_gripper_and_clamp() -> None:
    """Fingers: k_p (q* − q) − k_d dq/dt = 100 · 0.005 − 2 · 0.1; efforts end at ±100."""
    state, target = inputs(
        joint_positions=torch.tensor([[0.0] * 7 + [0.025, 0.0]]),
        joint_velocities=torch.tensor([[0.0] * 7 + [0.1, 0.0]]),
        gripper_positions=torch.tensor([[0.03, -9.0]]),
        wrench=torch.tensor([[0.0, 0.0, 150.0, 0.0, 0.0, 0.0]]),
        jacobian=torch.eye(6, 7).unsqueeze(0),
    )
    efforts = Controller(ControlConfig(ctrl_type="open_loop_force"), "cpu").compute_efforts(state, target)
    torch.testing.assert_close(efforts, torch.tensor([[0.0, 0, 100, 0, 0, 0, 0, 0.3, -100]]))


def test_drives_of_the_gripper_have_its_stiffness() -> None:
    """The original sets it from the damping gain."""
    controller = Controller(ControlConfig(ctrl_type="gym_default"), "cpu")
    stiffness, damping = controller.drive_gains
    assert stiffness.tolist() == [40.0] * 7 + [500.0] * 2
    assert damping.tolist() == [8.0] * 7 + [20.0] * 2


def test_inertia_of_a_point_mass_at_the_tip_is_its_mass() -> None:
    """Massless links of 1 m and 0.5 m, along x and y, carry m = 3 kg: M = m Jᵀ J, so that F = m a in all directions."""
    jacobian = torch.tensor([[[-0.5, -0.5], [1.0, 0.0]]])
    acceleration = torch.tensor([[0.7, -0.2]])
    wrench = inertial_wrench(acceleration, jacobian, 3.0 * jacobian.mT @ jacobian)
    torch.testing.assert_close(wrench, 3.0 * acceleration)


def test_inertia_of_three_links_gives_the_acceleration() -> None:
    """Point masses at the ends of three links in a plane: with efforts Jᵀ F, J M⁻¹ Jᵀ F is the acceleration again.

    M is the sum of m Jᵢᵀ Jᵢ of the masses, worked out from the positions.
    """
    angles, lengths, masses = (0.3, 0.8, -0.5), (1.0, 0.7, 0.4), (2.0, 1.0, 0.5)
    ends, heading, end = [(0.0, 0.0)], 0.0, (0.0, 0.0)
    for angle, length in zip(angles, lengths, strict=True):
        heading += angle
        end = (end[0] + length * math.cos(heading), end[1] + length * math.sin(heading))
        ends.append(end)
    jacobians = [
        torch.tensor(
            [(-(tip[1] - y), tip[0] - x) if joint < link else (0.0, 0.0) for joint, (x, y) in enumerate(ends[:3])]
        )
        for link, tip in enumerate(ends[1:], start=1)
    ]
    mass_matrix = sum((mass * j @ j.T for mass, j in zip(masses, jacobians, strict=True)), torch.zeros(3, 3))
    jacobian = jacobians[-1].T
    acceleration = torch.tensor([[1.0, 2.0]])
    wrench = inertial_wrench(acceleration, jacobian.unsqueeze(0), mass_matrix.unsqueeze(0))
    reached = jacobian @ torch.linalg.inv(mass_matrix) @ jacobian.T @ wrench[0]
    torch.testing.assert_close(reached, acceleration[0], atol=1e-5, rtol=1e-5)


def test_closed_loop_adds_the_missing_force() -> None:
    """The hand presses with 8 N of 10 N: the wall pushes it with +8 N along z. Torques are not measured."""
    target = torch.tensor([[0.0, 0.0, -10.0, 0.0, 0.0, 1.0]])
    wrench = contact_wrench(target, torch.tensor([[0.0, 0.0, 8.0]]), torch.full((6,), 0.5))
    torch.testing.assert_close(wrench, torch.tensor([[0.0, 0.0, -11.0, 0.0, 0.0, 1.5]]))


def test_missing_measurements_raise() -> None:
    """Without a force, closed-loop control would silently be open-loop."""
    state, target = inputs()
    for name, missing in (
        ("closed_loop_force", "contact_force"),
        ("hybrid_force_motion", "mass_matrix"),
        ("joint_space_id", "mass_matrix"),
    ):
        controller = Controller(ControlConfig(ctrl_type=name), "cpu")  # type: ignore[arg-type]
        with pytest.raises(OigeError, match=rf"\AControlState\.{missing}=None: {name} needs a value\.\Z"):
            controller.compute_efforts(dataclasses.replace(state, **{missing: None}), target)  # type: ignore[arg-type]
    controller = Controller(ControlConfig(ctrl_type="open_loop_force"), "cpu")
    with pytest.raises(OigeError, match=r"\AControlTarget\.wrench=None: open_loop_force needs a value\.\Z"):
        controller.compute_efforts(state, dataclasses.replace(target, wrench=None))
    with pytest.raises(OigeError, match="call compute_position_targets instead"):
        Controller(ControlConfig(ctrl_type="gym_default"), "cpu").compute_efforts(state, target)


def test_gains_of_another_arm_and_svd_in_a_graph_are_refused() -> None:
    config = ControlConfig(ctrl_type="joint_space_id")
    with pytest.raises(ConfigError, match=r"\Atask\.env\.ctrl\.joint_space_id\.joint_prop_gains=.*: expected 6 values"):
        Controller(config, "cpu", arm_joints=6)
    config.joint_space_id.ik_method = "svd"
    Controller(config, "cpu")
    with pytest.raises(ConfigError, match=r"\Atask\.env\.ctrl\.joint_space_id\.ik_method=svd: expected pinv, trans or"):
        Controller(config, "cpu", captured=True)


def test_needs_of_the_controllers() -> None:
    """What a task has to measure, and its targets."""
    needs = {}
    for name in CONTROL_TYPES:
        controller = Controller(ControlConfig(ctrl_type=name), "cpu")
        needs[name] = (controller.needs_mass_matrix, controller.needs_contact_force, controller.needs_wrench)
    # mass matrix, contact force, wrench
    assert needs == {
        "gym_default": (False, False, False),
        "joint_space_ik": (False, False, False),
        "joint_space_id": (True, False, False),
        "task_space_impedance": (False, False, False),
        "operational_space_motion": (True, False, False),
        "open_loop_force": (False, False, True),
        "closed_loop_force": (False, True, True),
        "hybrid_force_motion": (True, True, True),
    }
