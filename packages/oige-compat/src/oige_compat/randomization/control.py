"""When values are drawn: ``trigger``, ``gate`` and ``utils`` of ``omni.replicator.isaac``, and Replicator's seed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from oige_compat.errors import CompatError, caller
from oige_compat.randomization.items import Item
from oige_compat.randomization.randomizer import SEED, randomizer
from oige_compat.session import session

__all__ = [
    "get_distribution_params",
    "on_env_reset",
    "on_interval",
    "on_rl_frame",
    "run",
    "set_distribution_params",
    "set_global_seed",
]


def set_global_seed(seed: int) -> None:
    """Seed the random numbers of the distributions."""
    session().settings[SEED] = int(seed)
    if session().randomizer is not None:
        randomizer().generator.manual_seed(int(seed))


def run(*arguments: Any, **named: Any) -> None:
    """Do nothing: draws begin with ``physics_view.step_randomization``."""


@contextmanager
def on_rl_frame(num_envs: int) -> Iterator[None]:
    """Begin what each call of ``physics_view.step_randomization`` does.

    Raises:
        CompatError: there is another number of worlds.
    """
    worlds = len(session().env_paths)
    if num_envs != worlds:
        raise CompatError(f"on_rl_frame(num_envs={num_envs}) (used in {caller()}): expected {worlds}, all worlds.")
    yield


@contextmanager
def on_interval(interval: int) -> Iterator[None]:
    """Draw in worlds whose number of calls since their last reset is a multiple of the interval.

    Raises:
        CompatError: the interval is no whole number of at least 1.
    """
    if int(interval) != interval or interval < 1:
        raise CompatError(
            f"on_interval(interval={interval}) (used in {caller()}): expected a whole number, at least 1."
        )
    with randomizer().gate(int(interval)):
        yield


@contextmanager
def on_env_reset() -> Iterator[None]:
    """Draw in worlds that are reset."""
    with randomizer().gate(0):
        yield


def set_distribution_params(distribution: Item, parameters: Mapping[str, Any]) -> None:
    """Set parameters of a distribution, which the next draws use."""
    distribution.set_parameters(parameters)


def get_distribution_params(distribution: Item, parameters: Sequence[str]) -> list[list[float]]:
    """Return parameters of a distribution."""
    return [distribution.node.get_attribute(f"inputs:{name}").get() for name in parameters]
