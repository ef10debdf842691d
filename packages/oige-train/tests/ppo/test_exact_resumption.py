"""Training that is resumed from a checkpoint continues exactly as if it had not been interrupted."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from oige_core.testing import TapeRecorder
from oige_train.learner.graphs import LearnerGraphs
from oige_train.schema import RnnConfig
from random_env import CNN, RandomEnv, critic, network, random_agent, state_of

LSTM = RnnConfig(name="lstm", units=8)
KINDS: dict[str, dict[str, Any]] = {
    "shuffled": {"shuffle_minibatches": True},
    "symmetries, adaptive rate": {"symmetry_augmentation": True, "lr_schedule": "adaptive", "kl_threshold": 0.004},
    "adaptive rate by passes": {"lr_schedule": "adaptive", "schedule_type": "standard", "schedule_entropy": True},
    "linear rate": {"lr_schedule": "linear", "schedule_entropy": True, "entropy_coef": 0.1},
    "lstm": {"network": network(rnn=LSTM), "lr_schedule": "adaptive", "kl_threshold": 0.004},
    "lstm, memory kept": {"network": network(rnn=LSTM), "zero_rnn_on_done": False},
    "cnn": {"network": network(cnn=CNN), "images": True},
    "tanh": {"model": "continuous_a2c_tanh", "entropy_coef": 0.1},
    "critic": {"num_states": 4, "central_value_config": critic(lr_schedule="linear")},
    "critic, lstm": {
        "num_states": 4,
        "network": network(rnn=LSTM),
        "central_value_config": critic(network={"rnn": LSTM}),
    },
    "resets": {"epochs_between_resets": 3},
}


def agent_of(folder: Path, settings: dict[str, Any], *, taped: bool, **changes: Any) -> Any:
    settings = {**settings, **changes}
    env = RandomEnv(8, settings.pop("num_states", 0), images=settings.pop("images", False))
    if not taped:
        return random_agent(folder, env, **settings)
    with mock.patch.object(LearnerGraphs, "of", return_value=LearnerGraphs(TapeRecorder(), required=True)):
        return random_agent(folder, env, **settings)


@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN:UserWarning")
@pytest.mark.parametrize("taped", [False, True], ids=["eager", "taped"])
@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_resumed_training_continues_exactly(tmp_path: Path, settings: dict[str, Any], taped: bool) -> None:
    with torch.backends.mkldnn.flags(enabled=not taped):  # whose LSTM returns less while autograd is off
        whole = agent_of(tmp_path / "whole", settings, taped=taped, save_frequency=2, max_epochs=4)
        whole.train()
        checkpoint = next((tmp_path / "whole" / "Fake" / "nn").glob("last_Fake_ep_2_*"))
        parts = agent_of(tmp_path / "parts", settings, taped=taped, max_epochs=4)
        assert parts.restore(str(checkpoint))
        parts.train()
    assert whole.epoch_num == parts.epoch_num == 4
    ours, theirs = state_of(whole), state_of(parts)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    assert whole.schedule_state() == parts.schedule_state()
    assert torch.equal(torch.stack(whole.vec_env.env.actions[16:]), torch.stack(parts.vec_env.env.actions))
    assert whole.game_rewards.state_dict()["mean"] == parts.game_rewards.state_dict()["mean"]
    assert torch.equal(whole.episodes.current, parts.episodes.current)
