"""CartpoleCamera against golden vectors of OmniIsaacGymEnvs.

By default, an observation has two images instead of one, as rows × columns of bytes.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, make_env


@pytest.mark.parametrize("compat", ["upstream", "fixed"])
def test_images_match(compat):
    golden = Golden("CartpoleCamera")
    n, rows, columns, _ = golden["in/camera/rgb"].shape
    with make_env("CartpoleCamera", n, compat=compat, cameraWidth=columns, cameraHeight=rows) as env:
        task: Any = env.task
        task.cartpoles = GoldenView(task.cartpoles, golden.view("cartpoles"))
        task.camera = GoldenView(task.camera, golden.view("camera"))
        observations, _ = env.reset(options={"reset_mask": torch.zeros(n, dtype=torch.bool)})
        space = env.single_observation_space
        assert isinstance(space, gym.spaces.Box)
        assert space.shape == observations.shape[1:]
        expected = golden["out/observations"]
        if compat == "upstream":
            assert (observations.dtype, space.dtype) == (torch.float32, np.dtype(np.float32))
            assert expected.shape == (n, columns, rows, 3)
            assert_columns(observations, expected)
        else:
            assert (observations.dtype, space.dtype) == (torch.uint8, np.dtype(np.uint8))
            for image in observations.split(3, dim=-1):
                assert_columns(image.transpose(1, 2) / 255.0, expected)
        task.terminated_buf = task.is_done()
        assert torch.equal(task.terminated_buf, golden["out/resets"].bool())
        assert_columns(task.calculate_metrics(), golden["out/rewards"])


def test_steps_and_resets_return_images_of_the_original():
    """The images after a reset in a step are converted, too, and a step with the bytes of the camera agrees."""
    with make_env(
        "CartpoleCamera", 2, compat="upstream", cameraWidth=24, cameraHeight=16, autoresetMode="same_step"
    ) as env:
        task: Any = env.task
        task.cartpoles.set_joint_positions(torch.tensor([[0.0, 0.0], [3.5, 0.0]]))
        observations, _, terminated, _, info = env.step(torch.zeros(2, 1))
        assert terminated.tolist() == [False, True]
        images = task.camera.get_rgb().transpose(1, 2) / 255.0
        assert_columns(observations, images)
        assert info["final_obs"].shape == observations.shape
        assert not torch.equal(info["final_obs"][1], observations[1])
