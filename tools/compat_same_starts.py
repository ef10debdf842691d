"""Play a policy in a task file of OmniIsaacGymEnvs and in our own task, from the same states.

    uv run python tools/compat_same_starts.py CHECKOUT Task [--worlds N] [--start SIDE] [--checkpoint FILE]

CHECKOUT is a checkout of OmniIsaacGymEnvs, outside of this repository. Task is a Factory task, Anymal, CartpoleCamera
or TargetFollowing. The original's Factory files move the arm for a third of a second towards a random pose, and start
where it then is; our task starts at the pose. In Screw, the original's file opens the fingers wide, so that nuts fall
askew onto the thread. Here both reset their worlds. Then our task, with ``task.env.compat=upstream``, gets the states
and commands of the original's worlds, or, with ``--start own``, gives its own. Both play one episode in each world with
the policy that comes with the task, on the CPU. The policy of CartpoleCamera sees two images, which are stacked here
for the original's file, too. The printed row is that of ``tools/compat_scores.py``. Below are the ratio with the error
of paired episodes, how much the first observations differ and, in Factory tasks, the fraction of episodes that succeed.
"""

import argparse
import importlib
import math
import os
import statistics
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oige_core.errors import ConfigError
from oige_train.cli.common import run_cli

sys.path.insert(0, str(Path(__file__).parent))
from compat_scores import SCRIPT, SIDES, Played, Tally, row

CPU = [f"{key}=cpu" for key in ("pipeline", "sim_device", "rl_device")]
FRAMES, INTERVAL = 2, 3  # images that the policy of CartpoleCamera sees, and control steps between them
VELOCITY_TARGET = 0.1  # rad/s; bound of those of Anymal


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("task")
    parser.add_argument("--worlds", type=int, default=32, help="number of worlds (%(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="seed of both (%(default)s)")
    parser.add_argument("--start", choices=SIDES, default=SIDES[0], help="whose states both have (%(default)s)")
    parser.add_argument("--checkpoint", type=Path, help="another policy, whose network is that of the task")
    parser.add_argument("--own", action="append", default=[], metavar="KEY=VALUE", help="setting of our task")
    given = parser.parse_args(argv)
    if not (given.checkout / SCRIPT).is_file():
        raise ConfigError(f"{given.checkout}: expected a checkout of OmniIsaacGymEnvs, which contains {SCRIPT}.")
    is_factory = given.task.startswith("FactoryTask")
    if not is_factory and given.task not in COPY:
        raise ConfigError(f"{given.task}: expected a Factory task, {', '.join(COPY)}.")
    if given.start == "own" and not is_factory:
        raise ConfigError(f"--start own with {given.task}: expected a Factory task; omit it.")
    original = make_original(given)
    observations = original.reset()["obs"]
    adapter, env, policy = make_own(given)
    task, own = original.task, env.unwrapped.task
    if is_factory:
        observations, first = copy_factory(task, own, given.start)
    else:
        COPY[given.task](task, own)
        first = own._as_original(own.get_observations())
    see = {side: views_of(given.task, side) for side in SIDES}
    tallies = {side: Tally(given.worlds, 1) for side in SIDES}
    success = dict.fromkeys(SIDES, 0.0)
    highest = observations.new_tensor(task.action_space.high)
    observations, first = see["original"](observations), see["own"](first)
    difference = (observations - first).abs()
    while tallies["original"].left:
        actions = policy.act(observations, deterministic=True)
        out, rewards, done, extras = original.step(actions * highest)
        observations = see["original"](out["obs"])
        tallies["original"].add(rewards, done)
        success["original"] = max(success["original"], float(extras.get("successes", 0.0)))
    observations = first
    while tallies["own"].left:
        out, rewards, done, infos = adapter.step(policy.act(observations, deterministic=True))
        observations = see["own"](out["obs"])
        tallies["own"].add(rewards, done)
        if bool(done.any()) and "success" in infos:
            success["own"] = float(infos["success"].float().mean())
    played = {side: Played(returns=tally.returns, lengths=tally.lengths) for side, tally in tallies.items()}
    print(row(given.task, played))
    print(paired({side: tally.by_world() for side, tally in tallies.items()}))
    print(f"first observations differ by at most {float(difference.max()):.2g}, mean {float(difference.mean()):.2g}")
    if is_factory:
        print(f"success: {success['original']:.2f} in the original's file, {success['own']:.2f} in our task")
    adapter.close() if hasattr(adapter, "close") else env.close()


def paired(returns: dict[str, list[float]]) -> str:
    """Return the ratio of the mean returns, with the standard error of pairs of episodes."""
    original, own = (returns[side] for side in SIDES)
    mean = statistics.fmean(own)
    ratio = statistics.fmean(original) / mean
    rest = [a - ratio * b for a, b in zip(original, own, strict=True)]
    error = statistics.stdev(rest) / math.sqrt(len(rest)) / abs(mean) if len(rest) > 1 else math.nan
    return f"ratio of pairs: {ratio:.3f} ± {error:.3f}"


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

    played = [f"task={given.task}", *CPU, "test=True", f"checkpoint={given.checkpoint or 'pretrained'}"]
    is_camera = given.task == "CartpoleCamera"
    stacked = [f"task.env.frames={FRAMES}", f"task.env.frameInterval={INTERVAL}"] if is_camera else []
    upstream = ["task.env.compat=upstream", f"num_envs={given.worlds}", f"seed={given.seed}", *stacked, *given.own]
    # With compat=upstream, rows and columns of images are swapped, so that the policy does not fit.
    run = checked_run([*(played[:-2] if is_camera else played), *upstream])
    configure_torch(run)
    env = make_env(run.config)
    adapter = make_adapter(run, env)
    if is_camera:
        policy_run = checked_run([*played, "num_envs=1"])
        other = make_env(policy_run.config)
        policy = load_policy(policy_run, make_adapter(policy_run, other))
        other.close()
    else:
        policy = load_policy(run, adapter)
    adapter.reset()
    return adapter, env, policy


def views_of(task: str, side: str) -> Callable[[Any], Any]:
    """Return what turns observations of a side into those that the policy sees."""
    if task != "CartpoleCamera":
        return lambda observations: observations
    if side == "own":
        return lambda observations: observations.transpose(1, 2)
    return Frames()


class Frames:
    """Stacks images of CartpoleCamera's file as our task does, the oldest first, with rows before columns."""

    def __init__(self) -> None:
        self.images: deque[Any] = deque(maxlen=1 + (FRAMES - 1) * INTERVAL)

    def __call__(self, observations: Any) -> Any:
        import torch

        self.images.append(observations)
        newest = len(self.images) - 1
        places = [max(newest - age, 0) for age in range((FRAMES - 1) * INTERVAL, -1, -INTERVAL)]
        return torch.cat([self.images[place] for place in places], dim=-1).transpose(1, 2)


def copy_factory(original: Any, own: Any, start: str) -> tuple[Any, Any]:
    """Give one of two Factory tasks the states of the other, and return the observations of both."""
    source, target = (original, own) if start == "original" else (own, original)
    target.frankas.set_joint_positions(source.frankas.get_joint_positions())
    target.frankas.set_joint_velocities(source.frankas.get_joint_velocities())
    for name in ("nuts", "bolts"):
        read, write = getattr(source, name), getattr(target, name)
        positions, orientations = read.get_world_poses()
        positions = positions - origins() if start == "original" else positions + origins()
        write.set_world_poses(positions, orientations)
    target.nuts.set_velocities(source.nuts.get_velocities())
    for refresh in (original.refresh_base_tensors, original.refresh_env_tensors, original._refresh_task_tensors):
        refresh()
    original.get_observations()
    return original.obs_buf, own.get_observations()


def origins() -> Any:
    """Return where the worlds are on the stage of the original, ``(N, 3)`` in m."""
    from oige_compat.session import session

    return session().offsets + session().places


def copy_robot(read: Any, write: Any) -> None:
    """Give a robot of ours the pose and the velocities of the original's, and those of its joints."""
    positions, orientations = read.get_world_poses()
    write.set_world_poses(positions - origins(), orientations)
    write.set_velocities(read.get_velocities())
    copy_joints(read, write)


def copy_joints(read: Any, write: Any) -> None:
    """Give a robot of ours positions and velocities of the joints of the original's."""
    write.set_joint_positions(read.get_joint_positions())
    write.set_joint_velocities(read.get_joint_velocities())


def copy_anymal(original: Any, own: Any) -> None:
    """Give our Anymal the original's states and commands, and both the same new velocity targets."""
    copy_robot(original._anymals, own.anymals)
    targets = own.uniform(-VELOCITY_TARGET, VELOCITY_TARGET, own.num_envs, own.anymals.num_dof)
    for view in (original._anymals, own.anymals):
        view.set_joint_velocity_targets(targets)
    own.commands = original.commands.clone()
    own.targets = original.current_targets.clone()
    own.last_joint_velocities = original.last_dof_vel.clone()


def copy_cartpole(original: Any, own: Any) -> None:
    """Give our CartpoleCamera the original's states, and images that begin with them."""
    copy_joints(original._cartpoles, own.cartpoles)
    own.restarted[:] = True


def copy_target(original: Any, own: Any) -> None:
    """Give our TargetFollowing the original's robots, and the poses of its targets, which rise from rest."""
    copy_robot(original._robots, own.carters)
    positions, orientations = original._targets.get_world_poses()
    own.targets.set_world_poses(positions - origins(), orientations)


COPY = {"Anymal": copy_anymal, "CartpoleCamera": copy_cartpole, "TargetFollowing": copy_target}
"""Tasks apart from Factory, and what gives ours the states of the original's worlds."""

if __name__ == "__main__":
    run_cli(main)
