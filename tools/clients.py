"""Train Cartpole with other learners through `oige_core.wrappers`, and score what they learned.

    uv run --with rsl-rl-lib --with skrl --with stable-baselines3 python tools/clients.py --seed 1 --out clients.json

A policy is scored without noise, by the mean return of the first episode of each of 256 worlds; 500 is perfect. Each
trainer below is also an example of how to use its library.
"""

# The libraries are not among this repository's dependencies; typings/ has what oige_core.wrappers uses of them.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import argparse
import importlib.metadata
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from oige_core import VecEnv, make_vec
from oige_core.wrappers import NumpyVecEnv

Policy = Callable[[torch.Tensor], torch.Tensor]  # observations (N, 4) to actions (N, 1)
LAYERS = [32, 32]
WORLDS = 256  # of a test


def train_rsl_rl(env: VecEnv) -> Policy:
    """PPO of rsl_rl: 200 iterations of 32 steps."""
    from oige_core.wrappers import RslRlEnv
    from rsl_rl.runners import OnPolicyRunner

    network = {"class_name": "MLPModel", "hidden_dims": LAYERS, "activation": "elu", "obs_normalization": True}
    noise = {"class_name": "GaussianDistribution", "init_std": 0.6}
    config = {
        "num_steps_per_env": 32,
        "save_interval": 1000,
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        "actor": network | {"distribution_cfg": noise},
        "critic": network,
        "algorithm": {"class_name": "PPO", "entropy_coef": 0.0},
    }
    runner = OnPolicyRunner(RslRlEnv(env), config, device=str(env.device))
    runner.learn(200, init_at_random_ep_len=True)
    policy = runner.get_inference_policy()
    return lambda observations: policy({"policy": observations})


def train_skrl(env: VecEnv) -> Policy:
    """PPO of skrl: 3,200 steps."""
    from oige_core.wrappers import SkrlEnv
    from skrl.agents.torch.ppo import PPO, PPO_CFG
    from skrl.memories.torch import RandomMemory
    from skrl.resources.preprocessors.torch import RunningStandardScaler
    from skrl.trainers.torch import SequentialTrainer
    from skrl.utils.model_instantiators.torch import deterministic_model, gaussian_model

    adapted = SkrlEnv(env)
    observations, actions, device = adapted.observation_space, adapted.action_space, adapted.device
    network = [{"name": "net", "input": "OBSERVATIONS", "layers": LAYERS, "activations": "elu"}]
    spaces = {"observation_space": observations, "action_space": actions, "device": device, "network": network}
    agent = PPO(
        models={
            "policy": gaussian_model(**spaces, output="ACTIONS", initial_log_std=-0.5),
            "value": deterministic_model(**spaces, output="ONE"),
        },
        memory=RandomMemory(memory_size=32, num_envs=env.num_envs, device=device),
        observation_space=observations,
        action_space=actions,
        device=device,
        cfg=PPO_CFG(
            rollouts=32,
            mini_batches=4,
            learning_epochs=5,
            learning_rate=1e-3,
            time_limit_bootstrap=True,
            observation_preprocessor=RunningStandardScaler,
            observation_preprocessor_kwargs={"size": observations, "device": device},
            value_preprocessor=RunningStandardScaler,
            value_preprocessor_kwargs={"size": 1, "device": device},
        ),
    )
    # The means over episodes are where skrl looks for values to log.
    SequentialTrainer(
        env=adapted,
        agents=agent,
        cfg={
            "timesteps": 3200,
            "environment_info": "episode_means",
            "close_environment_at_exit": False,
            "disable_progressbar": True,
        },
    ).train()
    agent.enable_training_mode(False)

    def policy(observations: torch.Tensor) -> torch.Tensor:
        return agent.act(observations, None, timestep=0, timesteps=0)[1]["mean_actions"]

    return policy


def train_stable_baselines3(env: VecEnv) -> Policy:
    """PPO of Stable-Baselines3: 800,000 environment steps."""
    from oige_core.wrappers import StableBaselines3Env
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecNormalize

    adapted = VecNormalize(StableBaselines3Env(env), norm_obs=False)  # of values of a hundred, little is learned
    model = PPO(
        "MlpPolicy",
        adapted,
        n_steps=32,
        batch_size=4096,
        n_epochs=5,
        learning_rate=3e-3,
        policy_kwargs={"net_arch": LAYERS, "log_std_init": -0.5},
        device="cpu",
    )
    model.learn(800_000)
    return lambda observations: torch.as_tensor(model.predict(observations.cpu().numpy(), deterministic=True)[0])


def score(policy: Policy, seed: int) -> float:
    """Return the mean return of the first episode of each world."""
    env = make_vec("Cartpole", WORLDS, seed=seed, num_threads=1)
    observations, _ = env.reset(seed=seed)
    returns, running = torch.zeros(WORLDS, device=env.device), torch.ones(WORLDS, device=env.device)
    for _ in range(env.task.max_episode_length):
        with torch.inference_mode():
            actions = policy(observations)
        observations, rewards, terminated, truncated, _ = env.step(actions)
        returns += running * rewards
        running *= ~(terminated | truncated)
    env.close()
    return returns.mean().item()


def record_video(policy: Policy, folder: Path) -> Path:
    """Record four worlds with gymnasium's RecordVideo and return the file."""
    from gymnasium.wrappers.vector import RecordVideo

    env = make_vec("Cartpole", 4, {"task.env.autoresetMode": "next_step"}, render_mode="rgb_array", num_threads=1)
    videos = folder / "videos"
    recorder = RecordVideo(NumpyVecEnv(env), str(videos), video_length=100, step_trigger=lambda step: step == 0)
    observations, _ = recorder.reset(seed=0)
    for _ in range(101):
        with torch.inference_mode():
            actions = policy(torch.as_tensor(observations, device=env.device))
        observations, *_ = recorder.step(actions.cpu().numpy())
    recorder.close()
    return videos / "rl-video-step-0.mp4"


TRAINERS: dict[str, tuple[Callable[[VecEnv], Policy], int]] = {
    "rsl-rl-lib": (train_rsl_rl, 256),
    "skrl": (train_skrl, 256),
    "stable-baselines3": (train_stable_baselines3, 256),
}
"""What trains, and with how many worlds, by distribution."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("learners", nargs="*", help=f"some of {', '.join(TRAINERS)} (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threshold", type=float, default=450.0, help="score to pass (default: %(default)s)")
    parser.add_argument("--video", action="store_true", help="record the last policy with gymnasium's RecordVideo")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    if unknown := set(options.learners) - set(TRAINERS):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(TRAINERS)}")
    torch.set_num_threads(1)  # networks this small are slower on more
    results = {}
    for name in options.learners or TRAINERS:
        train, num_envs = TRAINERS[name]
        torch.manual_seed(options.seed)
        env = make_vec("Cartpole", num_envs, seed=options.seed, num_threads=1)
        start = time.perf_counter()
        policy = train(env)
        seconds = time.perf_counter() - start
        env.close()
        mean_return = score(policy, options.seed)
        results[name] = {
            "version": importlib.metadata.version(name),
            "num_envs": num_envs,
            "seed": options.seed,
            "mean_return": round(mean_return, 1),
            "training_s": round(seconds, 1),
        }
        print(f"{name} {results[name]['version']}: mean return {mean_return:.1f} of 500 after {seconds:.0f} s")
        if options.video:
            with tempfile.TemporaryDirectory() as folder:
                print(f"RecordVideo wrote {record_video(policy, Path(folder)).stat().st_size} bytes")
    if options.out:
        versions = {name: importlib.metadata.version(name) for name in ("torch", "mujoco", "gymnasium")}
        options.out.write_text(
            json.dumps({"python": platform.python_version()} | versions | {"results": results}, indent=1)
        )
    if failed := [name for name, result in results.items() if result["mean_return"] < options.threshold]:
        raise SystemExit(f"{', '.join(failed)}: below {options.threshold:g}")


if __name__ == "__main__":
    main()
