"""Resumption restores what depends on a setting, unless the setting was changed."""

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from fake_env import FakeEnv, make_agent, make_sac_agent
from oige_train import runner
from oige_train.checkpoint import load_checkpoint, read_info, save_checkpoint
from oige_train.learner.environment import RlGamesEnv
from oige_train.schema import CentralValueConfig, MlpConfig, NetworkConfig

ADAPTIVE = {"lr_schedule": "adaptive", "learning_rate": 1e-4, "kl_threshold": 1.0}  # which is never reached


def trained(folder: Path, num_states: int = 0, **settings: Any) -> Any:
    """Train for two epochs on four worlds."""
    agent = make_agent(FakeEnv(4, num_states), folder / "first", max_epochs=2, **settings)
    agent.train()
    return agent


def resumed(folder: Path, first: Any, num_envs: int = 4, num_states: int = 0, **settings: Any) -> Any:
    agent = make_agent(FakeEnv(num_envs, num_states), folder / "second", **settings)
    agent.exact = agent.restore(str(first.session.last))
    return agent


def rates(agent: Any) -> list[float]:
    return [group["lr"] for optimiser in agent.optimisers() for group in optimiser.param_groups]


@pytest.mark.parametrize("num_envs", [4, 8])
def test_adaptive_rate_is_restored_with_any_number_of_worlds(tmp_path: Path, num_envs: int) -> None:
    first = trained(tmp_path, **ADAPTIVE)
    assert first.last_lr == pytest.approx(1e-4 * 1.5**8)  # two epochs of two passes over two minibatches
    second = resumed(tmp_path, first, num_envs, **ADAPTIVE)
    assert second.exact == (num_envs == 4)
    assert second.last_lr == first.last_lr
    assert rates(second) == [first.last_lr]


@pytest.mark.parametrize("changes", [{"learning_rate": 7e-5}, {"lr_schedule": "identity"}])
def test_changed_rate_or_schedule_takes_effect_and_episodes_continue(tmp_path: Path, changes: dict[str, Any]) -> None:
    second = resumed(tmp_path, trained(tmp_path, **ADAPTIVE), **ADAPTIVE | changes)
    assert second.exact
    assert second.last_lr == changes.get("learning_rate", 1e-4)
    assert rates(second) == [second.last_lr]


def test_other_changed_settings_take_effect(tmp_path: Path) -> None:
    first = trained(tmp_path, entropy_coef=0.1, weight_decay=0.2)
    second = resumed(tmp_path, first, entropy_coef=0.3, weight_decay=0.4, gamma=0.7)
    assert second.exact
    second.train()
    assert (second.entropy_coef, second.gamma) == (0.3, 0.7)
    assert [group["weight_decay"] for group in second.optimizer.param_groups] == [0.4]


def test_scheduled_entropy_is_restored_unless_changed(tmp_path: Path) -> None:
    linear: dict[str, Any] = {"lr_schedule": "linear", "schedule_entropy": True, "entropy_coef": 0.1}
    first = trained(tmp_path, **linear)
    assert first.entropy_coef < 0.01  # of two epochs, two are over
    assert resumed(tmp_path, first, **linear).entropy_coef == first.entropy_coef
    changed: dict[str, Any] = {**linear, "entropy_coef": 0.2}
    assert resumed(tmp_path, first, **changed).entropy_coef == 0.2


def test_stretched_linear_schedule_notes_the_higher_rate(tmp_path: Path) -> None:
    linear: dict[str, Any] = {"lr_schedule": "linear", "learning_rate": 1e-3}
    first = trained(tmp_path, **linear)
    assert first.last_lr == 1e-6  # rl_games' least
    again = make_agent(FakeEnv(4), tmp_path / "same", max_epochs=2, **linear)
    again.restore(str(first.session.last))
    assert again.session.notes == []
    second = resumed(tmp_path, first, **linear)  # until epoch 4
    assert second.session.notes == [
        "max_epochs=4: the linear learning rate falls to 0 at that epoch; it is 0.000251 in the next epoch and was "
        "1e-06 in the last one."
    ]


def critic(**settings: Any) -> CentralValueConfig:
    defaults = {"learning_rate": 1e-3, "mini_epochs": 1, "clip_value": True, "normalize_input": True}
    network = NetworkConfig(name="actor_critic", central_value=True, mlp=MlpConfig(units=[8]))
    return CentralValueConfig(**{"network": network, "minibatch_size": 16} | defaults | settings)


@pytest.mark.parametrize("num_envs", [4, 8])
def test_schedule_of_the_central_value_network_is_restored(tmp_path: Path, num_envs: int) -> None:
    linear = {"central_value_config": critic(lr_schedule="linear")}
    first = trained(tmp_path, 5, **linear, lr_schedule="identity")
    second = resumed(tmp_path, first, num_envs, 5, **linear, lr_schedule="identity")
    assert second.central_value_net.epoch_num == 2
    assert rates(second)[1] == first.central_value_net.lr < 1e-4
    second.train()
    assert second.central_value_net.lr == pytest.approx(1e-6)  # the fourth epoch of four is over
    faster = {"central_value_config": critic(lr_schedule="linear", learning_rate=2e-3)}
    assert rates(resumed(tmp_path, first, num_envs, 5, **faster, lr_schedule="identity"))[1] == 2e-3


@pytest.mark.parametrize("changes", [{"stagger_episodes": True}, {"seed": 7}])
def test_changed_seed_or_staggering_starts_new_episodes(tmp_path: Path, changes: dict[str, Any]) -> None:
    first = trained(tmp_path)
    assert not resumed(tmp_path, first, **changes).exact


def test_settings_of_initial_weights_are_noted_without_effect(tmp_path: Path) -> None:
    first = trained(tmp_path)
    assert resumed(tmp_path, first).session.notes == []
    network = first.session.run.config.train.params.network
    network.mlp.initializer = {"name": "orthogonal_initializer", "gain": 2.0}
    network.mlp.activation = "relu"  # this one has an effect
    notes = resumed(tmp_path, first, network=network).session.notes
    assert notes == [
        f"train.params.network.mlp.initializer.{key}: has no effect, because the weights are those of the checkpoint."
        for key in ("gain", "name")
    ]


def test_rate_of_a_plain_rl_games_checkpoint_is_restored(tmp_path: Path) -> None:
    first = trained(tmp_path, **ADAPTIVE)
    state, info = load_checkpoint(first.session.last, "cpu"), read_info(first.session.last, "x")
    assert info is not None
    for key in ("settings", "schedule", "progress", "random_state"):
        del state[key]
    save_checkpoint(first.session.last, state, info)
    second = resumed(tmp_path, first, **ADAPTIVE)
    assert not second.exact
    assert second.last_lr == first.last_lr


SAC = {"num_warmup_steps": 1, "save_frequency": 3, "max_epochs": 3}


def test_sac_overrides_take_effect_and_learned_temperature_is_restored(tmp_path: Path) -> None:
    first = make_sac_agent(FakeEnv(4), tmp_path / "first", **SAC)
    first.train()
    assert first.log_alpha.abs() > 1e-4, "it must have changed from log 1"

    def again(**changes: Any) -> Any:
        agent = make_sac_agent(FakeEnv(4), tmp_path / "second", **SAC | changes)
        agent.restore(str(first.session.last))
        return agent

    assert torch.equal(again().log_alpha, first.log_alpha)
    changed = again(actor_lr=2e-3, critic_lr=3e-3, alpha_lr=4e-3, actor_betas=[0.5, 0.6], init_alpha=0.5)
    assert rates(changed) == [2e-3, 3e-3, 4e-3]
    assert list(changed.actor_optimizer.param_groups[0]["betas"]) == [0.5, 0.6]
    assert changed.log_alpha.item() == pytest.approx(-0.6931472)
    moments = [next(iter(agent.actor_optimizer.state.values()))["exp_avg"] for agent in (first, changed)]
    assert torch.equal(*moments)


def test_state_missing_from_checkpoints_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful:
        device = "cpu"
        metadata: ClassVar = {"autoreset_mode": "upstream"}

        def state_dict(self) -> dict[str, Any]:
            warnings.warn("states of Forgetful leave out memory (Memory)", stacklevel=2)
            return {}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.state_dict()

    adapter = RlGamesEnv(Forgetful(), "cpu")
    adapter.set_env_state(adapter.get_env_state())
    assert caplog.messages == 2 * ["warning: states of Forgetful leave out memory (Memory)"]


@pytest.mark.parametrize(
    ("size", "former", "cause"),
    [
        (1, "record", "the number of worlds, the seed, the task's configuration or the version differs, so"),
        (2, "record", "with several processes,"),
        (1, None, "the file has no state of the simulation, so"),
    ],
)
def test_cause_of_new_episodes_is_said(
    size: int, former: str | None, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(runner, "say", lambda *lines: said.extend(lines))
    agent = SimpleNamespace(
        restore=lambda path: False,
        epoch_num=3,
        frame=96,
        max_frames=-1,
        found_episodes=True,
        compare_best_with=lambda score, continued: score,
    )
    workers = SimpleNamespace(rank=0, size=size, decide=lambda choose: 0.0)
    run = SimpleNamespace(checkpoint="a.pth", former=former)
    session: Any = SimpleNamespace(run=run, workers=workers, notes=[])
    runner._resume(agent, SimpleNamespace(is_new=True), session)  # type: ignore[arg-type]
    assert said == [f"resuming a.pth after epoch 3; {cause} new episodes begin"]
