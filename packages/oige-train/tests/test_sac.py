"""SAC: what rl_games does not save, does not end or fails on."""

from pathlib import Path

import pytest
from oige_train.checkpoint import load_checkpoint
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

LEARNER = {
    "name": "Sac",
    "num_actors": 32,
    "max_epochs": 12,
    "batch_size": 64,
    "replay_buffer_size": 100,  # the fourth of twelve epochs wraps around its end
    "init_alpha": 1.0,
    "learnable_temperature": True,
    "actor_lr": 5e-4,
    "critic_lr": 5e-4,
    "alpha_lr": 5e-2,
    "num_warmup_steps": 2,
    "normalize_input": True,
    "save_frequency": 6,
    "save_best_after": 1000,
}


def sac_arguments(**changes: object) -> list[str]:
    learner = LEARNER | {"player": "{games_num: 10}"} | changes
    return [
        "num_envs=32",
        "sim_device=cpu",
        "train.params.algo.name=sac",
        "train.params.model.name=soft_actor_critic",
        "train.params.network.name=soft_actor_critic",
        "train.params.network.separate=True",
        "+train.params.network.log_std_bounds=[-5,2]",
        "train.params.network.space=null",
        "~train.params.config",
        "+train.params.config={" + ", ".join(f"{key}: {value}" for key, value in learner.items()) + "}",
    ]


def last(epoch: int) -> Path:
    (found,) = Path("runs/Sac/nn").glob(f"last_Sac_ep_{epoch}_rew_*.pth")
    return found


@pytest.mark.parametrize("updates", [1, 3])
def test_any_number_of_updates_per_step_reaches_the_last_epoch(updates: int, program) -> None:
    outcome = program(*sac_arguments(num_updates_per_step=updates))
    assert outcome.code == 0, outcome.err
    assert "done: 12 epochs, 384 steps" in outcome.out  # 12 epochs of 1 step in 32 worlds
    state = load_checkpoint(last(12), "cpu")
    assert state["update_counter"] == 10 * updates  # epochs 3 to 12; two epochs of random actions before
    events = EventAccumulator("runs/Sac/summaries")
    events.Reload()
    assert [event.step for event in events.Scalars("info/alpha")] == [32 * epoch for epoch in range(3, 13)]


def test_last_epoch_ends_training_without_any_ended_episode(program) -> None:
    outcome = program(*sac_arguments(max_epochs=3), "task.env.resetDist=1000", "task.env.maxEffort=0.001")
    assert outcome.code == 0, outcome.err
    assert "done: 3 epochs, 96 steps; mean episode reward unknown, no episode has ended" in outcome.out
    assert last(3).name == "last_Sac_ep_3_rew_none.pth"


def test_sac_restores_its_temperature_and_plays(program) -> None:
    program(*sac_arguments())
    before = load_checkpoint(last(6), "cpu")
    assert abs(before["log_alpha"].item()) > 0.01, "training must have moved it from log 1"
    outcome = program(*sac_arguments(max_epochs=7), f"checkpoint={last(6)}")
    assert outcome.code == 0, outcome.err
    after = load_checkpoint(last(7), "cpu")
    # The replay buffer is being refilled, and nothing has been learned yet.
    assert after["log_alpha"] == before["log_alpha"]
    assert after["epoch"] == 7
    assert (after["actor"]["trunk.0.weight"] == before["actor"]["trunk.0.weight"]).all()
    played = program(*sac_arguments(), f"checkpoint={last(12)}", "test=True")
    assert "over 10 finished episodes" in played.out, played.err


def test_best_policy_is_saved_after_save_best_after(program) -> None:
    outcome = program(*sac_arguments(save_best_after=4, gamma=0.9), "task.env.episodeLength=3")
    assert outcome.code == 0, outcome.err
    events = EventAccumulator("runs/Sac/summaries")
    events.Reload()
    scores = {event.step // 32: event.value for event in events.Scalars("rewards/step")}
    best = load_checkpoint(Path("runs/Sac/nn/Sac.pth"), "cpu")
    candidates = {epoch: score for epoch, score in scores.items() if epoch >= 4}
    assert best["last_mean_rewards"] == pytest.approx(max(candidates.values()))
    assert best["epoch"] == max(candidates, key=lambda epoch: candidates[epoch])
    resumed = program(
        *sac_arguments(save_best_after=4, max_epochs=13), "task.env.episodeLength=3", f"checkpoint={last(12)}"
    )
    assert resumed.code == 0, resumed.err
    assert load_checkpoint(last(13), "cpu")["last_mean_rewards"] >= best["last_mean_rewards"]


def test_score_to_win_ends_training(program) -> None:
    outcome = program(*sac_arguments(save_best_after=4, score_to_win=-1000), "task.env.episodeLength=3")
    assert outcome.code == 0, outcome.err
    assert "done: 4 epochs, 128 steps" in outcome.out
    assert load_checkpoint(last(4), "cpu")["epoch"] == 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("policy_frequency=0", "policy_frequency=0: expected"),
        ("actor_lr=-1", "actor_lr=-1.0: expected"),
        ("num_warmup_steps=-1", "num_warmup_steps=-1: expected"),
        ("critic_tau=1.5", "critic_tau=1.5: expected a number above 0 and at most 1."),
        ("actor_betas=[0.9]", "actor_betas=[0.9]: expected two numbers from 0 to below 1."),
        ("critic_betas=[0.9,1.0]", "critic_betas=[0.9, 1.0]: expected two numbers from 0 to below 1."),
        ("replay_buffer_size=31", "replay_buffer_size=31: expected at least num_envs=32"),
        ("weight_decay=0.1", "weight_decay=0.1: expected 0; rl_games' SAC has none."),
    ],
)
def test_settings_that_sac_lacks_are_refused(setting: str, message: str, program) -> None:
    outcome = program(*sac_arguments(), f"train.params.config.{setting}")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith(f"error: train.params.config.{message}")
