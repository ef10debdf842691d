"""``oige-panel``: load, train and play tasks from a web page."""

from oige_train.cli.common import run_cli

__all__ = ["main"]

HELP = """usage: oige-panel [task=<Task>] [num_envs=<n>] [key=value …]

Serve a page on which tasks are loaded, trained and played, beside a view of their worlds, and print its address.

  task=<Task>                task that is selected at first
  num_envs=<n>               its number of worlds
  enable_livestream=True     serve the page at livestream_host and livestream_port, not for this machine only
  max_seconds=<n>            end after that time; default: run until Ctrl-C
Other overrides, for example seed=1 or sim_device=cpu, apply to every run; oige-train --help lists common ones.

Results go to runs/ in the current folder. The three Open buttons start an editor on this machine: $VISUAL, Visual
Studio Code, or the program that the system has for such files."""

#: Keys that the page sets, or that make no sense on it.
OF_PAGE = ("test", "checkpoint", "resume", "evaluation", "headless", "multi_gpu", "physics_engine")
#: Keys that are for the page and not for runs.
FOR_PAGE = ("task", "num_envs", "enable_livestream", "livestream_host", "livestream_port")


def main() -> None:
    """Run the program."""
    run_cli(panel, HELP, "oige-extension")


def panel(arguments: list[str]) -> int:
    """Serve the page until Ctrl-C.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        ConfigError: an argument is wrong, or the page's address is not available.
    """
    import time

    from oige_core.errors import ConfigError
    from oige_core.render.viewer import Page
    from oige_train.cli.common import checked_run, pop_int, refuse_ignored
    from oige_train.config.origin import last_value
    from oige_train.console import say
    from oige_train.stopping import stop_on_signals

    from oige_extension.panel import MAX_ENVS, Panel
    from oige_extension.web import PanelPage, WebHost

    refuse_ignored(arguments, "oige-panel", *OF_PAGE)
    max_seconds = pop_int(arguments, "max_seconds", default=0)
    run = checked_run(arguments, starts=True)  # wrong arguments end the program here
    config = run.config
    if config.task.env.numEnvs > MAX_ENVS and last_value(arguments, "num_envs") is not None:
        raise ConfigError(f"num_envs={config.task.env.numEnvs}: expected at most {MAX_ENVS}.")
    host, port = (config.livestream_host, config.livestream_port) if config.enable_livestream else ("127.0.0.1", None)
    page = Page("OIGE", host=host, port=port)
    web = WebHost(page)
    model = Panel(web, [text for text in arguments if text.partition("=")[0].lstrip("+") not in FOR_PAGE])
    try:
        model.select_task(run.task.name)
        if last_value(arguments, "num_envs") is not None:
            model.set_num_envs(config.task.env.numEnvs)
        view = PanelPage(page.server.gui, model)
        stopped = False

        def stop(_: str) -> None:
            nonlocal stopped
            stopped = True
            model.stop()

        end = time.monotonic() + max_seconds
        with stop_on_signals(stop):
            say(f"panel: {page.url}")
            while not stopped and not (max_seconds and time.monotonic() >= end):
                model.update(0.05)
                if not model.state.phase.is_busy:
                    time.sleep(0.02)
                web.welcome()
                view.refresh()
    finally:
        model.close()
        page.close()
    return 0


if __name__ == "__main__":
    main()
