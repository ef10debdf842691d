"""From the command line to a checked :class:`~oige_train.schema.TrainRunConfig`, without torch.

Hydra composes; the typed schemas judge. An override ``key=value`` of an existing or unknown key reaches the schemas
alike, so that a misspelt key is answered with the nearest one and a key that no YAML file names needs no ``+``.
"""

from oige_train.config.hydra_app import run_hydra
from oige_train.config.limits import memory_estimate
from oige_train.config.run import Run, resolve_run

__all__ = ["Run", "memory_estimate", "resolve_run", "run_hydra"]
