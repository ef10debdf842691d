"""``oige-demo``: drive robots with a trained policy from a browser."""

from oige_train.cli.common import run_cli

__all__ = ["main"]

MAX_ROBOTS = 128
ROBOTS = 64

HELP = f"""usage: oige-demo task=AnymalTerrain checkpoint=<file> [num_envs=<n>] [key=value …]

Serve a page on which robots follow random commands, and print its address. Click on a robot to drive it:

  arrow keys     forward, back, left, right
  Z, X           turn left, right
  C              camera behind the robot, or free
  Esc            release it

  num_envs=<n>                 number of robots; default {ROBOTS}, at most {MAX_ROBOTS}
  checkpoint=<file>            the policy, a file or an address; pretrained: the one that came with the task
  enable_livestream=True       serve the page at livestream_host and livestream_port, not for this machine only
  max_steps=<n>                end after that many control steps; default: run until Ctrl-C"""


def main() -> None:
    """Run the program."""
    run_cli(demo, HELP)


def demo(arguments: list[str]) -> int:
    """Play the policy while the page is open.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        ConfigError: an argument is wrong, or users cannot drive the task's robots.
    """
    from oige_core.errors import ConfigError
    from oige_core.registration import with_registered_tasks
    from oige_core.registry import installed_specs, load_spec

    from oige_train.cli.common import checked_run, pop_int, refuse_ignored
    from oige_train.config.origin import chosen_task, recorded_run
    from oige_train.config.user_files import UserFiles
    from oige_train.console import say
    from oige_train.headline import headline

    refuse_ignored(
        arguments,
        "oige-demo",
        "test",
        "max_iterations",
        "experiment",
        "multi_gpu",
        "wandb_",
        "recording_",
        "enable_recording",
    )
    max_steps = pop_int(arguments, "max_steps", default=0)
    arguments = with_registered_tasks(arguments)
    name = chosen_task(arguments) or ""
    drivable = [task for task, spec in installed_specs().items() if spec.demo is not None]
    if not name:
        raise ConfigError(f"task: expected a task whose robots can be driven, task={' or task='.join(drivable)}.")
    overrides = load_spec(UserFiles.of(arguments).installed_task(name, recorded_run(arguments))).demo
    if overrides is None:
        choice = f"choose {' or '.join(drivable)}" if drivable else "no installed task has robots that can"
        raise ConfigError(f"task={name}: its robots cannot be driven; {choice}.")
    # The user's arguments come last, so that they override the others.
    own = [f"{key}={value}" for key, value in overrides.items()]
    run = checked_run([f"num_envs={ROBOTS}", "test=True", *own, *arguments], starts=True)
    if run.config.task.env.numEnvs > MAX_ROBOTS:
        raise ConfigError(f"num_envs={run.config.task.env.numEnvs}: expected at most {MAX_ROBOTS} robots.")
    if run.config.warp:
        raise ConfigError("warp=True: robots of Warp variants cannot be driven; leave warp out.")
    say(*headline(run, arguments))

    from oige_core import make_env
    from oige_core.problems import ProblemReport
    from oige_core.tasks import Steerable

    from oige_train.demo import Driver
    from oige_train.learner.environment import RlGamesEnv
    from oige_train.policy_choice import offer_policies
    from oige_train.policy_loading import load_policy
    from oige_train.torch_setup import configure_torch
    from oige_train.viewing import open_viewer, until_stopped

    configure_torch(run)
    env = make_env(run.config)
    try:
        task = env.task
        assert isinstance(task, Steerable)
        adapter = RlGamesEnv(env, run.config.rl_device)
        policy = load_policy(run, adapter)
        viewer = open_viewer(run.config, env, speed=1.0, max_worlds=MAX_ROBOTS)
        try:
            driver = Driver(viewer, task)
            observations = adapter.reset()["obs"]
            steps = 0
            with until_stopped(viewer) as loop, offer_policies(run, policy, viewer) as choice:
                while (max_steps == 0 or steps < max_steps) and loop.wait_for_next_step():
                    driver.before_step()
                    if choice is not None:
                        choice.update()
                    out, _, done, _ = adapter.step(policy.act(observations, deterministic=True))
                    observations = out["obs"]
                    policy.reset_hidden_state(done)
                    steps += 1
        finally:
            viewer.close()
        say(*ProblemReport().new_lines(env.problems()))
    finally:
        env.close()
    return 0


if __name__ == "__main__":
    main()
