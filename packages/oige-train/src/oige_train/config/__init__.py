"""From the command line to a checked :class:`~oige_train.schema.TrainRunConfig`, without torch.

Hydra composes, the typed schemas check. Overrides of unknown keys reach the schemas, too, which answer a misspelt key
with the nearest one; a key that no YAML file has needs no ``+``.
"""

from oige_train.config.hydra_app import run_hydra
from oige_train.config.limits import memory_estimate
from oige_train.config.run import Run, resolve_run

__all__ = ["Run", "memory_estimate", "resolve_run", "run_hydra"]
