"""Write docs/configuration.md and docs/configuration/: every key with its type, default, unit and meaning.

    uv run python tools/config_reference.py

Keys and types come from the schemas. Meanings come from the docstrings of the schemas and, for root keys, from the
comments in the YAML files with the defaults. A key without a meaning is an error.
"""

import argparse
import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import oige_train
import yaml
from oige_core.config import ControlConfig, EnvConfig
from oige_core.config.load import CORE_CFG
from oige_core.config.schema import DomainRandomizationConfig, SimConfig, ViewportConfig
from oige_core.errors import OigeError
from oige_core.registry import installed_tasks, load_config, load_spec
from oige_train.cli.common import run_cli
from oige_train.schema import (
    AlgoConfig,
    FlashSacConfig,
    FlashSacNetworkConfig,
    NetworkConfig,
    PpoConfig,
    SacConfig,
    TrainParams,
    TrainRunConfig,
)

DOCS = Path(__file__).resolve().parent.parent / "docs"
ROOT_FILES = {
    CORE_CFG / "simulation.yaml": "Simulation",
    Path(oige_train.__file__).parent / "cfg" / "oige_train.yaml": "Programs (not for library use)",
}

QUANTITIES = {
    "metres": "m",
    "newtons": "N",
    "seconds": "s",
    "frames per second": "1/s",
    "pixels": "pixels",
    "bytes": "bytes",
    "control steps": "control steps",
    "physics steps": "physics steps",
    "environment steps": "environment steps",
    "epochs": "epochs",
} | {
    symbol: symbol
    for symbol in ("m", "s", "kg", "kg/m³", "m/s", "m/s²", "m²/s²", "rad", "rad/s", "N", "N·m/rad", "N·m·s/rad")
}
"""Units by how meanings write them: ``in <unit>``, or at their beginning."""

_ANY = "|".join(sorted(map(re.escape, QUANTITIES), key=len, reverse=True))
UNIT = re.compile(rf"^({_ANY})(?=[ ,])|\bin ({_ANY})(?=[,.;: ]|$)")

INTRODUCTION = """\
# Configuration

Override a key with `key=value` on the command line, or in Python with `overrides` of `oige_core.make_vec`. Unknown
keys, values of the wrong type and values out of range are refused before anything starts. The YAML file of a task or of
a training configuration may also set keys. The defaults below apply to keys that it does not set.

On the command line, the value of a `str` key is literal: `experiment=1e-3` and `checkpoint=it's.pth` need no second
pair of quotes. Write a list as `key=[1,2]`. With `--multirun`, commas separate the values of a sweep, also for strings,
and `${key}` in a string stands for the value of another key: `oige-train --multirun experiment='run ${seed}' seed=1,2`.
Quote a string that contains a comma: `experiment="'a,b'"`. In a YAML file, quote strings that look like numbers.

{sections}

## Your own files

`--config-dir DIR` adds a folder with YAML files of your own, `DIR/task/*.yaml` and `DIR/train/*.yaml`;
`hydra.searchpath=[DIR]` does the same for several folders, of which the first that has a file wins. They apply in all
programs, and precede installed files of the same name. A file of `task/` names the task that it configures:

```yaml
# DIR/task/MyAnt.yaml, for oige-train --config-dir DIR task=MyAnt
name: Ant
env:
  episodeLength: 500
```

Values that it does not set are those of the installed file of that task. `task=MyAnt` is trained with
`train/MyAntPPO.yaml` or, if there is none, as Ant is, with `AntPPO`. Playing and resuming start from the
configuration in the checkpoint and do not need the folder. A file `DIR/config.yaml` is not read. `--cfg job` shows the
files before they are completed.

The YAML files of OmniIsaacGymEnvs load unchanged: `--config-dir <checkout>/omniisaacgymenvs/cfg`. Some of their keys
have another name here. Overrides may use both names:

{renamed}

Other keys in these files have no effect, because only Isaac Sim reads them, or nothing does; one line of a run lists
those that your files set. Overrides of them are refused. Overrides of keys whose values are derived from another key
are refused as well.

`tools/config_reference.py` writes these pages from the schemas.
"""


def meanings(schema: type) -> dict[str, str]:
    """Return the meanings of a schema's keys, from its docstring and those of its bases.

    Raises:
        OigeError: a docstring describes a key that does not exist.
    """
    found: dict[str, str] = {}
    fields = {field.name for field in dataclasses.fields(schema)}
    for owner in reversed(schema.__mro__):
        text = inspect.cleandoc(vars(owner).get("__doc__") or "")
        _, _, section = text.partition("\nAttributes:\n")
        for entry in re.split(r"\n(?=    \S)", section.strip("\n")):
            names, _, meaning = entry.strip().partition(": ")
            for name in filter(None, names.split(", ")):
                if name not in fields:
                    raise OigeError(
                        f"{owner.__name__}: its docstring describes {name!r}, which is not one of its keys."
                    )
                found[name] = plain(meaning)
    return found


def description(path: str, schema: type) -> Iterator[str]:
    """Yield the paragraphs of a schema's docstring, except the one that only names its section."""
    text, _, _ = inspect.cleandoc(schema.__doc__ or "").partition("\nAttributes:\n")
    for paragraph in map(plain, text.strip().split("\n\n")):
        if f"`{path}`" not in paragraph:
            yield paragraph + "."


def plain(meaning: str) -> str:
    """Return a meaning as one line of Markdown."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", meaning).replace("``", "`")
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<").rstrip(".")


def without_unit(meaning: str) -> str:
    """Return a meaning without its unit, which has its own column."""
    return re.sub(rf"^in (?:{_ANY}), |, in (?:{_ANY})(?:,(?= )|(?=$|[.;]))", "", meaning, count=1)


def unit(meaning: str) -> str:
    """Return the unit that a meaning names, or an empty string."""
    found = UNIT.search(meaning)
    return QUANTITIES[found[1] or found[2]] if found else ""


def type_name(expected: Any) -> str:
    """Return the readable name of a type."""
    if expected is type(None):
        return "null"
    if expected is Any:
        return "any"
    arguments = typing.get_args(expected)
    if typing.get_origin(expected) in (typing.Union, types.UnionType):
        return " or ".join(map(type_name, arguments))
    if typing.get_origin(expected) is tuple:
        return f"{len(arguments)} × {type_name(arguments[0])}"
    if typing.get_origin(expected) is typing.Literal:
        return " or ".join(shown(choice) for choice in arguments)
    if typing.get_origin(expected) is list:
        return f"list of {type_name(arguments[0])}"
    if typing.get_origin(expected) is dict:
        return "section"
    return expected.__name__


def shown(value: Any) -> str:
    """Return a value as YAML writes it."""
    if value is None:
        return "`null`"
    if value == "":
        return "empty"
    if isinstance(value, float):
        return f"`{float(f'{value:.6g}')}`".replace("inf", ".inf")
    if isinstance(value, (list, tuple)):
        return f"`[{', '.join(shown(entry).strip('`') for entry in value)}]`"
    return f"`{value}`"


def default(field: dataclasses.Field) -> str:
    """Return the default of a key as the page shows it."""
    if field.default is not dataclasses.MISSING:
        return shown(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return shown(field.default_factory())
    return "set by YAML"


def section_of(expected: Any) -> type | None:
    """Return the schema of a key that holds a section, None for one that holds a value."""
    for choice in (expected, *typing.get_args(expected)):
        if dataclasses.is_dataclass(choice):
            return typing.cast(type, choice)
    return None


def tables(
    path: str,
    schema: type,
    *,
    of: str = "",
    inherited: type | None = None,
    sections: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """Yield the table of a section's keys, then those of the sections in it.

    Args:
        path: dotted key of the section.
        schema: its schema.
        of: what has these keys, if not everything has.
        inherited: a base of the schema, whose keys are left out.
        sections: what holds the defaults, by the names of tasks; None: the schema does.

    Raises:
        OigeError: a key has no meaning.
    """
    known, hints = meanings(schema), typing.get_type_hints(schema)
    left_out = {field.name for field in dataclasses.fields(inherited)} if inherited else set()
    fields = [field for field in dataclasses.fields(schema) if field.name not in left_out]
    columns = list(sections) if sections and len(sections) > 1 else ["default"]
    rows = []
    for field in fields:
        if section_of(hints[field.name]):
            continue
        if field.name not in known:
            raise OigeError(f"{schema.__name__}.{field.name}: expected a meaning under Attributes of the docstring.")
        values = [shown(getattr(holder, field.name)) for holder in sections.values()] if sections else [default(field)]
        meaning = known[field.name]
        rows.append([f"`{field.name}`", type_name(hints[field.name]), *values, unit(meaning), without_unit(meaning)])
    if rows:
        yield plain(f"### {path} of {of}" if of else f"### {path}")
        yield from description(path, schema)
        yield table(["key", "type", *columns, "unit", "meaning"], rows)
    for field in fields:
        section = section_of(hints[field.name])
        if section is NetworkConfig and path != "train.params":
            yield f"`{path}.{field.name}` has the keys of `train.params.network`."
        elif section and issubclass(section, ControlConfig):
            yield f"The keys of `{path}.{field.name}` are [those of controllers](controllers.md#taskenvctrl)."
        elif section:
            inner = {name: getattr(holder, field.name) for name, holder in (sections or {}).items()}
            name = "<element>" if typing.get_origin(hints[field.name]) is dict else field.name
            yield from tables(f"{path}.{name}", section, of=of, sections=inner)


def root_tables() -> Iterator[str]:
    """Yield a table for each YAML file with defaults of root keys; its comments are the meanings.

    Raises:
        OigeError: a key is in neither file, or has no comment.
    """
    hints = typing.get_type_hints(TrainRunConfig)
    missing = {name for name, hint in hints.items() if not section_of(hint)}
    for file, title in ROOT_FILES.items():
        text = file.read_text(encoding="utf-8")
        rows = []
        for name, value in yaml.safe_load(text).items():
            if name not in missing:
                continue
            comment = re.search(rf"^{name}:.*? # (.*)$", text, re.MULTILINE)
            if comment is None:
                raise OigeError(f"{file.name}: expected a comment with the meaning of {name}.")
            missing.remove(name)
            meaning = plain(comment[1])
            kind = "int" if hints[name] is Any else type_name(hints[name])  # a number, or empty
            rows.append([f"`{name}`", kind, shown(value), unit(meaning), without_unit(meaning)])
        yield f"### {title}"
        yield table(["key", "type", "default", "unit", "meaning"], rows)
    if missing:
        raise OigeError(
            f"{', '.join(sorted(missing))}: expected a default in {' or '.join(f.name for f in ROOT_FILES)}."
        )


def default_table() -> str:
    """Return the defaults of all tasks: those of ``task.env`` that differ between tasks, and the physics steps."""
    tasks = {name: load_config(name).task for name in installed_tasks()}
    keys = [field.name for field in dataclasses.fields(EnvConfig)]
    keys = [key for key in keys if len({str(getattr(task.env, key)) for task in tasks.values()}) > 1]
    return table(
        ["task", *(f"`{key}`" for key in keys), "`sim.dt`", "`sim.substeps`"],
        [
            [name, *(shown(getattr(task.env, key)) for key in keys), shown(task.sim.dt), shown(task.sim.substeps)]
            for name, task in tasks.items()
        ],
    )


def task_tables(package: str) -> Iterator[str]:
    """Yield the keys of each schema of ``task.env`` in a package that tasks have beside those of all tasks."""
    common = [field.name for field in dataclasses.fields(EnvConfig)]
    by_schema: dict[type, dict[str, Any]] = {}
    for name, task in installed_tasks().items():
        if task.package != package:
            continue
        env = load_config(name).task.env
        holders = by_schema.setdefault(type(env), {})
        own = [field.name for field in dataclasses.fields(env) if field.name not in common]
        values = [getattr(env, key) for key in own]
        if own and values not in [[getattr(other, key) for key in own] for other in holders.values()]:
            holders[name] = env
    for schema, sections in by_schema.items():
        if sections:
            yield from tables("task.env", schema, of=" and ".join(sections), inherited=EnvConfig, sections=sections)


def renamed_table() -> str:
    """Return the table of the keys of OmniIsaacGymEnvs that have another name here."""
    tasks: dict[tuple[str, str], list[str]] = {}
    for name, task in installed_tasks().items():
        for old, target in load_spec(task).renamed.items():
            entry = re.sub(r"\.(\d+)$", r"[\1]", target.key)
            meaning = f"`task.{entry}`{', ' if target.meaning else ''}{target.meaning}"
            tasks.setdefault((f"`task.{old}`", meaning), []).append(name)
    return table(
        ["key of OmniIsaacGymEnvs", "here", "tasks"], [[*row, ", ".join(names)] for row, names in tasks.items()]
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclasses.dataclass(frozen=True)
class Section:
    """A page below docs/configuration/.

    Attributes:
        title: its heading.
        contents: what the overview says about it.
        paragraphs: its text.
    """

    title: str
    contents: str
    paragraphs: list[str]


def sections() -> dict[str, Section]:
    """Return the pages below docs/configuration/ by their names."""
    found = {
        "root": Section(
            "Root keys",
            "devices, seed, number of worlds, checkpoints, viewer, recording, Weights & Biases",
            list(root_tables()),
        ),
        "environment": Section(
            "Keys of all tasks",
            "`task.env` of every task: episodes, control steps, clipping, resets; the defaults of all tasks",
            [*tables("task.env", EnvConfig), "### Defaults of the tasks", default_table()],
        ),
    }
    for package in sorted({task.package for task in installed_tasks().values()}):
        paragraphs = list(task_tables(package))
        tasks = re.findall(r"^### task\.env of (.*)$", "\n".join(paragraphs), re.MULTILINE)
        found[package.removeprefix("oige-tasks-")] = Section(
            f"Keys of tasks in {package}", f"`task.env` of {', '.join(tasks)}", paragraphs
        )
    found["controllers"] = Section(
        "Controllers", "`task.env.ctrl`: controllers of robot arms", list(tables("task.env.ctrl", ControlConfig))
    )
    found["simulation"] = Section(
        "Simulation",
        "`task.sim`: time step, materials, solver, engines, robots; `task.viewport`; `task.domain_randomization`",
        [
            *tables("task.sim", SimConfig),
            *tables("task.viewport", ViewportConfig),
            *tables("task.domain_randomization", DomainRandomizationConfig),
            "[Domain randomisation](../randomization.md) describes the keys below `randomization_params`.",
        ],
    )
    found["training"] = Section(
        "Training",
        "`train.params`: networks, PPO, SAC and FlashSAC",
        [
            "The training configurations of the tasks, `cfg/train/` in their packages, set most of these keys.",
            *tables("train.params", TrainParams),
            *tables("train.params.config", PpoConfig, of="PPO", inherited=AlgoConfig),
            *tables("train.params.config", SacConfig, of="SAC", inherited=AlgoConfig),
            *tables("train.params.config", FlashSacConfig, of="FlashSAC", inherited=AlgoConfig),
            *tables("train.params.network", FlashSacNetworkConfig, of="FlashSAC"),
        ],
    )
    return found


def pages() -> dict[Path, str]:
    """Return the text of each page by its file."""
    found = sections()
    overview = table(
        ["page", "contents"],
        [[f"[{section.title}](configuration/{name}.md)", section.contents] for name, section in found.items()],
    )
    texts = {"configuration": INTRODUCTION.replace("{renamed}", renamed_table()).replace("{sections}", overview)}
    for name, section in found.items():
        body = [re.sub(r"^###", "##", paragraph.strip()) for paragraph in section.paragraphs]
        texts[f"configuration/{name}"] = "\n\n".join([f"# {section.title}", *body])
    return {DOCS / f"{name}.md": text.strip() + "\n" for name, text in texts.items()}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    for file, text in pages().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_cli(main)
