"""An agent whose work is replayed learns as an eager one: from tapes on the CPU, from CUDA graphs on a GPU."""

import logging
import weakref
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from oige_core.errors import ConfigError
from oige_core.testing import TapeRecorder
from oige_train.learner.distributed import Workers
from oige_train.learner.graphs import LearnerGraphs
from oige_train.schema import RnnConfig
from random_env import CNN, RandomEnv, critic, network, played, random_agent, state_of

LSTM = RnnConfig(name="lstm", units=8)
ADAPTIVE = {"lr_schedule": "adaptive", "kl_threshold": 0.004, "learning_rate": 3e-3}
LINEAR = {"lr_schedule": "linear", "schedule_entropy": True, "entropy_coef": 0.1}
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "deviation of the network": {"network": network(fixed_sigma=False), **ADAPTIVE, "bounds_loss_coef": 0.1},
    "separate": {"network": network(separate=True), "truncate_grads": True, **LINEAR},
    "tanh": {"model": "continuous_a2c_tanh", "entropy_coef": 0.01},
    "cnn": {"network": network(cnn=CNN), "images": True},
    "symmetries, shuffled": {"symmetry_augmentation": True, "shuffle_minibatches": True, **ADAPTIVE},
    "adaptive rate by passes": {**ADAPTIVE, "schedule_type": "standard", "use_diagnostics": True},
    "lstm": {"network": network(rnn=LSTM), **ADAPTIVE},
    "gru, separate, memory kept": {
        "network": network(rnn=RnnConfig(name="gru", units=8), separate=True),
        "zero_rnn_on_done": False,
    },
    "critic": {"num_states": 4, "truncate_grads": True},
    "critic, lstm": {
        "num_states": 4,
        "network": network(rnn=LSTM),
        "central_value_config": critic(network={"rnn": LSTM}, lr_schedule="linear"),
    },
    "one step": {"horizon_length": 1, "minibatch_size": 4, "seq_length": 1},
    "worlds that always end": {"endings": (0.5, 1.0)},
}


#: A tape executes what it records, so that the statistics of a step that cannot be recorded would change twice.
UNCHANGED: dict[str, Any] = {"normalize_input": False}


def agent_of(folder: Path, settings: dict[str, Any], device: str = "cpu", **changes: Any) -> Any:
    settings = settings | changes
    names = ("num_states", "images", "endings")
    env = RandomEnv(8, device=device, **{name: settings[name] for name in names if name in settings})
    return random_agent(folder, env, **{name: value for name, value in settings.items() if name not in names})


def taped(folder: Path, settings: dict[str, Any], **changes: Any) -> Any:
    """Return an agent that records its work on tapes, and must be able to."""
    with mock.patch.object(LearnerGraphs, "of", return_value=LearnerGraphs(TapeRecorder(), required=True)):
        return agent_of(folder, settings, **changes)


def assert_learned_alike(one: Any, two: Any, start: dict[str, torch.Tensor], tolerance: float = 2e-5) -> None:
    ours, theirs = state_of(one), state_of(two)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(
            value, theirs[name], rtol=10 * tolerance, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert (ours["policy.a2c_network.mu.weight"] - start["policy.a2c_network.mu.weight"]).abs().max() > 1e-3
    torch.testing.assert_close(one.update.terms, two.update.terms, rtol=1e-3, atol=1e-4)
    assert float(one.last_lr) == pytest.approx(float(two.last_lr), rel=1e-5)
    assert one.game_rewards.current_size == two.game_rewards.current_size > 0
    assert one.game_rewards.get_mean() == pytest.approx(two.game_rewards.get_mean(), rel=1e-4)
    assert one.game_lengths.get_mean() == two.game_lengths.get_mean()


@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN:UserWarning")
@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_replayed_tapes_learn_as_an_eager_agent(tmp_path: Path, settings: dict[str, Any]) -> None:
    eager, replayed = agent_of(tmp_path / "eager", settings), taped(tmp_path / "taped", settings)
    start = state_of(eager)
    with torch.backends.mkldnn.flags(enabled=False):  # whose LSTM returns less while autograd is off, as in a replay
        for agent in (eager, replayed):
            torch.manual_seed(1)
            played(agent, 4)
    assert not eager.graphs._replays
    names = {name if isinstance(name, str) else name[0] for name in replayed.graphs._replays}
    assert {"the policy", "the preparation of samples", "a gradient step"} <= names
    assert_learned_alike(replayed, eager, start)


def test_a_closed_agent_holds_no_graphs(tmp_path: Path) -> None:
    """A process cannot leave NCCL's group while a graph with a collective exists."""
    with mock.patch.object(LearnerGraphs, "of", return_value=LearnerGraphs(TapeRecorder(), required=True)):
        agent = agent_of(tmp_path, UNCHANGED)
    played(agent, 3)
    graphs = [weakref.ref(replay) for replay in agent.graphs._replays.values()]
    assert len(graphs) > 3
    agent.close()
    assert all(graph() is None for graph in graphs)


def test_what_cannot_be_captured_runs_eagerly_for_ever_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    total = torch.zeros(3)

    def waits() -> None:
        if total.sum().item() < 100.0:
            total.add_(1.0)

    graphs = LearnerGraphs(TapeRecorder())
    for count in range(1, 5):
        graphs.run("the addition", waits)
        assert total.tolist() == [count] * 3
    (message,) = caplog.messages
    assert message.startswith(
        "the addition runs without CUDA graphs, which is slower: it cannot be captured (waits for "
    )
    required = LearnerGraphs(TapeRecorder(), required=True)
    required.run("the addition", waits)
    with pytest.raises(
        ConfigError, match=r"graphs=True: expected auto or False; the addition cannot be captured \(waits"
    ):
        required.run("the addition", waits)


def test_work_that_cannot_be_captured_in_another_process_runs_eagerly_in_all(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[bool] = []

    def any_fails(flag: bool) -> bool:
        failures.append(flag)
        return len(failures) == 1  # the other process fails in the first capture

    workers = mock.Mock(Workers, rank=0)
    workers.any.side_effect = any_fails
    recorder = mock.Mock(TapeRecorder)
    recorder.record.return_value = replay = mock.Mock()
    graphs = LearnerGraphs(recorder, workers=workers)
    first, second = mock.Mock(), mock.Mock()
    for _ in range(4):
        graphs.run("the first", first)
        graphs.run("the second", second)
    assert failures == [False, False]
    assert (first.call_count, second.call_count, replay.call_count) == (4, 1, 3)
    (message,) = caplog.messages
    assert message.startswith("the first runs without CUDA graphs")
    assert message.endswith("(that failed in another process)")


def test_an_agent_whose_network_waits_learns_eagerly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def waiting(folder: Path, **changes: Any) -> Any:
        with mock.patch.object(LearnerGraphs, "of", return_value=LearnerGraphs(TapeRecorder(), **changes)):
            agent = agent_of(folder, UNCHANGED)
        agent.model.a2c_network.mu.register_forward_hook(lambda _, __, out: out + 0.0 * out.sum().item())
        return agent

    agent = waiting(tmp_path / "one")
    start = state_of(agent)
    eager = agent_of(tmp_path / "two", UNCHANGED)
    with caplog.at_level(logging.WARNING):
        for each in (agent, eager):
            torch.manual_seed(1)
            played(each, 3)
    assert_learned_alike(agent, eager, start)
    names = [message.partition(" runs without")[0] for message in caplog.messages]
    assert sorted(names) == [
        "a gradient step",  # in the first pass, and in others
        "a gradient step",
        "the policy",
        "the preparation of samples",
    ]
    with pytest.raises(ConfigError, match="the policy cannot be captured"):
        played(waiting(tmp_path / "three", required=True), 1)


def test_a_cpu_has_no_graphs(tmp_path: Path) -> None:
    for setting in ("auto", "False"):
        assert not agent_of(tmp_path, {}, graphs=setting).graphs.enabled


@GPU
@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_cuda_graphs_learn_as_eager_work_on_a_gpu(tmp_path: Path, settings: dict[str, Any]) -> None:
    agents = [agent_of(tmp_path / name, settings, "cuda:0", graphs=name) for name in ("True", "False")]
    start = state_of(agents[0])
    for agent in agents:
        torch.manual_seed(1)
        torch.cuda.manual_seed(1)
        played(agent, 4)
    assert agents[0].graphs.enabled
    assert not agents[1].graphs.enabled
    assert {"the policy", "the preparation of samples"} <= {
        n if isinstance(n, str) else n[0] for n in agents[0].graphs._replays
    }
    assert_learned_alike(agents[0], agents[1], start, tolerance=2e-4)


@GPU
def test_mixed_precision_learns_nearly_the_same_on_a_gpu(tmp_path: Path) -> None:
    settings = {"learning_rate": 1e-3}
    agents = [
        agent_of(tmp_path / str(mixed), settings, "cuda:0", graphs=graphs, mixed_precision=mixed)
        for mixed, graphs in ((True, "True"), (True, "False"), (False, "False"))
    ]
    for agent in agents:
        torch.manual_seed(1)
        torch.cuda.manual_seed(1)
        played(agent, 2)
    weights = [state_of(agent)["policy.a2c_network.mu.weight"] for agent in agents]
    torch.testing.assert_close(weights[0], weights[1], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(weights[0], weights[2], atol=1e-2, rtol=0.0)
