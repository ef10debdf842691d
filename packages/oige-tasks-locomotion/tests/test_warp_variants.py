"""The Warp variants of Ant and Humanoid against the torch tasks: all observations, rewards, endings and resets."""

import pytest
import torch
from oige_core.testing import assert_variants_agree, make_on

EXECUTORS = [
    "c",
    "warp-cpu",
    pytest.param("warp-cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.mark.parametrize("compat", ["fixed", "oige"])
@pytest.mark.parametrize("task", ["Ant", "Humanoid"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_they_match_the_torch_task_step_by_step_over_many_episodes(executor: str, task: str, compat: str) -> None:
    overrides = {"task.env.episodeLength": 25, "task.env.compat": compat}
    ours = make_on(executor, task, 8, warp=True, overrides=overrides)
    theirs = make_on("c", task, 8, overrides=overrides)
    actions = torch.rand(60, 8, ours.task.spec.num_actions, generator=torch.Generator().manual_seed(0)) * 2 - 1
    out = assert_variants_agree(ours, theirs, actions, atol=1e-4, rtol=1e-4)
    print(out)
