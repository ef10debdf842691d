"""The life cycle of tasks and environments, on a block that slides without friction: every number is known.

All tests run with torch tasks and with Warp variants, on every executor.
"""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import warp as wp
from block_task import DT, MASS, BlockConfig, BlockTask, BlockWarpTask, place
from gymnasium.vector import AutoresetMode
from oige_core.config import DefaultPhysicsMaterialConfig, RunConfig, SimConfig, TaskConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.envs import VecEnv
from oige_core.errors import CapabilityError, OigeError
from oige_core.spec import TaskSpec

MODES = ["same_step", "next_step", "upstream"]
VARIANTS = [(task, "c") for task in (BlockTask, BlockWarpTask)] + [(BlockWarpTask, "warp-cpu")]
if torch.cuda.is_available():
    VARIANTS += [(task, "warp-cuda") for task in (BlockTask, BlockWarpTask)]


@pytest.fixture(params=VARIANTS, ids=lambda variant: f"{variant[0].__name__}-{variant[1]}")
def make(request, new_engine):
    task_class, executor = request.param

    def make(num_envs=3, num_states=0, num_threads=1, sim=None, original_ends_early=False, **env):
        values = {"numEnvs": num_envs, "envSpacing": 1.0, "episodeLength": 1000, "controlFrequencyInv": 3} | env
        task = TaskConfig(
            name="Block", env=BlockConfig(**values), sim=SimConfig(dt=DT, gravity=[0.0, 0.0, 0.0], **(sim or {}))
        )
        spec = TaskSpec(
            task="none:None",
            env=BlockConfig,
            observation_shape=(2,),
            num_actions=1,
            num_states=num_states,
            original_ends_early=original_ends_early,
        )
        return VecEnv(task_class(RunConfig(task=task, seed=1), spec, new_engine(executor, num_envs, num_threads)))

    return make


def test_unsupported_scene_raises_with_the_task(make):
    with pytest.raises(
        CapabilityError,
        match=r"\Atask Block: .*restitution=0\.5: the engine MuJoCo does not support .*: Isaac Sim",
    ):
        make(sim={"default_physics_material": DefaultPhysicsMaterialConfig(restitution=0.5)})


def test_decimation_and_action_clipping_follow_newtons_law(make):
    env = make(clipActions=2.0)
    env.reset()
    place(env, [0.0, 0.0, 0.0])
    observations, *_ = env.step(torch.tensor([[1.0], [-5.0], [0.0]]))
    for row, force in zip(observations, (1.0, -2.0, 0.0), strict=True):
        acceleration = force / MASS
        assert row[1].item() == pytest.approx(3 * DT * acceleration, rel=1e-5)
        assert row[0].item() == pytest.approx(6 * DT**2 * acceleration, rel=1e-5)  # semi-implicit: 1 + 2 + 3


def test_observations_are_clipped_after_hooks(make):
    env = make(clipObservations=0.2, clipActions=1.0)
    env.action_hooks.append(lambda actions: actions + 10.0)
    env.observation_hooks.append(lambda observations: observations * 100.0)
    env.reset()
    place(env, [0.001, 0.0, -0.001])
    observations, *_ = env.step(torch.zeros(3, 1))
    actions = env.task.actions
    assert (actions.numpy() if isinstance(actions, wp.array) else actions.cpu().numpy()).tolist() == [[1.0]] * 3
    assert observations.abs().max().item() == pytest.approx(0.2)
    assert observations[2, 0].item() == pytest.approx(100 * (-0.001 + 6 * DT**2 / MASS), rel=1e-3)


def test_torch_uses_one_thread_during_a_cpu_step(make):
    env = make()
    env.reset()
    seen = []

    def fail(actions):
        seen.append(torch.get_num_threads())
        raise RuntimeError

    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        env.observation_hooks.append(lambda observations: seen.append(torch.get_num_threads()) or observations)
        env.step(torch.zeros(3, 1))
        assert set(seen) == {1 if env.task.device.type == "cpu" else 3}
        assert torch.get_num_threads() == 3
        env.action_hooks.append(fail)
        with pytest.raises(RuntimeError):
            env.step(torch.zeros(3, 1))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_step_does_not_track_gradients(make):
    env = make()
    observations, _ = env.reset()
    policy = torch.nn.Linear(2, 1).to(env.device)
    for _ in range(3):
        observations, rewards, *_ = env.step(policy(observations))
        assert not observations.requires_grad
        assert not rewards.requires_grad
    assert not any(value.requires_grad for value in vars(env.task).values() if isinstance(value, torch.Tensor))
    assert torch.is_grad_enabled()


def test_calls_inside_and_outside_inference_mode_can_be_mixed(make):
    """Learners step in ``torch.inference_mode()``, evaluation often does not: the outcome is that of plain calls."""

    def play(inference):
        inference = itertools.cycle(inference)
        env = make(num_states=1, episodeLength=4)
        blocks = env.task.blocks
        outcome = []
        for _ in range(4):
            with torch.inference_mode(next(inference)):
                outcome.append(env.reset(seed=1)[0])
                blocks.get_joint_positions()
                blocks.get_mass_matrices()
                blocks.get_measured_joint_efforts()
                blocks.set_gains(kps=torch.ones(3, 1), kds=torch.ones(3, 1))
            for force in (5.0, -10.0, 40.0, 0.0, 1.0):
                with torch.inference_mode(next(inference)):
                    actions = torch.full((3, 1), force)
                with torch.inference_mode(next(inference)):
                    observations, rewards, *_, info = env.step(actions)
                    outcome += [observations, rewards, info["states"]]
            with torch.inference_mode(next(inference)):
                state = env.state_dict()
            with torch.inference_mode(next(inference)):
                env.load_state_dict(state)
        return outcome

    expected = play([False])
    mixed = play([True, True, False, False, False, True, False])
    assert all(ours.equal(theirs) for ours, theirs in zip(mixed, expected, strict=True))
    assert not any(tensor.is_inference() for tensor in mixed)


def test_same_step_returns_final_obs_and_the_first_of_the_new_episode(make):
    env = make(num_states=1, clipObservations=5.0)
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    env.reset()
    place(env, [0.0, 1.5, 0.2])
    observations, rewards, terminated, truncated, info = env.step(torch.zeros(3, 1))
    assert terminated.tolist() == [False, True, False]
    assert not truncated.any()
    assert info["_final_obs"].tolist() == [False, True, False]
    assert info["final_obs"][:, 0].tolist() == pytest.approx([0.0, 1.5, 0.2])
    assert rewards.tolist() == pytest.approx([1.0, 2.5, 1.2])
    assert abs(observations[1, 0].item()) <= 0.5
    assert observations[[0, 2]].equal(info["final_obs"][[0, 2]])
    assert info["final_states"][:, 0].tolist() == pytest.approx([0.0, 5.0, 2.0])  # 10 × position, clamped
    torch.testing.assert_close(info["states"], 10 * observations[:, :1])
    assert env.task.progress_buf.tolist() == [1, 0, 1]


def test_returned_problem_counts_do_not_change(make):
    env = make()
    env.reset()
    *_, info = env.step(torch.tensor([[0.0], [torch.nan], [0.0]]))
    counts = info["problems"]["non_finite_actions"]
    env.step(torch.tensor([[0.0], [torch.nan], [0.0]]))
    assert counts.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 3.0}, "seed=3.0: expected an integer of at least 0."),
        ({"seed": -1}, "seed=-1: expected an integer of at least 0."),
        ({"seed": True}, "seed=True: expected an integer of at least 0."),
        ({"seed": "3"}, "seed='3': expected an integer of at least 0."),
        ({"options": ["stagger"]}, "reset options ['stagger']: expected a dictionary."),
        ({"options": {"stagger": "yes"}}, "reset option stagger='yes': expected True or False."),
        ({"options": {"reset_mask": torch.tensor([0, 2, 1])}}, "reset_mask of type int64: expected (3,) bool."),
        ({"options": {"reset_mask": [True]}}, "reset_mask of shape (1,): expected (3,) bool."),
        ({"options": {"reset_mask": "all"}}, "reset_mask='all': expected (3,) bool."),
    ],
)
def test_invalid_reset_arguments_raise(make, arguments, message):
    with pytest.raises(OigeError) as raised:
        make().reset(**arguments)
    assert str(raised.value) == message


def test_numpy_seeds_are_accepted(make):
    env = make()
    first, _ = env.reset(seed=4)
    assert env.reset(seed=np.int64(4))[0].equal(first)


@pytest.mark.parametrize("actions", ["left", None, {"force": 1.0}, [[0.0], [0.0, 1.0], [0.0]]])
def test_non_numeric_actions_raise(make, actions):
    env = make()
    env.reset()
    message = rf"\Aactions of type {type(actions).__name__}: expected numbers of shape \(3, 1\)\.\Z"
    with pytest.raises(OigeError, match=message):
        env.step(actions)


@pytest.mark.parametrize("mode", MODES)
def test_reset_does_not_change_returned_tensors(make, mode):
    env = make(num_states=1, autoresetMode=mode)
    env.reset()
    place(env, [0.0, 1.5, 0.2])
    *tensors, info = env.step(torch.zeros(3, 1))
    tensors += [value for value in info.values() if isinstance(value, torch.Tensor)]
    tensors += info["episode_means"].values()
    copies = [tensor.clone() for tensor in tensors]
    env.reset(options={"reset_mask": torch.tensor([True, True, False])})
    env.reset()
    env.load_state_dict(env.state_dict())
    for tensor, copy in zip(tensors, copies, strict=True):
        assert tensor.equal(copy)


def test_next_step_uses_the_following_step_for_the_reset(make):
    """As gymnasium defines NEXT_STEP: that step ignores the action, gives no reward and ends nothing."""
    env = make(num_states=1, episodeLength=2, autoresetMode="next_step")
    assert env.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    env.reset()
    place(env, [0.0, 1.5, 0.2])
    observations, rewards, terminated, _, info = env.step(torch.zeros(3, 1))
    assert terminated.tolist() == [False, True, False]
    assert rewards.tolist() == pytest.approx([1.0, 2.5, 1.2])
    assert observations[:, 0].tolist() == pytest.approx([0.0, 1.5, 0.2])
    assert "final_obs" not in info
    place(env, [0.0, 2.0, 0.2])  # without the reset, the middle one would end again
    observations, rewards, terminated, truncated, info = env.step(torch.full((3, 1), 10.0))
    assert terminated.tolist() == [False, False, False]
    assert truncated.tolist() == [True, False, True]
    assert rewards[1].item() == 0.0
    assert abs(observations[1, 0].item()) <= 0.5
    assert observations[1, 1].item() == 0.0  # at rest: the action was ignored
    torch.testing.assert_close(info["states"], 10 * observations[:, :1])
    assert env.task.progress_buf[1].item() == 0
    assert info["episode_count"] == 2
    first = observations
    observations, *_ = env.step(torch.zeros(3, 1))
    assert observations[1].tolist() == pytest.approx(first[1].tolist(), abs=1e-6)
    _, _, _, truncated, info = env.step(torch.zeros(3, 1))
    assert truncated.tolist() == [False, True, False]
    assert info["episode_count"] == 1
    assert info["episode_means"]["length"].item() == 2.0
    assert info["episode_means"]["return"].item() == pytest.approx(2.0 * (1.0 + first[1, 0].item()), rel=1e-5)


def test_next_step_ignores_nan_actions_of_worlds_that_it_resets(make):
    env = make(autoresetMode="next_step")
    env.reset()
    place(env, [0.0, 1.5, 0.2])
    env.step(torch.zeros(3, 1))
    *_, info = env.step(torch.tensor([[0.0], [torch.nan], [0.0]]))
    assert not info["_problems"].any()
    assert env.problems() == {}
    *_, info = env.step(torch.tensor([[0.0], [torch.nan], [0.0]]))
    assert info["_problems"].tolist() == [False, True, False]


def test_upstream_mode_starts_the_next_episode_in_the_following_step(make):
    env = make(autoresetMode="upstream")
    assert env.metadata["autoreset_mode"] == "upstream"
    env.reset()
    place(env, [0.0, 1.5, 0.2])
    observations, _, terminated, _, info = env.step(torch.zeros(3, 1))
    assert terminated.tolist() == [False, True, False]
    assert observations[:, 0].tolist() == pytest.approx([0.0, 1.5, 0.2])
    assert "final_obs" not in info
    observations, _, terminated, _, _ = env.step(torch.zeros(3, 1))
    assert not terminated.any()
    assert abs(observations[1, 0].item()) <= 0.5
    assert env.task.progress_buf.tolist() == [2, 1, 2]


def test_truncation_at_episode_length_excludes_termination(make):
    env = make(episodeLength=3)
    env.reset()
    for step in (1, 2, 3):
        place(env, [0.0, 2.0 if step == 3 else 0.0, 0.0])
        _, _, terminated, truncated, _ = env.step(torch.zeros(3, 1))
        assert terminated.tolist() == [False, step == 3, False]
        assert truncated.tolist() == [step == 3, False, step == 3]


@pytest.mark.parametrize(
    ("compat", "early", "steps"), [("fixed", True, 3), ("upstream", False, 3), ("upstream", True, 2)]
)
def test_episodes_are_one_step_shorter_if_the_original_ends_them_early(make, compat, early, steps):
    env = make(episodeLength=3, compat=compat, original_ends_early=early, autoresetMode="same_step")
    env.reset()
    env.task.progress_buf.zero_()  # Warp variants of the original begin at 1
    flags = []
    for _ in range(6):
        place(env, [0.0, 0.0, 0.0])
        flags.append(env.step(torch.zeros(3, 1))[3].tolist())
    assert flags == [[step % steps == 0] * 3 for step in range(1, 7)]


@pytest.mark.parametrize(
    ("env", "mode"),
    [
        ({}, "same_step"),
        ({"compat": "upstream"}, "upstream"),
        ({"compat": "upstream", "autoresetMode": "same_step"}, "same_step"),
        ({"compat": "upstream", "autoresetMode": "next_step"}, "next_step"),
        ({"autoresetMode": "upstream"}, "upstream"),
    ],
    ids=str,
)
def test_worlds_are_reset_as_in_the_original_unless_the_user_says_otherwise(make, env, mode):
    assert make(**env).task.autoreset_mode == mode


def test_episode_statistics_are_cleared_by_a_reset(make):
    env = make(episodeLength=2)
    env.reset()
    place(env, [0.3, 0.3, 0.3])
    env.step(torch.zeros(3, 1))
    env.reset()  # what was summed so far must not count
    place(env, [0.1, 0.2, 0.3])
    _, _, _, _, info = env.step(torch.zeros(3, 1))
    assert info.get("episode_count", 0) == 0
    _, _, _, _, info = env.step(torch.zeros(3, 1))
    assert info["episode_count"] == 3
    statistics = {name: value.item() for name, value in info["episode_means"].items()}
    expected = {"return": 2.4, "length": 2.0, "reward/alive": 2.0, "reward/position": 0.4}
    assert statistics == pytest.approx(expected, rel=1e-5)


def test_states_are_updated_after_a_reset(make):
    env = make(num_states=1)
    observations, info = env.reset()
    torch.testing.assert_close(info["states"], 10 * observations[:, :1])
    place(env, [1.5, 0.0, 0.0])
    observations, _, _, _, info = env.step(torch.zeros(3, 1))
    torch.testing.assert_close(info["states"], 10 * observations[:, :1])
    assert abs(info["states"][0].item()) <= 5.0


def test_seed_is_reproducible_and_mask_resets_its_worlds(make):
    env = make()
    first, _ = env.reset(seed=4)
    again, _ = env.reset(seed=4)
    other, _ = env.reset()
    assert first.equal(again)
    assert not first.equal(other)
    place(env, [0.9, 0.9, 0.9])
    observations, _ = env.reset(options={"reset_mask": torch.tensor([False, True, False])})
    assert observations[[0, 2], 0].tolist() == pytest.approx([0.9, 0.9])
    assert abs(observations[1, 0].item()) <= 0.5


def test_staggered_episodes_end_at_different_steps(make):
    env = make(num_envs=200, episodeLength=50)
    env.reset(options={"stagger": True})
    ended = []
    for _ in range(50):
        place(env, [0.0] * 200)
        ended.append(int(env.step(torch.zeros(200, 1))[3].sum()))
    assert sum(ended) == 200
    assert max(ended) < 20


@pytest.mark.parametrize("mode", MODES)
def test_episodes_after_early_failures_are_staggered(make, mode):
    """All fail in the first step; the episodes that begin then end evenly spread, and those after them last."""
    env = make(num_envs=200, episodeLength=50, autoresetMode=mode)
    env.reset(options={"stagger": True})
    place(env, [2.0] * 200)
    assert env.step(torch.zeros(200, 1))[2].all()
    ended = []
    for _ in range(153):
        place(env, [0.0] * 200)
        ended.append(env.step(torch.zeros(200, 1))[3])
    counts = torch.stack(ended).sum(dim=1)
    assert counts.max() < 20
    offset = int(mode != "same_step")  # the step that resets
    period = 50 + int(mode == "next_step")  # with the step that resets
    for first in (offset, offset + period, offset + 2 * period):
        assert (torch.stack(ended[first : first + period]).sum(dim=0) == 1).all(), "each once"


def test_misuse_raises_and_returned_tensors_are_not_reused(make):
    env = make()
    with pytest.raises(OigeError, match="call reset first"):
        env.step(torch.zeros(3, 1))
    env.reset()
    with pytest.raises(OigeError, match=r"actions of shape \(3, 2\): expected \(3, 1\)"):
        env.step(torch.zeros(3, 2))
    place(env, [0.0, 1.5, 0.2])
    results = env.step(torch.ones(3, 1))
    kept = [result.clone() for result in results[:4]]
    env.step(-torch.ones(3, 1))
    for result, copy in zip(results[:4], kept, strict=True):
        assert result.equal(copy)
    assert env.observation_space.shape == (3, 2)
    assert env.action_space.shape == (3, 1)
    assert env.observation_space.contains(results[0].cpu().numpy())
    with pytest.raises(OigeError, match=r"reset option 'reset_msk': unknown\. Did you mean reset_mask\?"):
        env.reset(options={"reset_msk": torch.ones(3, dtype=torch.bool)})
    env.close()
    env.close()
    for use in (env.reset, lambda: env.step(torch.zeros(3, 1))):
        with pytest.raises(OigeError, match=r"the environment is closed; make a new one\."):
            use()


@pytest.mark.parametrize("num_threads", [1, 2])
def test_saved_environment_continues_bitwise_with_any_thread_count(make, num_threads):
    env = make(num_envs=50, episodeLength=7, num_threads=1)
    env.reset(seed=2)
    actions = torch.rand(30, 50, 1, generator=torch.Generator().manual_seed(3)) * 100 - 50
    for action in actions[:10]:
        env.step(action)
    saved = env.state_dict()
    expected = [env.step(action) for action in actions[10:]]
    other = make(num_envs=50, episodeLength=7, num_threads=num_threads)
    other.load_state_dict(saved)
    for action, step in zip(actions[10:], expected, strict=True):
        for mine, theirs in zip(other.step(action)[:4], step[:4], strict=True):
            assert mine.equal(theirs)


def test_load_state_dict_rejects_mismatch(new_engine):
    task = TaskConfig(name="Block", env=BlockConfig(numEnvs=2, envSpacing=1.0, episodeLength=9), sim=SimConfig(dt=DT))
    spec = TaskSpec(task="none:None", env=BlockConfig, observation_shape=(2,), num_actions=1)
    ours, theirs = (
        VecEnv(variant(RunConfig(task=task), spec, new_engine("c", 2))) for variant in (BlockTask, BlockWarpTask)
    )
    with pytest.raises(OigeError, match=r"^this state of Block belongs to its Warp variant; resume with warp=True\.$"):
        ours.load_state_dict(theirs.state_dict())
    with pytest.raises(OigeError, match=r"^this state of Block is not one of its Warp variant; resume without warp"):
        theirs.load_state_dict(ours.state_dict())
    # What is accepted is either loaded, or refused with the line above.
    assert theirs.accepts(ours.state_dict())
    # The Warp variant had another array when this was saved.
    rewritten = theirs.state_dict()
    assert theirs.accepts(rewritten)
    rewritten["task"]["tensors"]["speeds"] = torch.zeros(2)
    assert not theirs.accepts(rewritten)
    with pytest.raises(OigeError, match=r"another version of Block, with other arrays \(speeds\); reset"):
        theirs.load_state_dict(rewritten)
    del rewritten["task"]["tensors"]["speeds"], rewritten["task"]["tensors"]["actions"]
    assert not theirs.accepts(rewritten)


def test_states_of_versions_that_saved_less_are_not_accepted(make):
    env = make(num_envs=2)
    env.reset()
    env.step(torch.zeros(2, 1))
    states = [env.state_dict() for _ in range(3)]
    assert make(num_envs=2).accepts(states[0])
    del states[0]["engine"]["views"]
    states[1]["engine"]["views"].clear()
    next(view for view in states[2]["engine"]["views"].values() if view).popitem()
    assert [env.accepts(state) for state in states] == [False, False, False]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_warp_variant_step_is_one_graph_without_synchronisation(new_engine):
    env_config = BlockConfig(numEnvs=64, envSpacing=1.0, episodeLength=5, controlFrequencyInv=3)
    task = TaskConfig(name="Block", env=env_config, sim=SimConfig(dt=DT))
    spec = TaskSpec(task="none:None", env=BlockConfig, observation_shape=(2,), num_actions=1)
    env = VecEnv(BlockWarpTask(RunConfig(task=task), spec, new_engine("warp-cuda", 64)))
    env.reset()
    actions = torch.zeros(64, 1, device=env.device)
    env.step(actions)
    assert isinstance(env.task.engine, MujocoEngine)
    executor: Any = env.task.engine.executor
    graphs = executor.graphs
    captured = dict(graphs.captured)
    assert sum(isinstance(key, tuple) and key[0] == "step between" for key in captured) == 1
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):  # episodes end and begin meanwhile
            env.step(actions)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert graphs.captured == captured
