"""Write the pages of the tasks, docs/tasks/<Task>.md, their index, and images of learning curves.

    uv run python tools/task_pages.py

What a page says above ``<!-- end -->`` comes from the task's description (``TaskSpec.description``), its configuration,
the card of its policy and the measurements in docs/results/data. What follows is written by hand: notes, and the
differences from OmniIsaacGymEnvs.
"""

import argparse
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curve_images import DATA, Run, draw
from oige_core.config import RunConfig
from oige_core.description import ResolvedDescription, TaskDescription, describe
from oige_core.errors import OigeError
from oige_core.registry import find_task, installed_tasks, load_config, load_spec
from oige_train.cli.common import run_cli
from oige_train.pretrained import read_card
from policies import ENTRIES, score, training, with_policy
from task_tables import (
    action_table,
    ending_list,
    layout_table,
    observation_table,
    randomization_list,
    reward_table,
    table,
)

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = DOCS / "tasks"
CURVES_FOLDER = DOCS / "images" / "curves"
START, END = "<!-- made by tools/task_pages.py -->\n", "<!-- end -->\n"

SAME_AS = {"AntSAC": "Ant", "HumanoidSAC": "Humanoid", "ShadowHandOpenAI_LSTM": "ShadowHandOpenAI_FF"}
"""Tasks whose descriptions are those of another task."""

RESULTS = {"ShadowHandOpenAI_FF": "hands.md", "ShadowHandOpenAI_LSTM": "hands.md"}
"""Pages with the measurements of tasks without a policy."""

SEED_42, RESUMED = "seed 42", "seed 42, resumed once"
CURVES: dict[str, tuple[Run, ...]] = {
    "AllegroHand": (Run(RESUMED, ("allegro_hand_42_h200", "allegro_hand_resumed_42_h200")),),
    "Ant": (Run(SEED_42, ("ant_42_h200",)),),
    "AntSAC": (Run(SEED_42, ("ant_sac_42_h100",)),),
    "Anymal": (Run(SEED_42, ("anymal_42_h100",)),),
    "AnymalTerrain": (
        Run(SEED_42, ("anymal_terrain_original_ground_42_h200",)),
        Run("seed 1", ("anymal_terrain_original_ground_1_h200",)),
    ),
    "BallBalance": (Run(SEED_42, ("ball_balance_42_h200",)),),
    "CartpoleCamera": (Run(SEED_42, ("cartpole_camera_42_h200",)),),
    "Crazyflie": (
        Run(SEED_42, ("crazyflie_thrust_42_h200",)),
        Run("seed 1", ("crazyflie_thrust_1_h200",)),
        Run("seed 2", ("crazyflie_thrust_2_h200",)),
    ),
    "FactoryTaskNutBoltPick": (
        Run(SEED_42, ("factory_pick_42_h200",)),
        Run("seed 7", ("factory_pick_7_h200",)),
    ),
    "FactoryTaskNutBoltPlace": (
        Run(SEED_42, ("factory_place_42_h200",)),
        Run("seed 7", ("factory_place_7_h200",)),
    ),
    "FactoryTaskNutBoltScrew": (
        Run(SEED_42, ("factory_screw_42_h200",)),
        Run("seed 42, with guards around the nut", ("factory_screw_guards_42_h200",)),
        Run("seed 7, with guards around the nut", ("factory_screw_guards_7_h200",)),
    ),
    "FrankaCabinet": (
        Run("seed 42, 512 worlds on a CPU", ("franka_cabinet_42_cpu",)),
        Run("seed 1, 512 worlds on a CPU", ("franka_cabinet_1_cpu",)),
        Run("seed 2, 512 worlds on a CPU", ("franka_cabinet_2_cpu",)),
        Run("seed 42, 4096 worlds on a CPU", ("franka_cabinet_4096_42_cpu",)),
    ),
    "FrankaDeformable": (
        Run("seed 7", ("franka_deformable_7_h200",)),
        Run(SEED_42, ("franka_deformable_42_h200",)),
    ),
    "Humanoid": (Run(SEED_42, ("humanoid_42_h200",)),),
    "HumanoidSAC": (Run(SEED_42, ("humanoid_sac_512_axes_42_h200",)),),
    "Ingenuity": (Run(SEED_42, ("ingenuity_42_h100",)),),
    "Quadcopter": (
        Run(SEED_42, ("quadcopter_42_h200",)),
        Run("seed 1", ("quadcopter_1_h200",)),
        Run("seed 2", ("quadcopter_2_h200",)),
    ),
    "ShadowHand": (Run(SEED_42, ("shadow_hand_42_h200",)),),
    "ShadowHandOpenAI_FF": (Run(SEED_42, ("shadow_hand_openai_ff_42_h200",)),),
    "TargetFollowing": (Run(SEED_42, ("target_following_42_h200",)),),
}
"""Trainings that the pages show. The first one is that of the policy that comes with the task."""


def own_tasks() -> list[str]:
    """Return the names of the tasks of this repository."""
    return [name for name, task in installed_tasks().items() if task.package.startswith("oige-tasks-")]


def described(name: str) -> tuple[RunConfig, ResolvedDescription, TaskDescription]:
    """Return the default configuration of a task and its description, resolved and as it is written.

    Raises:
        OigeError: the task has no description.
    """
    config = load_config(name)
    resolved = describe(config)
    if resolved.source is None:
        raise OigeError(f"task={name}: it has no description, from which its page is made; add one to its record.")
    return config, resolved, resolved.source


def page(name: str) -> str:
    """Return the part of a task's page that this tool writes."""
    config, resolved, description = described(name)
    image = PAGES.parent / "images" / "gallery" / f"{name}.webp"
    parts = [description.summary + "\n"]
    if image.is_file():
        parts.append(f"![{name}](../images/gallery/{image.name})\n")
    parts += [facts(name, config), "## Commands\n", commands(name)]
    if name in SAME_AS:
        base = SAME_AS[name]
        parts.append(
            f"Observations, actions, rewards, ends of episodes and randomisation are those of [{base}]({base}.md).\n"
        )
    else:
        parts += list(sections(config, resolved, description))
    parts += list(results(name))
    return "\n".join(parts)


def facts(name: str, config: RunConfig) -> str:
    """Return the table of sizes and times."""
    env, spec, package = config.task.env, load_spec(find_task(name)), find_task(name).package
    step = config.task.sim.dt * env.controlFrequencyInv
    rows = [
        ("package", f"[{package}](../../packages/{package})"),
        ("worlds", f"{env.numEnvs:,} (`num_envs`)"),
        ("control step", f"{step:.4g} s (`sim.dt` {config.task.sim.dt:.4g} s × `controlFrequencyInv`)"),
        ("observation", " × ".join(map(str, spec.shape_for(env)))),
    ]
    if spec.states_for(env):
        rows.append(("privileged state of the critic", str(spec.states_for(env))))
    rows.append(("actions", str(spec.num_actions)))
    if spec.warp_task:
        rows.append(("Warp variant", "`warp=True`"))
    return table(("", ""), rows)


def commands(name: str) -> str:
    """Return the commands that play and train."""
    lines = []
    if name in with_policy():
        play = f"task={name} test=True checkpoint=pretrained"
        lines += ["# watch the policy that comes with the task, in a browser", f"{play} headless=False"]
    lines += ["# train, on a GPU if there is one", f"task={name}"]
    for train, text in (("PPO_cpu", "# train on few CPU cores"), ("FlashSAC", "# train with FlashSAC")):
        file = find_task(name).cfg / "train" / f"{name}{train}.yaml"
        if file.is_file():
            written = re.search(r"^#   oige-train (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            lines += [text, written[1] if written else f"task={name} train={name}{train}"]
    block = "".join(f"    {line if line.startswith('#') else f'uv run oige-train {line}'}\n" for line in lines)
    return block + "\n" + all_keys(name)


def all_keys(name: str) -> str:
    """Return a sentence that leads to all keys of a task."""
    base, group = SAME_AS.get(name, name), find_task(name).package.removeprefix("oige-tasks-")
    target = "environment.md"  # tasks without keys of their own
    text = (DOCS / "configuration" / f"{group}.md").read_text(encoding="utf-8")
    for heading, tasks in re.findall(r"^## (task\.env of (.+))$", text, re.MULTILINE):
        if base in tasks.split(" and "):
            target = f"{group}.md#{heading.lower().replace(' ', '-').replace('.', '')}"
    return (
        "Append `task.env.<key>=<value>` to change a key that this page names. "
        f"[All keys](../configuration/{target}) have defaults, units and meanings.\n"
    )


def sections(config: RunConfig, resolved: ResolvedDescription, description: TaskDescription) -> Iterator[str]:
    """Yield the sections that describe the task."""
    env = config.task.env
    notes = description.observation_notes, description.action_notes, description.reward_notes
    observed, acted, rewarded = (f"{text}\n" if text else "" for text in notes)
    yield "## Observations\n"
    yield observation_table(description.observations, resolved.observations)
    yield from filter(None, (observed,))
    if description.states:
        yield "### Privileged states\n\nOnly the critic gets them, in training.\n"
        yield observation_table(description.states, resolved.states)
    layouts = [
        (" ".join(f"{key}={value}" for key, value in layout.items()), describe(load_config(resolved.task, layout)))
        for layout in description.layouts
    ]
    if others := layout_table(resolved, layouts):
        yield "### Other layouts\n"
        yield others
    yield "## Actions\n"
    yield action_table(description.actions, resolved.actions, description.observations)
    yield from filter(None, (acted,))
    yield "## Rewards\n"
    yield reward_table(description.rewards, resolved.rewards)
    yield from filter(None, (rewarded,))
    yield "## Ends of episodes\n"
    step = config.task.sim.dt * env.controlFrequencyInv
    steps = description.episode_steps or env.episodeLength
    yield ending_list(description.endings, steps, steps * step)
    if description.success:
        yield f"**Success:** {description.success}\n"
    yield "## Randomisation\n"
    yield randomization_list(description.randomization)


def results(name: str) -> Iterator[str]:
    """Yield the section with measurements, as far as there are any."""
    parts = [part for part in (policy_text(name), curve_text(name), speed_text(name)) if part]
    if parts:
        yield "## Results\n"
        yield from parts


def policy_text(name: str) -> str:
    """Return a paragraph on the policy that comes with a task, or where to find measurements."""
    if name not in with_policy():
        notes = RESULTS.get(name)
        return f"No policy comes with the task. [Laboratory notes](../results/{notes})\n" if notes else ""
    entry, card = ENTRIES[name], read_card(find_task(name))
    best = f" of {entry.best:,} at most" if entry.best else ""
    worlds = card.configuration["task"]["env"]["numEnvs"]
    origin = f"trained with `train={card.train}`, seed {card.seed} and {worlds:,} worlds: {training(entry, card)}"
    return (
        f"The policy that comes with the task has a mean return of **{score(card)}**{best} over {card.games} episodes "
        f"without exploration noise. It was {entry.joined or origin}. [Laboratory notes](../results/{entry.results})\n"
    )


def curve_text(name: str) -> str:
    """Return the image of learning curves, or nothing."""
    if name not in CURVES:
        return ""
    what = "The curves show" if len(CURVES[name]) > 1 else "The curve shows"
    return (
        f"![Mean return of {name} during training](../images/curves/{name}.svg)\n\n"
        f"{what} the mean return of the episodes that ended last, with exploration noise.\n"
    )


@functools.cache
def benchmarks() -> list[dict[str, Any]]:
    """Return the measurements of speed of default configurations, from all files in docs/results/data."""

    def walk(node: Any, warp: bool) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict) and {"task", "stages", "num_envs"} <= set(node):
            if not {"overrides", "minibatch_size"} & set(node):
                yield node | {"warp": warp}
        elif isinstance(node, dict):
            for key, value in node.items():
                yield from walk(value, warp or key == "warp")
        elif isinstance(node, list):
            for value in node:
                yield from walk(value, warp)

    return [
        found
        for file in sorted(DATA.glob("*.json"))
        for found in walk(json.loads(file.read_text(encoding="utf-8")), "_warp_" in file.name)
    ]


def speed_text(name: str) -> str:
    """Return the table of speeds: of each machine and number of worlds the last measurement; or nothing."""
    latest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for run in sorted(benchmarks(), key=lambda run: run["date"]):
        machine = run["machine"]
        where = machine["gpus"][0] if run["device"] != "cpu" else f"{machine['cpu']}, {run['num_threads']} threads"
        if run["task"] == name:
            latest[where, run["num_envs"], run["warp"]] = run
    rows = []
    for (where, worlds, warp), run in sorted(latest.items()):
        rates = {stage["name"]: stage["rate"] for stage in run["stages"]}
        memory = f"{run['gpu_memory_bytes'] / 2**30:.1f} GiB" if run["gpu_memory_bytes"] else ""
        speeds = [f"{rates[stage]:,.3g}" if stage in rates else "" for stage in ("environment", "learning")]
        speeds = [f"{float(text.replace(',', '')):,.0f}" if text else "" for text in speeds]
        rows.append((where, f"{worlds:,}{', Warp variant' if warp else ''}", *speeds, memory, run["date"][:10]))
    if not rows:
        return ""
    header = ("machine", "worlds", "environment, 1/s", "with learning, 1/s", "GPU memory", "date")
    text = "Speeds that `oige-benchmark` measured, in environment steps per second without and with learning:\n\n"
    return text + table(header, rows)


def index() -> str:
    """Return docs/tasks/index.md."""
    rows = []
    for name in own_tasks():
        config, _, description = described(name)
        env, spec = config.task.env, load_spec(find_task(name))
        image = DOCS / "images" / "gallery" / f"{name}.webp"
        picture = f'<a href="{name}.md"><img src="../images/gallery/{image.name}" alt="{name}" width="120"></a>'
        step = config.task.sim.dt * env.controlFrequencyInv
        rows.append(
            (
                f"{f'{picture}<br>' if image.is_file() else ''}[{name}]({name}.md)",
                f"{env.numEnvs:,}",
                f"{description.episode_steps or env.episodeLength:,} × {step:.3g} s",
                " × ".join(map(str, spec.shape_for(env))),
                str(spec.num_actions),
                score(read_card(find_task(name))) if name in with_policy() else "",
            )
        )
    header = ("task", "worlds", "episode", "observation", "actions", "return")
    return INDEX.format(table=table(header, rows))


INDEX = """\
# Tasks

Each task has a page with its commands, observations, actions, rewards, ends of episodes, randomisation, results and
differences from OmniIsaacGymEnvs. Numbers are defaults; [Configuration](../configuration.md) lists all keys.
`oige-new-task` writes the package of a [task of your own](../../CONTRIBUTING.md#a-new-task).

{table}
How to read the pages:

* An observed number is the quantity in its unit, multiplied by `scale` and clamped to ±`clipObservations`. Positions
  are relative to the origin of the world, and quaternions are w, x, y, z. Each number has a name, such as
  `joint_velocity[LF_HAA]`. `oige_core.description.describe` returns the names, units and scales for any configuration.
* An action is clamped to ±`clipActions`. The tables say what −1 to 1 stand for.
* The reward of a step is the sum of `term` × `weight`. Training logs the mean of each term per episode under its name.
* `key` is the key below `task.env` that sets a scale or weight; the value in the table contains it.
* An episode is a number of control steps of so many seconds. A return is that of the policy that comes with the task,
  the mean over the episodes that its page names, without exploration noise.

`tools/task_pages.py` writes these pages from the code and from measurements.
"""


def whole_page(name: str) -> str:
    """Return the text of a task's page; what is written by hand on it is kept."""
    file = PAGES / f"{name}.md"
    _, _, rest = file.read_text(encoding="utf-8").partition(END) if file.is_file() else ("", "", "")
    return f"# {name}\n\n{START}{page(name)}{END}{rest}"


def documents() -> dict[Path, str]:
    """Return the text of all files that this tool writes."""
    texts = {PAGES / "index.md": index()}
    for name in own_tasks():
        texts[PAGES / f"{name}.md"] = whole_page(name)
    for name, curves in CURVES.items():
        texts[CURVES_FOLDER / f"{name}.svg"] = draw(f"Mean return of {name} during training", curves)
    return texts


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    for file, text in documents().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_cli(main)
