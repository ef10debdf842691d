"""Play a trained policy and measure its mean return."""

from typing import Any

from oige_train.checkpoint_watch import CheckpointWatch
from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.episodes import Episodes
from oige_train.export.exported import ExportedPolicy
from oige_train.learner.environment import RlGamesEnv
from oige_train.play_result import PlayResult
from oige_train.policy_choice import PolicyChoice, offer_policies
from oige_train.policy_loading import load_policy
from oige_train.stopping import RunStoppedError
from oige_train.viewing import StepLoop

__all__ = ["evaluate", "make_adapter"]


def evaluate(run: Run, env: Any, line: ProgressLine, loop: StepLoop | None = None) -> PlayResult:
    """Play ``games_num`` episodes, spread evenly over the worlds; in an endless loop, continue until stopped.

    In an endless loop, rounds of one episode per world follow; with a viewer, worlds pause while no page is open.

    With ``evaluation=True``, new checkpoints in the folder of the run's checkpoint replace the policy, and so do those
    that users select on the viewer's page; the episodes then begin anew, and the result is that of the last one.

    Args:
        run: the checked run, which has a checkpoint.
        env: the vector environment.
        line: where progress is shown.
        loop: waits for viewers and stops on request, with the episodes finished so far; None: neither.

    Raises:
        OigeError: the checkpoint is refused or does not fit.
    """
    adapter = make_adapter(run, env)
    policy = load_policy(run, adapter)
    watch = None
    if run.config.evaluation:
        assert not isinstance(policy, ExportedPolicy)  # refused with the configuration
        watch = CheckpointWatch(run, policy)
    loop = loop or StepLoop()
    episodes = Episodes(policy, adapter, run.config.train.params.config.player)
    endless = loop.endless or watch is not None
    with offer_policies(run, policy, loop.viewer) as choice:
        while loop.wait_for_next_step():
            if _is_replaced(watch, choice, episodes):
                episodes.begin()
            try:
                episodes.step()
            except RunStoppedError:
                loop.stop()
                break
            episodes.show(line, endless=endless)
            if episodes.are_complete():
                if not endless:
                    break
                episodes.add_round()
    line.close()
    return episodes.result()


def make_adapter(run: Run, env: Any) -> RlGamesEnv:
    """Return the environment of a run as policies see it."""
    return RlGamesEnv(env, run.config.rl_device, upstream=run.config.task.env.compat == "upstream")


def _is_replaced(watch: CheckpointWatch | None, choice: PolicyChoice | None, episodes: Episodes) -> bool:
    """Return whether another policy is played from now on."""
    if choice is not None and choice.update(episodes.result):
        if watch is not None:
            watch.playing = choice.playing
        return True
    if watch is None or not watch.update(episodes.result):
        return False
    if choice is not None:
        choice.show_playing(watch.playing)
    return True
