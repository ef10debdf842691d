"""Train a population with Ray Tune's scheduler."""

import datetime
import logging
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import ray  # pyright: ignore[reportMissingImports]
from oige_core.errors import OigeError, one_line
from ray import tune  # pyright: ignore[reportMissingImports]
from ray.tune import (  # pyright: ignore[reportMissingImports]
    Callback,
    FailureConfig,
    RunConfig,
    TuneConfig,
    Tuner,
)
from ray.tune.schedulers import PopulationBasedTraining  # pyright: ignore[reportMissingImports]
from ray.tune.search.basic_variant import BasicVariantGenerator  # pyright: ignore[reportMissingImports]

from oige_train.console import say
from oige_train.pbt.history import History, describe, last_line
from oige_train.pbt.member import Member
from oige_train.pbt.options import PbtOptions, gpu_share
from oige_train.pbt.plan import Plan, explored, first_values
from oige_train.run_folder import make_folder
from oige_train.sweeps.search_space import Setting

__all__ = ["train_population"]

HISTORY = "history.json"
STARTS = 3
"""How often Ray is started: on a busy machine, it gives up after 30 s."""


def train_population(
    plan: Plan, options: PbtOptions, *, generations: int, gpus: int, parallel: int
) -> list[dict[str, Any]]:
    """Train all members, and return what each of them reported after each interval.

    Args:
        plan: what the members have in common.
        options: how they are trained.
        generations: number of intervals.
        gpus: number of GPUs that they share; 0: they train on the CPU.
        parallel: number of members that train at the same time.

    Raises:
        OigeError: a member failed.
    """
    # Variables of Ray: no usage reports, workers of this environment also under `uv run`, and folders of our own.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # which prints tables of its own
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # which print a line for each missing reward
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")  # which prints stacks after SIGTERM
    storage = Path("multirun").resolve()
    folder = make_folder(storage / f"{plan.name}_{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}")
    _start_ray(parallel)
    history = History(folder / HISTORY)
    try:
        tuner = Tuner(
            tune.with_resources(tune.with_parameters(Member, plan=plan), {"cpu": 1, "gpu": gpu_share(gpus, parallel)}),
            param_space={setting.key: _domain(setting) for setting in plan.settings},
            tune_config=TuneConfig(
                metric="reward",
                mode="max",
                num_samples=options.population,
                max_concurrent_trials=options.population,
                search_alg=BasicVariantGenerator(
                    points_to_evaluate=first_values(plan.settings, options.population, plan.seed),
                    random_state=plan.seed,
                ),
                scheduler=_scheduler(plan, options),
                reuse_actors=True,
            ),
            run_config=RunConfig(
                name=folder.name,
                storage_path=str(storage),
                stop={"training_iteration": generations},
                callbacks=[_Reports(history)],
                failure_config=FailureConfig(fail_fast=True),  # others would wait for a failed member
                verbose=0,
            ),
        )
        results = tuner.fit()
    finally:
        ray.shutdown()
    failed = [last_line(str(error)) for error in results.errors]
    if failed:
        raise OigeError(f"{len(failed)} of {options.population} members failed: {failed[0]}")
    return history.rows


def _start_ray(parallel: int) -> None:
    """Start Ray on this machine.

    Its processes inherit that SIGTERM is blocked. A scheduler sends it to all processes of a job, and this one would
    wait for those that have ended.

    Raises:
        OigeError: it does not start.
    """
    for attempt in range(STARTS):
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            ray.init(num_cpus=parallel, include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
        except Exception as error:  # Ray has no class of its own for this
            ray.shutdown()
            if attempt + 1 == STARTS:
                raise OigeError(
                    f"oige-pbt: Ray does not start ({one_line(error)}); try again when the machine has less to do."
                ) from error
        else:
            return
        finally:
            signal.signal(
                signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT)
            )  # Ray ends at once with its own
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


def _domain(setting: Setting) -> Any:
    """Return what Ray Tune draws new values from."""
    if setting.choices:
        return tune.choice(list(setting.choices))
    low, high = setting.bounds
    if setting.integer:
        ends = int(low), int(high) + 1
        return tune.lograndint(*ends) if setting.log else tune.randint(*ends)
    return tune.loguniform(low, high) if setting.log or setting.is_complement else tune.uniform(low, high)


class _Scheduler(PopulationBasedTraining):
    """Ray Tune's scheduler, whose random numbers depend on the seed, the interval and the member alone."""

    def __init__(self, plan: Plan, **options: Any) -> None:
        super().__init__(**options)
        self._seed, self._settings = plan.seed, plan.settings

    def _checkpoint_or_exploit(
        self, trial: Any, tune_controller: Any, upper_quantile: Any, lower_quantile: Any
    ) -> None:
        member, interval = trial.trial_id.rpartition("_")[2], self._trial_state[trial].last_train_time
        seed = random.Random(f"{self._seed} {interval} {member}").getrandbits(32)
        random.seed(seed)  # the scheduler draws from these two, as other parts of Ray do
        np.random.seed(seed)
        super()._checkpoint_or_exploit(trial, tune_controller, upper_quantile, lower_quantile)

    def _get_new_config(self, trial: Any, trial_to_clone: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        values, operations = super()._get_new_config(trial, trial_to_clone)
        return explored(self._settings, values, trial_to_clone.config), operations


def _scheduler(plan: Plan, options: PbtOptions) -> PopulationBasedTraining:
    mutations = {s.key: list(s.choices) if s.choices else _domain(s) for s in plan.settings}
    return _Scheduler(
        plan,
        time_attr="training_iteration",
        perturbation_interval=1,
        hyperparam_mutations=mutations,
        quantile_fraction=options.quantile,
        resample_probability=options.resample,
        perturbation_factors=(options.factor, 1 / options.factor),
        log_config=False,
        synch=True,
    )


class _Reports(Callback):
    """Collects and shows what the members report."""

    def __init__(self, history: History) -> None:
        self._history = history

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        """Take a report of a member."""
        row = self._history.add(result)
        reward, values = describe(row)
        source = "" if row["copied_from"] is None else f", copied from member {row['copied_from']}"
        problem = f"; {row['problem']}" if row["problem"] else ""
        say(f"epoch {row['epoch']}, member {row['member']}{source}: {reward}, {values}{problem}")
