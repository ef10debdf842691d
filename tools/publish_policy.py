"""Turn a checkpoint into the policy that a task package ships: ``checkpoint=pretrained``.

    uv run python tools/publish_policy.py runs/Ant/nn/Ant.pth --machine "NVIDIA H100" [--games 256]

Reads ``config.yaml`` of the checkpoint's run, removes what only training needs from the checkpoint, plays it, and
writes ``<package>/pretrained/<Task>.pth`` and ``<Task>.json``.
"""

import argparse
import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import torch
from oige_core import make_env
from oige_core.errors import OigeError
from oige_core.registry import find_task
from oige_train.checkpoint import load_checkpoint, read_info, save_checkpoint
from oige_train.cli.common import run_cli
from oige_train.config import Run, resolve_run, run_hydra
from oige_train.console import ProgressLine
from oige_train.download import content_hash
from oige_train.play import evaluate
from oige_train.pretrained import PolicyCard, policy_files
from oige_train.torch_setup import configure_torch
from omegaconf import OmegaConf

PLAYED = ("model", "actor", "running_mean_std", "epoch", "frame")  # of PPO's and of SAC's checkpoints


def in_single_precision(value: Any) -> Any:
    """Return a checkpoint in single precision; pixel means have 64 bits and would be half of its size."""
    if isinstance(value, dict):
        return type(value)((key, in_single_precision(entry)) for key, entry in value.items())
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--machine", required=True, help="machine on which the policy was trained")
    parser.add_argument("--games", type=int, default=256, help="episodes to play")
    options = parser.parse_args(argv)

    info = read_info(options.checkpoint, str(options.checkpoint))
    if info is None:
        raise OigeError(f"{options.checkpoint}: expected a checkpoint that oige-train wrote.")
    configuration = OmegaConf.to_container(OmegaConf.load(options.checkpoint.parent.parent / "config.yaml"))
    assert isinstance(configuration, dict)
    state = load_checkpoint(options.checkpoint, "cpu")
    file, card_file = policy_files(find_task(info.task))
    file.parent.mkdir(exist_ok=True)
    # Played with the installed configuration, like every policy that comes with a task; its card has that of the run.
    published = dataclasses.replace(info, run=None)
    save_checkpoint(file, in_single_precision({key: state[key] for key in PLAYED if key in state}), published)

    runs: list[Run] = []
    overrides = [f"task={info.task}", "test=True", f"checkpoint={file}", f"num_envs={options.games}"]
    overrides += [
        "sim_device=cpu",
        "pipeline=cpu",
        "rl_device=cpu",
        f"train.params.config.player.games_num={options.games}",
    ]
    run_hydra(overrides, lambda cfg, overridden: runs.append(resolve_run(cfg, overridden)))
    configure_torch(runs[0])
    env = make_env(runs[0].config)
    with torch.no_grad():
        result = evaluate(runs[0], env, ProgressLine())
    env.close()

    card = PolicyCard(
        task=info.task,
        train=runs[0].train_name,
        seed=OmegaConf.load(options.checkpoint.parent.parent / "config.yaml").seed,
        steps=int(state["frame"]),
        mean_return=round(result.mean_return, 2),
        games=result.count,
        sha256=content_hash(file),
        machine=options.machine,
        date=datetime.datetime.fromtimestamp(options.checkpoint.stat().st_mtime, datetime.UTC).date().isoformat(),
        configuration={str(key): value for key, value in configuration.items()},
    )
    card_file.write_text(json.dumps(dataclasses.asdict(card), indent=2) + "\n", encoding="utf-8")
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB, mean return {card.mean_return}")


if __name__ == "__main__":
    run_cli(main)
