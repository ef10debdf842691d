"""The programs that compare task files of OmniIsaacGymEnvs with the tasks of this project."""

from pathlib import Path
from typing import Any

import pytest
import torch
from oige_core.errors import ConfigError

from tools import compat_scores, compat_speed
from tools.compat_scores import Played, Tally


def test_first_episodes_of_each_world_count() -> None:
    """World 0 ends after 1, 1 and 2 steps, and world 1 after 3: with one episode each, those after 1 and 3 count."""
    tally = Tally(worlds=2, quota=1)
    for rewards, done in (((1.0, 10.0), (1, 0)), ((2.0, 20.0), (1, 0)), ((3.0, 30.0), (0, 1)), ((4.0, 40.0), (1, 0))):
        tally.add(torch.tensor(rewards), torch.tensor(done))
    assert (tally.returns, tally.lengths, tally.left) == ([1.0, 60.0], [1, 3], 0)


def test_row_has_means_errors_and_ratio() -> None:
    """Of 8 and 12, the mean is 10 and its standard error √8 / √2 = 2; of 19 and 21, 20 and 1."""
    played = {
        "original": Played(returns=[8.0, 12.0], lengths=[1, 1]),
        "own": Played(returns=[19.0, 21.0], lengths=[1, 1]),
    }
    # 0.5 · √((2 / 10)² + (1 / 20)²) = 0.103
    assert compat_scores.row("Ant", played) == "| Ant | 2 | 10.0 ± 2.0 | 20.0 ± 1.0 | 0.500 ± 0.103 |"


def test_network_of_the_policy_is_built() -> None:
    """Our policy of Crazyflie has another activation than the original's configuration."""
    settings = compat_scores.network_settings("Crazyflie")
    (mlp,) = [each for each in settings if each.startswith("++train.params.network.mlp=")]
    assert "activation:elu" in mlp
    assert "++train.params.network.separate=False" in settings


def test_speed_is_compared_round_by_round() -> None:
    """1000 steps in 2, 4 and 5 s against 1, 1 and 5 s: ratios of 0.5, 0.25 and 1."""
    row = compat_speed.row("Ant", {"original": [2.0, 4.0, 5.0], "own": [1.0, 1.0, 5.0]}, 1000)
    assert row == "| Ant | 250 | 1,000 | 0.50 (0.25 to 1.00) |"


@pytest.mark.parametrize("tool", [compat_scores, compat_speed], ids=["scores", "speed"])
def test_folder_without_the_script_is_one_line(tool: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        tool.main([str(tmp_path)])
    script = Path("omniisaacgymenvs/scripts/rlgames_train.py")
    assert str(caught.value) == f"{tmp_path}: expected a checkout of OmniIsaacGymEnvs, which contains {script}."
