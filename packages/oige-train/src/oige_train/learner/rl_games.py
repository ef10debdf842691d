"""Import rl_games quickly and quietly.

Two things make a plain import of rl_games and its first gradient step slow, and neither is needed: the package
``rl_games.envs`` decorates a test network with ``torch.compile`` when it is imported, and every first call of an
optimiser of torch imports torch's compiler. Both load ``torch._dynamo``, which takes longer than torch itself.
"""

import contextlib
import importlib
import importlib.util
import inspect
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import torch

__all__ = [
    "AlgoObserver",
    "DefaultRewardsShaper",
    "EagerAdam",
    "a2c_continuous",
    "building_agent",
    "building_model",
    "import_quietly",
    "model_builder",
    "policy_kl",
]


class EagerAdam(torch.optim.Adam):
    """:class:`torch.optim.Adam` without the wrappers that talk to torch's compiler; the arithmetic is Adam's own."""

    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.Adam.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.Adam.state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
    zero_grad = inspect.unwrap(torch.optim.Adam.zero_grad)


class NullWriter:
    """Stands in for a TensorBoard writer in processes that write nothing."""

    def __init__(self, *_: Any) -> None: ...

    def add_scalar(self, *_: Any) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Close nothing."""


@contextlib.contextmanager
def building_model() -> Iterator[None]:
    """Hide that rl_games uses ``torch.jit.script``, of which newer versions of torch warn, from users."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=FutureWarning)
        yield


@contextlib.contextmanager
def building_agent(*, writes: bool) -> Iterator[None]:
    """Let agents of rl_games that are built meanwhile take :class:`EagerAdam` where they name ``torch.optim.Adam``.

    Args:
        writes: whether this process writes summaries.
    """
    adam, writer = torch.optim.Adam, a2c_common.SummaryWriter
    torch.optim.Adam = EagerAdam  # type: ignore[misc]
    if not writes:
        a2c_common.SummaryWriter = NullWriter
    try:
        with building_model():
            yield
    finally:
        torch.optim.Adam = adam  # type: ignore[misc]
        a2c_common.SummaryWriter = writer


def import_quietly(*names: str) -> list[Any]:
    """Import modules of rl_games without the environments it brings, and take their ``print`` away."""
    if "rl_games.envs" not in sys.modules:
        spec = importlib.util.find_spec("rl_games")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        # An empty package in its place: submodules are still found, its __init__ does not run.
        package = types.ModuleType("rl_games.envs")
        package.__path__ = [f"{location}/envs" for location in spec.submodule_search_locations]
        sys.modules["rl_games.envs"] = package
    modules = [importlib.import_module(name) for name in names]
    for name, module in list(sys.modules.items()):
        if name.startswith("rl_games."):
            module.print = _nothing  # type: ignore[attr-defined]
    return modules


def _nothing(*_: Any, **__: Any) -> None:
    """Print nothing."""


a2c_common, a2c_continuous, model_builder, torch_ext, algo_observer, tr_helpers = import_quietly(
    "rl_games.common.a2c_common",
    "rl_games.algos_torch.a2c_continuous",
    "rl_games.algos_torch.model_builder",
    "rl_games.algos_torch.torch_ext",
    "rl_games.common.algo_observer",
    "rl_games.common.tr_helpers",
)
AlgoObserver: Any = algo_observer.AlgoObserver
DefaultRewardsShaper: Any = tr_helpers.DefaultRewardsShaper
policy_kl: Any = torch_ext.policy_kl
