"""Random command lines, overrides and YAML files are accepted, or refused in one line."""

import contextlib
import dataclasses
import importlib.metadata
import io
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oige_core.errors import ConfigError
from oige_core.registry import find_task, load_config, load_spec
from oige_core.spec import InstalledTask
from oige_train.cli.common import run_cli
from oige_train.config import resolve_run, run_hydra
from oige_train.schema import ALGORITHMS, CONFIG, TrainRunConfig

TASKS = ("Cartpole", "Ant", "AntSAC", "TargetFollowing", "BallBalance")
QUICK = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}


def keys_of(schema: type, path: str = "") -> Iterator[str]:
    """Yield the dotted keys of a schema, of sections and values."""
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        key = f"{path}.{field.name}".lstrip(".")
        yield key
        section: Any = hints[field.name]
        if key == "task.env":
            section = load_spec(find_task("TargetFollowing")).env
        sections = list(ALGORITHMS.values()) if key == CONFIG else [section, *typing.get_args(section)]
        for inner in sections:
            if dataclasses.is_dataclass(inner):
                yield from keys_of(typing.cast(type, inner), key)


KEYS = sorted({key for key in keys_of(TrainRunConfig) if key not in ("checkpoint", "task", "train")})
PIECES = ["'", '"', "\\", "[", "]", "{", "}", "(", ")", ",", "=", ":", "#", "&", ";", "!", "~", "$", "${", "@", "%",
          " ", "\n", "\t", "*", "/", ".", "..", "é", "日本", "🤖", "\u202e", "\ud800", "a", "1", "-", "+", "null",
          "true", "nan", "inf", "1e3", "0x1", "1_0", "${seed}", "${nowhere}", "${oc.env:NOPE}", "${eq:1}", "\\${",
          "choice(1,2)", "range(3)", "glob(*)", "???", "_self_"]  # fmt: skip
TEXT = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["", "x" * 300, "9" * 30, "9" * 5000, "[" * 200, "{a: " * 60, "${" * 50, "-0", "1e400", "1e-400"]),
)
NUMBERS = st.one_of(st.integers(-5, 5000), st.integers(), st.floats(), st.booleans(), st.none())
VALUES = st.recursive(
    st.one_of(NUMBERS, TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "dt", "name", "1"]), inner),
    max_leaves=5,
)
KEY = st.one_of(
    st.sampled_from(KEYS),
    st.sampled_from(KEYS).flatmap(
        lambda key: st.sampled_from([key[:-1], key + "x", key + ".", "." + key, key.upper()])
    ),
    TEXT,
)
ARGUMENT = st.one_of(
    st.builds(
        lambda prefix, key, value: f"{prefix}{key}={value}",
        st.sampled_from(["", "", "", "", "+", "++", "~"]),
        KEY,
        st.one_of(TEXT, NUMBERS.map(str), VALUES.map(str)),
    ),
    TEXT,
    st.sampled_from(TASKS).map("task={}".format),
    st.sampled_from(
        ["train=AntPPO", "train=", "task=", "-m", "--multirun", "--cfg", "--foo", "-", "~", "+", "=", "~seed"]
    ),
)


def refused(arguments: list[str]) -> str:
    """Compose and check a run in this process; return the line on standard error after exit code 2, else nothing."""
    out, err = io.StringIO(), io.StringIO()

    def program(arguments: list[str]) -> None:
        run_hydra(arguments, lambda cfg, overridden: resolve_run(cfg, overridden) and None)

    sys.argv = ["oige-train", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as exit_:
        run_cli(program)
    if exit_.value.code == 0:
        return ""
    assert exit_.value.code == 2, (arguments, exit_.value.code)
    lines = err.getvalue().removesuffix("\n").split("\n")
    assert len(lines) == 1, (arguments, lines)
    assert lines[0].startswith("error: "), lines
    return lines[0]


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["oige-train"])


def check_arguments(arguments: list[str]) -> None:
    refused([*arguments, "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"])


def check_overrides(task: str, overrides: dict[str, Any]) -> None:
    with contextlib.suppress(ConfigError):
        load_config(task, overrides)


def check_yaml(folder: Path, content: Any) -> None:
    task = InstalledTask(
        name="Mine",
        package="none",
        cfg=folder,
        entry_point=importlib.metadata.EntryPoint("Mine", "oige_tasks_classic.cartpole:CARTPOLE", "oige.tasks"),
    )
    (folder / "task").mkdir(exist_ok=True)
    text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True)
    (folder / "task" / "Mine.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(ConfigError):
        load_config(task)


ARGUMENTS = st.lists(ARGUMENT, min_size=1, max_size=3)
OVERRIDES = st.dictionaries(st.sampled_from([*KEYS, "", "a..b", "a[0]", "task.env."]), VALUES, min_size=1, max_size=3)
CONTENT = st.one_of(
    TEXT,
    VALUES,
    st.dictionaries(
        st.sampled_from(["name", "env", "sim", "defaults", "physics_engine", "viewport", "é", "1"]),
        st.one_of(VALUES, st.dictionaries(st.sampled_from(["numEnvs", "dt", "mujoco", "gravity", "ball"]), VALUES)),
    ),
)


@settings(max_examples=25, **QUICK)
@given(ARGUMENTS)
def test_command_line_is_accepted_or_refused_in_one_line(arguments: list[str]) -> None:
    check_arguments(arguments)


@settings(max_examples=60, **QUICK)
@given(st.sampled_from(TASKS), OVERRIDES)
def test_overrides_are_accepted_or_refused(task: str, overrides: dict[str, Any]) -> None:
    check_overrides(task, overrides)


@settings(max_examples=60, **QUICK)
@given(CONTENT)
def test_yaml_file_is_accepted_or_refused(tmp_path: Path, content: Any) -> None:
    check_yaml(tmp_path, content)


@pytest.mark.slow
@settings(max_examples=2000, **QUICK)
@given(ARGUMENTS)
def test_many_command_lines_are_accepted_or_refused_in_one_line(arguments: list[str]) -> None:
    check_arguments(arguments)


@pytest.mark.slow
@settings(max_examples=2000, **QUICK)
@given(st.sampled_from(TASKS), OVERRIDES, CONTENT)
def test_many_overrides_and_files_are_accepted_or_refused(
    tmp_path: Path, task: str, overrides: dict[str, Any], content: Any
) -> None:
    check_overrides(task, overrides)
    check_yaml(tmp_path, content)
