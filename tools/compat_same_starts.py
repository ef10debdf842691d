"""Play a policy in a Factory task file of OmniIsaacGymEnvs and in our own task, from the same states.

    uv run python tools/compat_same_starts.py CHECKOUT Task [--worlds N] [--start SIDE]

CHECKOUT is a checkout of OmniIsaacGymEnvs, outside of this repository. The original's file moves the arm for a third of
a second towards a random pose, and starts where it then is; our task starts at the pose. In Screw, the original's file
opens the fingers wide, so that nuts fall askew onto the thread. Here both reset their worlds. Then our task, with
``task.env.compat=upstream``, gets the joints of the original's robots and the poses of its nuts and bolts, or, with
``--start own``, gives it its own. Both play one episode in each world with the policy that comes with the task, on the
CPU. The printed row is that of ``tools/compat_scores.py``, followed by the largest difference of the first
observations, and by the fraction of episodes that succeed.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from oige_core.errors import ConfigError
from oige_train.cli.common import run_cli

sys.path.insert(0, str(Path(__file__).parent))
from compat_scores import SCRIPT, SIDES, Played, Tally, row

CPU = [f"{key}=cpu" for key in ("pipeline", "sim_device", "rl_device")]


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("task")
    parser.add_argument("--worlds", type=int, default=32, help="number of worlds (%(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="seed of both (%(default)s)")
    parser.add_argument("--start", choices=SIDES, default=SIDES[0], help="whose states both have (%(default)s)")
    given = parser.parse_args(argv)
    if not (given.checkout / SCRIPT).is_file():
        raise ConfigError(f"{given.checkout}: expected a checkout of OmniIsaacGymEnvs, which contains {SCRIPT}.")
    original = make_original(given)
    original.reset()
    adapter, env, policy = make_own(given)
    observations, first = copy_states(original.task, env.unwrapped.task, given.start)
    difference = float((observations - first).abs().max())
    tallies = {"original": Tally(given.worlds, 1), "own": Tally(given.worlds, 1)}
    success = {"original": 0.0, "own": 0.0}
    while tallies["original"].left:
        observations, rewards, done, extras = original.step(policy.act(observations, deterministic=True))
        observations = observations["obs"]
        tallies["original"].add(rewards, done)
        success["original"] = max(success["original"], float(extras.get("successes", 0.0)))
    observations = first
    while tallies["own"].left:
        out, rewards, done, infos = adapter.step(policy.act(observations, deterministic=True))
        observations = out["obs"]
        tallies["own"].add(rewards, done)
        if bool(done.any()) and "success" in infos:
            success["own"] = float(infos["success"].float().mean())
    played = {side: Played(returns=tally.returns, lengths=tally.lengths) for side, tally in tallies.items()}
    print(row(given.task, played))
    print(f"first observations differ by at most {difference:.2g}")
    print(f"success: {success['original']:.2f} in the original's file, {success['own']:.2f} in our task")
    adapter.close() if hasattr(adapter, "close") else env.close()


def make_original(given: argparse.Namespace) -> Any:
    """Return the environment of the original's file."""
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from oige_compat.imports import install
    from oige_compat.legacy import restore

    install()
    restore()
    root = given.checkout.resolve()
    sys.path.insert(0, str(root))
    importlib.import_module("omniisaacgymenvs.utils.hydra_cfg.hydra_utils")  # registers resolvers
    set_seed = _named("omni.isaac.core.utils.torch.maths:set_seed")
    omegaconf_to_dict = _named("omniisaacgymenvs.utils.hydra_cfg.reformat:omegaconf_to_dict")
    with initialize_config_dir(config_dir=str(root / "omniisaacgymenvs/cfg"), version_base=None):
        settings = [f"task={given.task}", "test=True", "headless=True", f"num_envs={given.worlds}", *CPU]
        configuration = omegaconf_to_dict(compose("config", overrides=settings))
        configuration["seed"] = set_seed(given.seed)
        env = _named("omniisaacgymenvs.envs.vec_env_rlgames:VecEnvRLGames")(headless=True)
        _named("omniisaacgymenvs.utils.task_util:initialize_task")(configuration, env)
    GlobalHydra.instance().clear()
    return env


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def make_own(given: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Return adapter, environment and policy of our task, after a reset."""
    from oige_core.envs import make_env
    from oige_train.cli.common import checked_run
    from oige_train.play import make_adapter
    from oige_train.policy_loading import load_policy
    from oige_train.torch_setup import configure_torch

    settings = ["test=True", "checkpoint=pretrained", "task.env.compat=upstream", f"num_envs={given.worlds}"]
    run = checked_run([f"task={given.task}", *settings, f"seed={given.seed}", *CPU])
    configure_torch(run)
    env = make_env(run.config)
    adapter = make_adapter(run, env)
    policy = load_policy(run, adapter)
    adapter.reset()
    return adapter, env, policy


def copy_states(original: Any, own: Any, start: str) -> tuple[Any, Any]:
    """Give one of two tasks the states of the other, and return the observations of both."""
    from oige_compat.session import session

    source, target = (original, own) if start == "original" else (own, original)
    origins = session().offsets + session().places  # of the worlds on the stage of the original
    target.frankas.set_joint_positions(source.frankas.get_joint_positions())
    target.frankas.set_joint_velocities(source.frankas.get_joint_velocities())
    for name in ("nuts", "bolts"):
        read, write = getattr(source, name), getattr(target, name)
        positions, orientations = read.get_world_poses()
        positions = positions - origins if start == "original" else positions + origins
        write.set_world_poses(positions, orientations)
    target.nuts.set_velocities(source.nuts.get_velocities())
    for refresh in (original.refresh_base_tensors, original.refresh_env_tensors, original._refresh_task_tensors):
        refresh()
    original.get_observations()
    return original.obs_buf, own.get_observations()


if __name__ == "__main__":
    run_cli(main)
