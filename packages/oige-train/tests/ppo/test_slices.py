"""Steps of Adam with tensors in slices against torch's own."""

import math
from typing import Any

import pytest
import torch
from oige_train.learner.ppo.optimiser import step_in_slices
from oige_train.learner.rl_games_shim import EagerAdam

CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1, "eps": 1e-3, "betas": (0.8, 0.9)}, {"amsgrad": True}])
def test_steps_equal_those_of_torch(settings: dict[str, Any], device: str) -> None:
    torch.manual_seed(0)
    # One slice; two, of which the second is short; three of 8192, because there are more than 262144 numbers; strides.
    shapes = [(3,), (4097,), (129, 130), (250000,), (8, 4, 3, 3)]
    values = [torch.randn(shape, device=device) for shape in shapes]
    values[-1] = values[-1].to(memory_format=torch.channels_last)
    both = [[torch.nn.Parameter(value.clone()) for value in values] for _ in range(2)]
    optimisers: list[Any] = [
        EagerAdam(parameters, lr=torch.tensor(0.01, device=device), fused=True, capturable=device == "cuda", **settings)
        for parameters in both
    ]
    scale = torch.full((1,), 2.0, device=device)
    for step in range(100):
        gradients = [math.sin(step) * value + torch.randn_like(value) for value in values]
        for parameters, optimiser, sliced in zip(both, optimisers, (False, True), strict=True):
            optimiser.grad_scale = scale
            own = [gradient.clone() for gradient in gradients]
            for parameter, gradient in zip(parameters, own, strict=True):
                parameter.grad = gradient
            if sliced and step > 0:
                step_in_slices(optimiser, optimiser.param_groups[0], parameters, own)
            else:
                optimiser.step()
    for theirs, ours in zip(*both, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
        states = [optimiser.state[p] for optimiser, p in zip(optimisers, (theirs, ours), strict=True)]
        assert states[0].keys() == states[1].keys()
        assert states[1]["step"] == 100.0
        for name, value in states[0].items():
            torch.testing.assert_close(states[1][name], value, rtol=1e-6, atol=1e-6)
