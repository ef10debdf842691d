"""Everything that is changed in rl_games and torch so that rl_games starts quickly and prints nothing.

Importing rl_games and taking the first gradient step both load ``torch._dynamo``, which takes longer than torch itself:
the package ``rl_games.envs`` decorates a test network with ``torch.compile``, and every method of an optimiser of torch
goes through a wrapper that imports torch's compiler. Neither is needed here.

:func:`install` comes before the first import of rl_games. The context managers put back what they change.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import logging
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["TESTED_VERSION", "WRITER_MODULES", "EagerAdam", "building_agent", "building_model", "install"]

TESTED_VERSION = "1.6"
"""Versions of rl_games, by their beginning, that the tests run with."""

_MODULES = (
    "rl_games.algos_torch.a2c_continuous",
    "rl_games.algos_torch.model_builder",
    "rl_games.algos_torch.sac_agent",
    "rl_games.algos_torch.torch_ext",
    "rl_games.common.a2c_common",
    "rl_games.common.experience",
    "rl_games.common.tr_helpers",
)
"""What the learners use of rl_games."""
WRITER_MODULES = ("rl_games.algos_torch.sac_agent", "rl_games.common.a2c_common")
"""Modules that make a ``SummaryWriter``."""

_log = logging.getLogger(__name__)


class EagerAdam(torch.optim.Adam):
    """:class:`torch.optim.Adam` without the wrappers that import torch's compiler; the arithmetic is Adam's."""

    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.Adam.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.Adam.state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
    zero_grad = inspect.unwrap(torch.optim.Adam.zero_grad)


class NullWriter:
    """Replaces a TensorBoard writer in processes that write nothing."""

    def __init__(self, *_: Any) -> None: ...

    def add_scalar(self, *_: Any) -> None:
        """Write nothing."""

    def flush(self) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Close nothing."""


def install() -> None:
    """Import what the learners use of rl_games, without its environments, and silence it; once per process.

    ``rl_games.envs`` becomes an empty package whose submodules can still be imported, unless it is loaded already. The
    imported modules get a ``print`` of their own that prints nothing.
    """
    if all(name in sys.modules and "print" in vars(sys.modules[name]) for name in _MODULES):
        return
    version = importlib.metadata.version("rl-games")
    if not version.startswith(f"{TESTED_VERSION}."):
        _log.warning("rl_games %s: oige-train is tested with %s; expect differences", version, TESTED_VERSION)
    if "rl_games.envs" not in sys.modules:
        spec = importlib.util.find_spec("rl_games")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        package = types.ModuleType("rl_games.envs")
        package.__path__ = [f"{location}/envs" for location in spec.submodule_search_locations]
        sys.modules["rl_games.envs"] = package
    for name in _MODULES:
        importlib.import_module(name)
    for name, module in list(sys.modules.items()):
        if name.startswith("rl_games."):
            vars(module)["print"] = _print_nothing


@contextlib.contextmanager
def building_model() -> Iterator[None]:
    """Hide warnings of newer versions of torch that rl_games uses ``torch.jit.script``."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=FutureWarning)
        yield


@contextlib.contextmanager
def building_agent(*, writes: bool) -> Iterator[None]:
    """Give agents that rl_games builds in the block :class:`EagerAdam` instead of ``torch.optim.Adam``.

    Args:
        writes: whether this process writes summaries; otherwise agents get a :class:`NullWriter`.
    """
    replaced: list[tuple[Any, str, Any]] = [(torch.optim, "Adam", EagerAdam)]
    if not writes:
        replaced += [(sys.modules[name], "SummaryWriter", NullWriter) for name in WRITER_MODULES]
    originals = [getattr(owner, name) for owner, name, _ in replaced]
    for owner, name, value in replaced:
        setattr(owner, name, value)
    try:
        with building_model():
            yield
    finally:
        for (owner, name, _), original in zip(replaced, originals, strict=True):
            setattr(owner, name, original)


def _print_nothing(*_: Any, **__: Any) -> None:
    """Print nothing."""
