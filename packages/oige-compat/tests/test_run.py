"""``oige-compat run`` and the arguments of scripts that use Hydra."""

import sys
from pathlib import Path

import pytest
from oige_compat.errors import CompatError
from oige_compat.run import run
from oige_core.errors import ConfigError

SCRIPT = """\
import hydra

@hydra.main(version_base=None, config_name="config", config_path="cfg")
def main(cfg):
    print("task:", cfg.task.name, cfg.num_envs)

if __name__ == "__main__":
    main()
"""
CONFIG = """\
defaults: [_self_, {task: Wagon}]
num_envs: 4
headless: False
pipeline: gpu
sim_device: gpu
rl_device: cuda:0
hydra: {output_subdir: null, run: {dir: .}}
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "cfg" / "task").mkdir(parents=True)
    (tmp_path / "cfg" / "config.yaml").write_text(CONFIG)
    (tmp_path / "cfg" / "task" / "Wagon.yaml").write_text("name: Wagon\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [])
    for name in ("HYDRA_FULL_ERROR", "TORCHDYNAMO_DISABLE", "EXP_PATH"):
        monkeypatch.setenv(name, "1")  # so that it has its value again afterwards
    return "train.py"


def test_arguments_reach_the_script(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([script, "num_envs=8"])
    assert capsys.readouterr().out.endswith("task: Wagon 8\n")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("task=Wagn", "task=Wagn: the script has no such configuration. Did you mean Wagon?"),
        (
            "nonsense=3",
            "oige-compat run train.py: Could not override 'nonsense'. To append to your config use +nonsense=3",
        ),
    ],
)
def test_argument_that_hydra_refuses_is_one_line(script: str, argument: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run([script, argument])
    assert str(caught.value) == message


def test_missing_script_is_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        run(["scripts/none.py", "task=Wagon"])
    assert str(caught.value) == (
        "oige-compat run scripts/none.py: no such file; expected a script, such as scripts/rlgames_train.py."
    )


def test_package_that_is_not_installed_is_one_line(script: str, tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text("import math\nimport wagon_parts.wheels\n")
    Path(script).write_text("import parts\n")
    with pytest.raises(ConfigError) as caught:
        run([script])
    assert str(caught.value) == (
        f"wagon_parts (imported in {tmp_path / 'parts.py'}:2): neither a module of the checkout nor an installed "
        "package; install it beside oige-compat, for example with uv run --with PACKAGE oige-compat …"
    )


def test_module_that_a_package_lacks_keeps_its_traceback(script: str) -> None:
    Path(script).write_text("import math\nimport json.wagons\n")
    with pytest.raises(ModuleNotFoundError):
        run([script])


def test_checkpoint_of_another_network_is_one_line(script: str) -> None:
    load = "import torch\ntorch.nn.Linear(2, 1, bias=False).load_state_dict(torch.nn.Linear(3, 1).state_dict())\n"
    Path(script).write_text(load)
    with pytest.raises(ConfigError) as caught:
        run([script])
    assert str(caught.value) == (
        'the checkpoint is of another network: Unexpected key(s) in state_dict: "bias". size mismatch for weight: '
        "copying a param with shape torch.Size([1, 3]) from checkpoint, "
        "the shape in current model is torch.Size([1, 2])."
    )


def test_errors_that_a_script_logs_reach_the_user(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(script).write_text(
        "import carb, logging\nlogging.disable()\n"
        "carb.log_error('no file')\ncarb.log_warn('slow')\nlogging.disable(0)\n"
    )
    run([script])
    assert capsys.readouterr().err == "[Error] no file\n[Warning] slow\n"


def test_no_world_is_one_line(script: str) -> None:
    clone = "cloner.clone('/World/envs/env_0', cloner.generate_paths('/World/envs/env', 0))\n"
    Path(script).write_text(f"from omni.isaac.cloner import GridCloner\ncloner = GridCloner(spacing=1.0)\n{clone}")
    with pytest.raises(CompatError) as caught:
        run([script])
    assert str(caught.value) == f"0 worlds (used in {script}:3): expected at least one; set num_envs."
