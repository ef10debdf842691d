"""``oige-random-policy``: drive a task with random actions and show how fast it runs."""

import time

from oige_train.cli.common import run_cli

__all__ = ["main"]

HELP = """usage: oige-random-policy task=<Task> [num_envs=<n>] [max_steps=<n>] [key=value …]

Step a task with actions drawn uniformly from their bounds. About once per second, print control steps per second (FPS)
and FPS times the number of worlds. Without max_steps, run until Ctrl-C.

  headless=False             view in a browser
  enable_recording=True      write videos to runs/<experiment>/videos"""


def main() -> None:
    """Run the program."""
    run_cli(random_policy, HELP)


def random_policy(arguments: list[str]) -> int:
    """Step until ``max_steps`` or until interrupted.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.
    """
    from oige_train.cli.common import checked_run, pop_int, refuse_ignored
    from oige_train.config.derive import simulate_only_shown_worlds
    from oige_train.console import say
    from oige_train.headline import headline_of_random_actions

    refuse_ignored(arguments, "oige-random-policy", "checkpoint", "test", "max_iterations", "multi_gpu", "wandb_")
    max_steps = pop_int(arguments, "max_steps", default=0)
    run = checked_run(arguments, starts=True)
    config = run.config
    notes = simulate_only_shown_worlds(config, [argument.partition("=")[0] for argument in arguments])
    say(*headline_of_random_actions(run, arguments), *notes)

    import torch
    from gymnasium.spaces import Box
    from oige_core import make_env
    from oige_core.problems import ProblemReport

    from oige_train.run_folder import videos_folder
    from oige_train.viewing import attach_viewers, until_stopped

    torch.set_num_threads(config.train.params.torch_threads)
    env = make_env(config)
    generator = torch.Generator(env.device).manual_seed(config.seed)
    space = env.single_action_space
    assert isinstance(space, Box)
    low, high = torch.as_tensor(space.low, device=env.device), torch.as_tensor(space.high, device=env.device)
    try:
        with (
            attach_viewers(config, env, videos_folder(config), speed=1.0) as viewer,
            until_stopped(viewer) as loop,
        ):
            env.reset()
            steps, last_steps, last = 0, 0, time.perf_counter()
            start = last
            while (max_steps == 0 or steps < max_steps) and loop.wait_for_next_step():
                actions = torch.rand(env.num_envs, len(low), generator=generator, device=env.device)
                env.step(low + (high - low) * actions)
                steps += 1
                now = time.perf_counter()
                if now - last >= 1.0:
                    _show(steps - last_steps, now - last, env.num_envs)
                    last, last_steps = now, steps
            print(f"{steps} steps in total:")
            if steps:
                _show(steps, time.perf_counter() - start, env.num_envs)
            say(*ProblemReport().new_lines(env.problems()))
    finally:
        env.close()
    return 0


def _show(steps: int, seconds: float, num_envs: int) -> None:
    fps = steps / seconds
    print(f"FPS {fps:,.1f}, FPS × {num_envs} envs {fps * num_envs:,.0f}", flush=True)


if __name__ == "__main__":
    main()
