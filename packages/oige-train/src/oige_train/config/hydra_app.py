"""Composing a run with Hydra, whose errors become one line."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra import main as hydra_main
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from oige_core.config import CORE_CFG, register_resolvers
from oige_core.errors import ConfigError
from oige_core.registry import installed_tasks
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from oige_train.config.origin import last_value, recorded_run
from oige_train.config.overrides import rewrite_overrides
from oige_train.config.sweep import sweeping
from oige_train.run_record import recorded_files, search_folder

__all__ = ["run_hydra"]

TRAIN_CFG = Path(__file__).resolve().parent.parent / "cfg"


class OigeSearchPath(SearchPathPlugin):
    """Adds the configuration groups of oige-core and of every installed task package to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folders; no task package is imported. What a checkpoint recorded comes before all others."""
        recorded = search_folder()
        if recorded is not None:
            search_path.prepend("oige-run", f"file://{recorded}")
        search_path.append("oige-core", f"file://{CORE_CFG}")
        for folder in sorted({task.cfg for task in installed_tasks().values()}):
            search_path.append("oige-tasks", f"file://{folder}")


def run_hydra(arguments: Sequence[str], job: Callable[[DictConfig, list[str]], None]) -> None:
    """Compose the configuration with Hydra and call ``job`` with it and with the words that were overridden.

    Args:
        arguments: command-line arguments without the program's name; Hydra's own options work, ``--multirun`` too.
        job: called once per run.

    Raises:
        ConfigError: an argument is malformed, or names a task or a training configuration that does not exist.
    """
    register_resolvers()
    Plugins.instance().register(OigeSearchPath)
    record = recorded_run(arguments)
    rewritten = rewrite_overrides(arguments, record)
    own_train = record is not None and last_value(arguments, "train") in (None, record.train)

    failures: list[BaseException] = []

    def task_function(cfg: DictConfig) -> None:
        try:
            job(cfg, [_key(override) for override in HydraConfig.get().overrides.task])
        except Exception as error:
            # Hydra would report it in its own words; leave it by the one way that Hydra lets through.
            failures.append(error)
            sys.exit(1)

    program, full_error = sys.argv[0], os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [program, *rewritten]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    program_main = hydra_main(version_base="1.3", config_path=str(TRAIN_CFG), config_name="config")(task_function)
    try:
        with recorded_files(record, TRAIN_CFG / "config.yaml", train=own_train), sweeping(rewritten):
            program_main()
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ConfigError(f"{' '.join(arguments)}: {' '.join(lines[:2]).replace('++', '')}") from error
    except SystemExit:
        if failures:
            raise failures[0] from failures[0].__cause__
        raise
    finally:
        sys.argv = [program, *arguments]
        del os.environ["HYDRA_FULL_ERROR"]
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
