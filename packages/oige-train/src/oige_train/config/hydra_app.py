"""Compose a run with Hydra, and report Hydra's errors in one line."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml
from hydra import main as hydra_main
from hydra._internal.hydra import Hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from oige_core.config import CORE_CFG, register_resolvers
from oige_core.config.defaults import check_unique_files, missing_file_error
from oige_core.config.fields import leaf_keys
from oige_core.errors import ConfigError, OigeError
from oige_core.registration import with_registered_tasks
from oige_core.registry import config_folders
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from oige_train.config.origin import chosen_task, last_value, recorded_run
from oige_train.config.overrides import TRAIN_CFG, given_shortcuts, rewrite_overrides
from oige_train.config.sweep import sweeping
from oige_train.config.user_files import UserFiles, active_user_files, using
from oige_train.run_record import recorded_files, search_folder

__all__ = ["run_hydra"]

MAIN_CONFIG = TRAIN_CFG / "oige_train.yaml"
"""The root of the configuration. Folders of users, which precede it, have no file of this name."""


class OigeSearchPath(SearchPathPlugin):
    """Adds the configuration groups of oige-core and of every installed task package to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folders without importing task packages.

        Files that a checkpoint recorded come first, then those of the user.
        """
        for folder in reversed(active_user_files().folders):
            search_path.prepend("oige-user", f"file://{folder}")
        recorded = search_folder()
        if recorded is not None:
            search_path.prepend("oige-run", f"file://{recorded}")
        for folder in _installed_folders():
            search_path.append("oige", f"file://{folder}")


def run_hydra(
    arguments: Sequence[str],
    job: Callable[[DictConfig, list[str]], None] = lambda cfg, overridden: None,
    *,
    launched: Callable[[DictConfig], float | None] | None = None,
) -> None:
    """Compose the configuration with Hydra and call ``job`` with it and with the keys that were overridden.

    Args:
        arguments: command-line arguments without the program's name; Hydra's own options work, ``--multirun`` too.
        job: called once per run.
        launched: called in place of ``job``, in a process of Hydra's launcher; returns the result for Hydra's sweeper.
            It can be pickled.

    Raises:
        ConfigError: an argument is malformed, or names a task or a training configuration that does not exist.
    """
    register_resolvers()
    named = with_registered_tasks(list(arguments))
    check_unique_files([TRAIN_CFG, *_installed_folders()])
    Plugins.instance().register(OigeSearchPath)
    files = UserFiles.of(arguments)
    task, record = chosen_task(named), recorded_run(named)
    if task is not None and last_value(named, "task") is None:  # it is that of a checkpoint
        chosen = [*named, f"task={task if record is None else record.task}"]
    else:
        chosen = named
    rewritten = rewrite_overrides(chosen, record, files, launches=launched is not None)
    ConfigStore.instance().store(name="shortcuts", node=given_shortcuts(rewritten), provider="oige")
    own_train = record is not None and last_value(named, "train") in (None, record.train)

    failures: list[BaseException] = []

    def task_function(cfg: DictConfig) -> None:
        try:
            job(cfg, _overridden_keys(HydraConfig.get().overrides.task))
        except Exception as error:
            # Hydra would reformat the exception; SystemExit is the only one that it lets through.
            failures.append(error)
            sys.exit(1)

    def launched_function(cfg: DictConfig) -> float | None:
        assert launched is not None
        return launched(cfg)

    program, full_error = sys.argv[0], os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [program, *rewritten]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    decorate = hydra_main(version_base="1.3", config_path=str(MAIN_CONFIG.parent), config_name=MAIN_CONFIG.stem)
    program_main = decorate(task_function if launched is None else launched_function)
    try:
        recorded = recorded_files(record, MAIN_CONFIG, train=own_train)
        with using(files), recorded, sweeping(rewritten), _composing_once(rewritten, files):
            program_main()
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        # Hydra raises the last three for YAML files of unexpected structure.
        raise _one_line(error, arguments) from error
    except SystemExit:
        if not failures:
            raise
        failure = failures[0]
        if isinstance(failure, OmegaConfBaseException):
            raise _one_line(failure, arguments) from failure
        raise failure from failure.__cause__
    finally:
        sys.argv = [program, *arguments]
        del os.environ["HYDRA_FULL_ERROR"]
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error


@contextlib.contextmanager
def _composing_once(arguments: Sequence[str], files: UserFiles) -> Iterator[None]:
    """Keep Hydra from composing the configuration a first time only to look for ``hydra.mode``, until the block ends.

    It may do so where an argument or a file of the user could set ``hydra.mode``.

    Args:
        arguments: Hydra's arguments.
        files: the user's files.
    """
    options = {argument for argument in arguments if argument.startswith("-")}
    if files.folders or options - {"-m", "--multirun"} or any("hydra.mode" in argument for argument in arguments):
        yield
        return
    get_mode = Hydra.get_mode
    Hydra.get_mode = lambda self, config_name, overrides: None
    try:
        yield
    finally:
        Hydra.get_mode = get_mode


def _installed_folders() -> list[Path]:
    return [CORE_CFG, *config_folders()]


def _overridden_keys(overrides: Sequence[str]) -> list[str]:
    """Return the dotted keys of all values that overrides set."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return [leaf for override in parsed for leaf in leaf_keys(override.key_or_group, override.value())]


def _one_line(error: Exception, arguments: Sequence[str]) -> OigeError:
    """Return the error of a composition as one line."""
    text = str(error)
    missing = re.match(r"(?:In '(.+?)': )?Could not (?:load|find) '(.+?)'", text)
    if missing:
        parent, path = missing.groups()
        folders = [*UserFiles.of(arguments).folders, TRAIN_CFG, *_installed_folders()]
        return missing_file_error(folders, path, parent)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return ConfigError(f"{error.problem_mark.name}, line {error.problem_mark.line + 1}: not valid YAML.")
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    key = getattr(error, "full_key", None) or " ".join(arguments)
    return ConfigError(f"{key}: {' '.join(lines[:2]).replace('++', '')}")
