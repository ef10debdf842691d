"""Views and helpers of tasks with ``warp=True`` take and return Warp arrays."""

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import warp as wp
from oige_compat.errors import CompatError
from oige_compat.gym_interface import VecEnvBase
from oige_compat.imports import install
from oige_compat.session import restart, session
from oige_compat.values import as_list

install()

import omni.isaac.core.utils.warp as warp_utils  # noqa: E402

wp.init()


@pytest.fixture
def carts() -> Iterator:
    from fork_task import PushTask

    env = VecEnvBase(headless=True)
    env.set_task(PushTask(2), backend="warp", sim_params={"dt": 0.005})
    yield env.task.carts
    env.close()
    restart()


@wp.kernel(enable_backward=False)
def half_turns(
    out: wp.array(dtype=wp.float32, ndim=2),  # pyright: ignore
    positions: wp.indexedarray(dtype=wp.float32, ndim=2),  # pyright: ignore
):
    i, j = wp.tid()
    out[i, j] = positions[i, j] / warp_utils.PI


def test_kernel_reads_what_a_view_returns(carts) -> None:
    indices = wp.array([1], dtype=wp.int32)
    positions = wp.array([[0.5, math.pi / 2]], dtype=wp.float32)
    carts.set_joint_positions(positions, indices=indices)
    out = wp.zeros((2, 2), dtype=wp.float32)
    wp.launch(half_turns, dim=(2, 2), inputs=[out, carts.get_joint_positions(clone=False)])
    np.testing.assert_allclose(out.numpy(), [[0.0, 0.0], [0.5 / math.pi, 0.5]], atol=1e-6)


def test_selected_rows_of_warp_arrays_become_the_state(carts) -> None:
    rows = wp.array([[3.0, 0.0], [1.0, 0.0], [2.0, 0.0]], dtype=wp.float32)
    picked = wp.array([2, 1], dtype=wp.int32)
    carts.set_joint_velocities(rows[picked])
    assert carts.get_joint_velocities().numpy()[:, carts._dof_indices["cartJoint"]].tolist() == [2.0, 1.0]


def test_poses_are_indexed_arrays_and_limits_are_not(carts) -> None:
    positions, orientations = carts.get_world_poses()
    assert isinstance(positions, wp.indexedarray)
    assert isinstance(orientations, wp.indexedarray)
    np.testing.assert_allclose(positions.numpy(), [[2.0, 0.0, 2.0], [-2.0, 0.0, 2.0]])
    limits = carts.get_dof_limits().to("cpu")
    assert isinstance(limits, wp.array)
    assert limits.shape == (2, 2, 2)


def test_views_of_torch_tasks_return_tensors() -> None:
    from oige_compat.warp_arrays import to_torch

    assert session().backend == "torch"
    tensor = torch.ones(2)
    assert to_torch(tensor) is tensor


def test_numpy_backend_is_refused() -> None:
    with pytest.raises(CompatError) as error:
        VecEnvBase(headless=True).set_task(None, backend="numpy")
    place = f"{__file__}:"
    assert str(error.value).startswith(f"set_task(backend='numpy') (used in {place}")
    assert str(error.value).endswith("): only 'torch' and 'warp' are served.")


def test_helpers_compute_on_warp_arrays() -> None:
    assert warp_utils.ones(2, dtype=wp.int32).numpy().tolist() == [1, 1]
    assert warp_utils.arange(3).numpy().tolist() == [0, 1, 2]
    assert warp_utils.resolve_indices(None, 2, "cpu").numpy().tolist() == [0, 1]
    degrees = wp.array([180.0, 90.0], dtype=wp.float32)
    np.testing.assert_allclose(warp_utils.deg2rad(degrees).numpy(), [math.pi, math.pi / 2], rtol=1e-6)
    quaternion = warp_utils.xyzw2wxyz(wp.array([[1.0, 2.0, 3.0, 4.0]], dtype=wp.float32))
    assert quaternion.numpy().tolist() == [[4.0, 1.0, 2.0, 3.0]]
    target = warp_utils.create_zeros_tensor((3, 1), "float32", "cpu")
    source = warp_utils.create_tensor_from_list([[5.0]], "float32", "cpu")
    warp_utils.assign(source, target, wp.array([2], dtype=wp.int32))
    assert warp_utils.to_list(target) == [[0.0], [0.0], [5.0]]
    assert as_list(degrees) == [180.0, 90.0]
