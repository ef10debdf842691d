"""The agent of FlashSAC: what it stores, learns, saves, resumes, plays and refuses."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from fake_env import FakeEnv, build, make_flashsac_run
from gymnasium.vector import AutoresetMode
from oige_train.checkpoint import load_checkpoint
from oige_train.policy import FlashSacPolicy, build_policy
from oige_train.schema import RewardShaperConfig
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SMALL = [
    "train=FlashSAC",
    "num_envs=32",
    "sim_device=cpu",
    "pipeline=cpu",
    "rl_device=cpu",
    "train.params.network.actor={units: 16, blocks: 1}",
    "train.params.network.critic={units: 32, blocks: 1}",
    "train.params.config.batch_size=64",
    "train.params.config.replay_buffer_size=100000",
    "train.params.config.num_steps_per_episode=4",
    "train.params.config.num_warmup_frames=256",
    "experiment=Flash",
]


def differences(one: Any, other: Any, path: str) -> list[str]:
    """Return the paths at which two states differ by a bit or more."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        return [found for key in one for found in differences(one[key], other[key], f"{path}.{key}")]
    same = torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    return [] if same else [path]


class FinalEnv(FakeEnv):
    """A FakeEnv that resets in the same step, to observation 0; the last observation is the counter."""

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        observations, rewards, terminated, truncated, info = super().step(actions)
        done = terminated | truncated
        info |= {
            "final_obs": observations,
            "_final_obs": done,
            "episode_means": {},
            "episode_count": done.sum(),
        }
        if self.num_states:
            info["final_states"] = 2.0 * info["states"]
        return torch.where(done.unsqueeze(-1), 0.0, observations), rewards, terminated, truncated, info


@pytest.fixture
def started(tmp_path: Path) -> Any:
    return lambda env, **changes: _start(env, tmp_path, **changes)


def _start(env: FakeEnv, folder: Path, **changes: Any) -> Any:
    agent = build(make_flashsac_run(env.num_envs, num_states=env.num_states, **changes), env, folder)
    agent.init_tensors()
    agent.obs = agent.env_reset()
    return agent


@pytest.mark.parametrize("num_states", [0, 4])
def test_truncations_are_bootstrapped_from_the_last_observation(started: Any, num_states: int) -> None:
    agent = started(FinalEnv(2, num_states, endings={2: "truncated", 4: "terminated"}), num_steps_per_episode=5)
    agent.play_steps(random_exploration=True)
    batch = agent.learner.replay.gather(torch.arange(5), torch.zeros(5, dtype=torch.int64))
    assert batch["obs"][:, 0].tolist() == [0.0, 1.0, 0.0, 3.0, 0.0]
    assert batch["next_obs"][:, 0].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert batch["discount"].tolist() == [0.5, 0.5, 0.5, 0.0, 0.5]
    if num_states:
        assert batch["states"].tolist() == [[1.0] * 4] * 5
        assert batch["next_states"].tolist() == [[2.0] * 4] * 5


def test_mean_return_is_that_of_the_last_episodes(started: Any) -> None:
    """Two worlds; an epoch has five steps. Episodes end after steps 2, 4 and 11."""
    env = FinalEnv(2, endings={2: "truncated", 4: "terminated", 11: "terminated"}, reward=3.0)
    agent = started(env, num_steps_per_episode=5, games_to_track=4, reward_shaper=RewardShaperConfig(scale_value=0.1))
    found = []
    for _ in range(3):
        agent.play_steps(random_exploration=True)
        found.append((agent.game_rewards.current_size, float(agent.game_rewards.get_mean())))
    assert found == [(4, 6.0), (4, 6.0), (4, (6.0 + 21.0) / 2.0)]
    assert agent.game_lengths.get_mean() == (2.0 + 7.0) / 2.0
    assert agent.rollout.episodes.current[[0, 2]].tolist() == [[12.0] * 2, [4.0] * 2]


def test_without_bootstrap_truncations_end_the_return(started: Any) -> None:
    agent = started(FinalEnv(2, endings={2: "truncated"}), num_steps_per_episode=3, value_bootstrap=False)
    agent.play_steps(random_exploration=True)
    batch = agent.learner.replay.gather(torch.arange(3), torch.zeros(3, dtype=torch.int64))
    assert batch["discount"].tolist() == [0.5, 0.0, 0.5]


def test_learning_begins_after_the_warm_up_with_a_whole_transition(started: Any) -> None:
    agent = started(FinalEnv(2), num_steps_per_episode=4, n_step=3, num_updates_per_step=2)
    before = [parameter.clone() for parameter in agent.learner.critics.parameters()]
    agent.play_steps(random_exploration=True)
    assert all(torch.equal(old, new) for old, new in zip(before, agent.learner.critics.parameters(), strict=True))
    agent = started(FinalEnv(2), num_steps_per_episode=4, n_step=3, num_updates_per_step=2)
    agent.play_steps()
    assert agent.update_counter == agent.learner.updates == 2 * 2  # after steps 3 and 4


def test_actions_are_scaled_to_their_bound_in_training_and_play(started: Any) -> None:
    env = FinalEnv(2)
    agent = started(env, num_steps_per_episode=4, action_bound=3.0)
    with torch.no_grad():
        agent.learner.actor.mean.offset.copy_(torch.tensor([20.0, -20.0]))
    agent.play_steps()
    torch.testing.assert_close(env.actions[0], torch.tensor([[3.0, -3.0]] * 2))
    policy = build_policy(agent.session.run, agent.env_info, "cpu", 2)
    assert isinstance(policy, FlashSacPolicy)
    policy.load(agent.get_weights())
    observations = torch.randn(2, 3)
    mean, _ = agent.learner.actor(observations, use_batch=False)
    torch.testing.assert_close(policy.act(observations, deterministic=True), 3.0 * mean.tanh())
    drawn = policy.act(observations, deterministic=False)
    assert drawn.shape == (2, 2)
    assert drawn.abs().max() <= 3.0


def last(epoch: int) -> Path:
    (found,) = Path("runs/Flash/nn").glob(f"last_Flash_ep_{epoch}_rew_*.pth")
    return found


def test_training_is_saved_resumed_and_played(program) -> None:
    outcome = program(*SMALL, "max_iterations=6", "train.params.config.save_frequency=4")
    assert outcome.code == 0, outcome.err
    assert "with FlashSAC (FlashSAC): 32 worlds on cpu" in outcome.err
    assert "done: 6 epochs, 768 steps" in outcome.out
    former = load_checkpoint(last(4), "cpu")
    assert former["update_counter"] == 3 * 4 * 2  # epochs 2 to 4 learn: the first one ends the warm-up of 256 steps
    events = EventAccumulator("runs/Flash/summaries")
    events.Reload()
    assert [event.step for event in events.Scalars("losses/c1_loss")] == [128 * epoch for epoch in range(2, 7)]
    resumed = program(f"checkpoint={last(4)}", "max_iterations=7", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu")
    assert resumed.code == 0, resumed.err
    assert "so new episodes begin" not in resumed.err
    state = load_checkpoint(last(7), "cpu")
    # Epoch 5 fills the replay buffer again; epochs 6 and 7 learn.
    assert state["update_counter"] == former["update_counter"] + 2 * 4 * 2
    assert state["epoch"] == 7
    played = program(f"checkpoint={last(7)}", "test=True", "sim_device=cpu", "train.params.config.player.games_num=32")
    assert "over 32 finished episodes" in played.out, played.err


def test_resumed_run_continues_its_episodes_and_state(started: Any, tmp_path: Path) -> None:
    """All that a checkpoint has is the same after resumption, and the policy acts while the replay buffer is filled."""
    settings: dict[str, Any] = {
        "num_steps_per_episode": 3,
        "num_updates_per_step": 1,
        "save_replay_buffer": "False",
    }
    agent = started(FinalEnv(2, endings={2: "truncated"}), **settings)
    for agent.epoch_num in (1, 2):
        agent.play_steps()
    agent.save(f"{agent.nn_dir}/last")
    env = FinalEnv(2, endings={2: "truncated"})
    other = started(env, **settings, num_warmup_frames=6)
    assert other.restore(str(agent.session.last))
    other.init_tensors()
    other.obs = other.env_reset()
    one, two = agent.get_full_state_weights(), other.get_full_state_weights()
    assert one.keys() == two.keys()
    assert (one["progress"].pop("recorded"), two["progress"].pop("recorded")) == (6, 0)
    for name in one.keys() - {"settings", "random_state"}:
        assert not differences(one[name], two[name], name)
    assert (other.learner.updates, other.num_warmup_steps) == (agent.update_counter, 1 + 2)
    with torch.no_grad():
        other.learner.actor.mean.offset.copy_(torch.tensor([20.0, -20.0]))
    other.play_steps(random_exploration=True)
    torch.testing.assert_close(env.actions[-1], torch.tensor([[1.0, -1.0]] * 2))


def test_same_seed_gives_the_same_run(program) -> None:
    states = []
    for name in ("one", "two"):
        outcome = program(*SMALL[:-1], f"experiment={name}", "max_iterations=4")
        assert outcome.code == 0, outcome.err
        (file,) = Path(f"runs/{name}/nn").glob("last_*.pth")
        states.append(load_checkpoint(file, "cpu"))
    torch.testing.assert_close(states[0]["actor"], states[1]["actor"], rtol=0, atol=0)
    torch.testing.assert_close(states[0]["critic_optimizer"]["state"], states[1]["critic_optimizer"]["state"])


def test_cartpole_is_learned(program) -> None:
    """Random actions balance the pole for about 20 of 500 control steps."""
    outcome = program(
        *SMALL,
        "max_iterations=150",
        "train.params.config.learning_rate=2e-3",
        "train.params.config.final_learning_rate=2e-3",
        "train.params.config.critic_tau=0.1",
        "train.params.config.num_updates_per_step=1",
    )
    assert outcome.code == 0, outcome.err
    events = EventAccumulator("runs/Flash/summaries")
    events.Reload()
    assert events.Scalars("episode_lengths/step")[-1].value > 60.0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.params.config.n_step=0", "train.params.config.n_step=0: expected"),
        ("train.params.config.critic_tau=1.5", "train.params.config.critic_tau=1.5: expected a number above 0"),
        ("train.params.config.replay_buffer_size=95", "train.params.config.replay_buffer_size=95: expected at least"),
        ("train.params.config.weight_decay=0.1", "train.params.config.weight_decay=0.1: expected 0; weights have"),
        ("train.params.config.normalize_input=True", "train.params.config.normalize_input=True: expected False"),
        ("train.params.config.action_bound=2", "train.params.config.action_bound=2.0: expected at most task.env.clip"),
        (
            "train.params.config.graphs=True",
            "train.params.config.graphs=True: expected auto or False; the learner runs on cpu",
        ),
        ("train.params.config.graphs=maybe", "train.params.config.graphs=maybe: expected"),
        ("train.params.config.actor_lr=1", "train.params.config.actor_lr: unknown key"),
        ("train.params.network.bins=1", "train.params.network.bins=1: expected a number of at least 2"),
        ("train.params.network.actor.blocks=0", "train.params.network: blocks=0: expected"),
        ("train.params.network.mlp={units: [8]}", "train.params.network.mlp: unknown key"),
        ("train.params.network.name=actor_critic", "train.params.network.name=actor_critic: expected"),
        ("task.env.autoresetMode=upstream", "task.env.autoresetMode=upstream: expected same_step"),
        ("multi_gpu=True", "multi_gpu=True: expected"),
    ],
)
def test_settings_that_have_no_meaning_are_refused(setting: str, message: str, program) -> None:
    outcome = program(*SMALL, setting)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith(f"error: {message}")


def test_symmetries_that_a_task_lacks_are_refused(program) -> None:
    outcome = program("task=Ant", *SMALL, "train.params.config.symmetry_augmentation=True")
    assert outcome.code == 2
    assert "symmetry_augmentation=True: expected False; Ant declares no symmetries." in outcome.err


def test_images_are_refused(program) -> None:
    outcome = program("task=CartpoleCamera", *SMALL)
    assert outcome.code == 2
    message = "train.params.algo.name=flashsac: CartpoleCamera observes images; use PPO."
    assert outcome.err.splitlines()[-1] == f"error: {message}"


def test_checkpoint_of_another_algorithm_is_refused(program) -> None:
    program(*SMALL, "max_iterations=1")
    outcome = program("task=Cartpole", "train=CartpolePPO", f"checkpoint={last(1)}", "sim_device=cpu")
    assert outcome.code == 2
    assert "trained with FlashSAC, not PPO; choose the same train= as then." in outcome.err


def test_many_worlds_are_noted() -> None:
    from oige_train.cli.common import checked_run
    from oige_train.headline import headline

    run = checked_run([*SMALL, "num_envs=4096"])
    assert headline(run, ["task=Cartpole"])[-1] == (
        "FlashSAC trains once per control step of all worlds, so more than 2048 worlds rarely help; num_envs=1024 is a "
        "good choice"
    )
    assert dataclasses.replace(run).config.train.params.network.summary().startswith("1 × 16, critics 1 × 32")
