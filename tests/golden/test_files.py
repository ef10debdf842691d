"""Golden vectors load, say how they were made, and have the sizes of the tasks, also of those that are to come."""

from importlib.metadata import entry_points

import pytest
import torch
from golden_support import DATA, Golden

FILES = sorted(
    path.stem for path in DATA.glob("*.npz") if path.stem != "checkpoints"
)  # whose test says how it was made
INSTALLED = {entry.name for entry in entry_points(group="oige.tasks")}
FACTORY = {  # shapes of observations by type, number of actions, number of states
    "FactoryTaskNutBoltPick": ({"": 20}, 12, 0),
    "FactoryTaskNutBoltPlace": ({"": 27}, 12, 0),
    "FactoryTaskNutBoltScrew": ({"": 32}, 12, 0),
}


def test_every_file_belongs_to_a_task():
    assert {name.removesuffix("Warp") for name in FILES} - {"Terrain"} <= INSTALLED


@pytest.mark.parametrize("name", FILES)
def test_file_is_small_finite_and_says_how_it_was_made(name):
    assert (DATA / f"{name}.npz").stat().st_size < 300_000
    golden = Golden(name)
    assert golden.note.keys() == {"original", "isaac_sim", "torch", "numpy", "python", "seed", "method"}
    assert golden.note["original"] == "OmniIsaacGymEnvs f8f91bcf73cfd8ede2eab70e19dd70162abf9775"
    tensors = {key: value for key, value in golden.arrays.items() if isinstance(value, torch.Tensor)}
    assert all(value.double().isfinite().all() for value in tensors.values())
    assert any(key.startswith("out/") for key in tensors)


@pytest.mark.parametrize("name", FACTORY)
def test_sizes_are_those_of_the_task_to_come(name):
    golden = Golden(name)
    observations, num_actions, num_states = FACTORY[name]
    n = len(golden["out/rewards"])
    for kind, size in observations.items():
        assert golden[f"out/observations/{kind}".rstrip("/")].shape == (n, size)
    assert golden["in/actions"].shape[-2:] == (n, num_actions)
    assert golden["out/states"].shape == (n, num_states) if num_states else "out/states" not in golden.arrays
    for name in ("out/resets", "in/progress"):
        assert golden[name].shape == (n,)
    assert 0 < golden["out/resets"].sum() < n
    assert golden["out/rewards"].unique().numel() > n // 2


def test_observation_types_of_the_shadow_hand_are_of_one_state():
    golden = Golden("ShadowHand")
    full, openai = golden["out/observations/full"], golden["out/observations/openai"]
    torch.testing.assert_close(full[:, 48:51], golden["in/objects/world_poses/0"], rtol=0.0, atol=1e-6)
    assert torch.equal(full[:, 48:51], openai[:, 15:18])
    assert torch.equal(full[:, 68:72], openai[:, 18:22])
    assert torch.equal(full[:, 137:157], openai[:, 22:42])
    assert "dof_force_tensor" in golden.arrays["out/errors/full_state"]
    assert "expanded size" in golden.arrays["out/errors/full_no_vel"]


@pytest.mark.parametrize("part", ["Pick", "Place", "Screw"])
def test_some_factory_worlds_succeed(part):
    golden = Golden(f"FactoryTaskNutBolt{part}")
    assert 0.0 < golden["out/succeeded"].float().mean() < 1.0
    if part == "Screw":
        assert 0.0 < golden["out/failed"].float().mean() < 1.0


def test_the_right_finger_can_reach_around_the_handle():
    golden = Golden("FrankaCabinet")
    assert not golden["out/terms/around_handle"].any(), "the original reads the left finger twice"
    assert golden["out/with_right_finger/terms/around_handle"].any()
