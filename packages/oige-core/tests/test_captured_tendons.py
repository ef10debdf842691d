"""Views that need temporary memory of MuJoCo Warp, read while torch captures a graph."""

import pytest
import torch
from articulation_scene import COUPLED
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.scene import ArticulationAsset, Scene

N = 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_tendon_lengths_are_read_in_a_graph_on_cuda() -> None:
    engine = MujocoEngine(N, "cuda:0")
    scene = Scene(engine, SimConfig(dt=1e-3))
    carts = scene.add_articulation("carts", ArticulationAsset(mjcf=COUPLED))
    engine.build(scene)
    positions, lengths = torch.zeros(N, 2, device="cuda:0"), torch.zeros(N, 2, device="cuda:0")

    def work() -> None:
        carts.set_joint_positions(positions)
        lengths.copy_(carts.get_fixed_tendon_lengths())

    work()  # the first call compiles kernels
    recorder = engine.graph_recorder()
    assert recorder is not None
    engine.forget_reads()
    replay = recorder.record(work, [])
    for scale in (0.1, -0.2):
        positions.copy_(scale * torch.arange(1.0, 2 * N + 1).view(N, 2))
        replay()
        expected = positions[:, :1] + 2.0 * positions[:, 1:]
        torch.testing.assert_close(lengths, expected.expand(N, 2))
    engine.close()
