"""What oige-train overrides and patches in rl_games; these tests fail when a new version of rl_games changes it."""

import importlib.metadata
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_env import FakeEnv, make_agent, make_sac_agent
from oige_train.learner import rl_games_shim
from oige_train.learner.ppo.agent import PpoAgent
from oige_train.learner.progress import Observer
from oige_train.learner.sac import ReplayBuffer, SacAgent
from rl_games.algos_torch.a2c_continuous import A2CAgent
from rl_games.algos_torch.sac_agent import SACAgent
from rl_games.common.experience import VectorizedReplayBuffer

COMMON = ("env_reset", "env_step", "get_full_state_weights", "restore", "save", "train_epoch")
OVERRIDDEN: dict[tuple[type, type], tuple[str, ...]] = {
    (PpoAgent, A2CAgent): (
        *COMMON,
        "calc_gradients",
        "discount_values",
        "prepare_dataset",
        "train_actor_critic",
        "train_central_value",
        "trancate_gradients_and_step",
        "update_epoch",
    ),
    (SacAgent, SACAgent): (*COMMON, "extract_actor_stats", "set_full_state_weights", "train"),
    (ReplayBuffer, VectorizedReplayBuffer): ("add",),
}
CASES = [(ours, theirs, name) for (ours, theirs), names in OVERRIDDEN.items() for name in names]


@pytest.mark.parametrize(("ours", "theirs", "name"), CASES)
def test_overridden_methods_have_the_parameters_of_rl_games(ours: type, theirs: type, name: str) -> None:
    assert list(inspect.signature(getattr(ours, name)).parameters) == list(
        inspect.signature(getattr(theirs, name)).parameters
    )


def test_divergences_are_the_ninth_statistic() -> None:
    assert list(inspect.signature(A2CAgent.write_stats).parameters).index("kls") == 1 + 8  # after self


def test_observer_has_every_method_that_rl_games_calls() -> None:
    sources = [inspect.getsource(sys.modules[cls.__module__]) for cls in (*A2CAgent.__mro__[:-1], SACAgent)]
    called = set(re.findall(r"algo_observer\.(\w+)\(", "".join(sources)))
    assert called >= {"before_init", "process_infos", "after_print_stats"}
    assert called <= set(vars(Observer))


@pytest.mark.parametrize(("make", "num_states"), [(make_agent, 0), (make_agent, 2), (make_sac_agent, 0)])
def test_agents_get_eager_optimisers_and_patches_are_undone(
    make: Callable[[Any, Path], Any], num_states: int, tmp_path: Path
) -> None:
    adam = torch.optim.Adam
    writers = {name: vars(sys.modules[name])["SummaryWriter"] for name in rl_games_shim.WRITER_MODULES}
    agent = make(FakeEnv(2, num_states), tmp_path)
    assert {type(optimiser) for optimiser in agent.optimisers()} == {rl_games_shim.EagerAdam}
    assert torch.optim.Adam is adam
    assert writers == {name: vars(sys.modules[name])["SummaryWriter"] for name in rl_games_shim.WRITER_MODULES}


def test_rl_games_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_agent(FakeEnv(2), tmp_path)
    assert capfd.readouterr().out == ""


def test_untested_version_of_rl_games_warns(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    version = importlib.metadata.version
    rl_games_shim.install()
    assert caplog.messages == []
    assert version("rl-games").startswith(f"{rl_games_shim.TESTED_VERSION}.")

    def newer(distribution: str) -> Any:
        return "1.60.0" if distribution == "rl-games" else version(distribution)

    monkeypatch.setattr(importlib.metadata, "version", newer)
    monkeypatch.delitem(vars(sys.modules["rl_games.common.tr_helpers"]), "print")  # as if it was not installed yet
    rl_games_shim.install()
    assert caplog.messages == ["rl_games 1.60.0: oige-train is tested with 1.6; expect differences"]
