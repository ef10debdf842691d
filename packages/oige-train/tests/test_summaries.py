"""Summaries for TensorBoard: each quantity once, over environment steps."""

from pathlib import Path
from typing import Any

import pytest
from fake_env import FakeEnv, make_agent
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def scalars(agent: Any) -> dict[str, list[Any]]:
    agent.writer.close()
    events = EventAccumulator(agent.summaries_dir)
    events.Reload()
    return {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("num_states", [0, 5])
def test_summaries_count_environment_steps_across_resumption(tmp_path: Path, num_states: int) -> None:
    endings = dict.fromkeys(range(4, 100, 4), "terminated")
    settings = {"use_diagnostics": True, "max_epochs": 2}
    first = make_agent(FakeEnv(4, num_states, endings), tmp_path / "first", **settings)
    first.train()
    second = make_agent(FakeEnv(8, num_states, endings), tmp_path / "second", **settings | {"max_epochs": 3})
    second.restore(str(first.session.last))
    second.train()
    for agent, steps, epochs in ((first, [32, 64], [1, 2]), (second, [128], [3])):  # 8 steps of 4 worlds, then of 8
        written = scalars(agent)
        tags = ["rewards/step", "losses/a_loss", "info/kl", "diagnostics/exp_var", "performance/step_fps"]
        for tag in [*tags, *(["losses/cval_loss", "info/cval_lr"] if num_states else [])]:
            assert [event.step for event in written[tag]] == steps, tag
        assert [event.value for event in written["info/epochs"]] == epochs
        assert not any(tag.endswith(("/iter", "/time")) for tag in written)
