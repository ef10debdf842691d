"""Write the README's table of tasks and their policies.

    uv run python tools/policies.py

The return of a policy comes from its card, which ``tools/publish_policy.py`` writes. Steps and time of its training
come from the end of the curve that ``tools/learning_curve.py`` wrote.
"""

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oige_core.errors import ConfigError
from oige_core.registry import find_task, installed_tasks
from oige_train.cli.common import run_cli
from oige_train.pretrained import PolicyCard, policy_files, read_card

REPOSITORY = Path(__file__).resolve().parent.parent
README = REPOSITORY / "README.md"
RESULTS = REPOSITORY / "docs" / "results"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the table.

    Attributes:
        text: description of the task.
        results: page with the measurements, and the heading on it.
        curve: name of the policy's learning curve, without folder and suffix; None: the time was not recorded.
        machine: machine of the training.
        best: highest possible return, if there is one.
        joined: where the policy comes from, if it was not trained but joined from others.
    """

    text: str
    results: str
    machine: str
    curve: str | None = None
    best: int | None = None
    joined: str = ""


ENTRIES = {
    "AllegroHand": Entry(
        text="a four-fingered hand turns a cube",
        results="hands.md",
        machine="an H200, shared",
    ),
    "Ant": Entry(
        text="a four-legged walker runs", results="locomotion.md", curve="ant_42_h200", machine="an H200, shared"
    ),
    "AntSAC": Entry(
        text="Ant, trained with soft actor-critic",
        results="locomotion.md#antsac",
        curve="ant_sac_42_h100",
        machine="an H100, shared",
    ),
    "Anymal": Entry(
        text="ANYmal C follows commanded velocities",
        results="locomotion.md",
        curve="anymal_42_h100",
        machine="an H100, shared",
        best=75,
    ),
    "AnymalTerrain": Entry(
        text="ANYmal C walks on slopes, stairs and obstacles",
        results="locomotion.md#anymalterrain",
        curve="anymal_terrain_original_ground_42_h200",
        machine="an H200",
        best=30,
    ),
    "BallBalance": Entry(
        text="a tray on three legs catches a ball",
        results="classic.md",
        curve="ball_balance_42_h200",
        machine="an H200, shared",
        best=600,
    ),
    "Cartpole": Entry(text="a cart balances a pole", results="cartpole.md", machine="2 CPU cores", best=500),
    "CartpoleCamera": Entry(
        text="Cartpole with camera images as observations",
        results="pixels.md",
        curve="cartpole_camera_42_h200",
        machine="an H200, shared",
        best=500,
    ),
    "Crazyflie": Entry(
        text="a nano quadcopter flies to a target",
        results="classic.md",
        curve="crazyflie_thrust_42_h200",
        machine="an H200, shared",
        best=1400,
    ),
    "FactoryTaskNutBolt": Entry(
        text="an arm picks up a nut, places it on a bolt and screws it on, with the three policies below",
        results="factory.md#chain",
        machine="",
        joined="joined from three policies",
    ),
    "FactoryTaskNutBoltPick": Entry(
        text="an arm grasps an M16 nut on a table and lifts it",
        results="factory.md#learning",
        machine="an H200, shared",
    ),
    "FactoryTaskNutBoltPlace": Entry(
        text="an arm puts an M16 nut on the tip of a bolt",
        results="factory.md#learning",
        curve="factory_place_42_h200",
        machine="an H200, shared",
    ),
    "FactoryTaskNutBoltScrew": Entry(
        text="an arm screws an M16 nut onto a bolt",
        results="factory.md#learning",
        curve="factory_screw_42_h200",
        machine="an H200, shared",
    ),
    "FrankaCabinet": Entry(
        text="an arm grasps a handle and opens a drawer",
        results="franka_cabinet.md",
        curve="franka_cabinet_42_cpu",
        machine="a CPU core, shared",
    ),
    "FrankaDeformable": Entry(
        text="an arm puts the end of a soft tube into a beaker",
        results="franka_deformable.md#learning",
        machine="an H200 and a CPU core, shared",
    ),
    "Humanoid": Entry(
        text="a humanoid runs", results="locomotion.md", curve="humanoid_42_h200", machine="an H200, shared"
    ),
    "HumanoidSAC": Entry(
        text="Humanoid, trained with soft actor-critic",
        results="locomotion.md#humanoidsac",
        curve="humanoid_sac_512_axes_42_h200",
        machine="an H200, shared",
    ),
    "Ingenuity": Entry(
        text="NASA's helicopter flies to targets on Mars",
        results="classic.md",
        curve="ingenuity_42_h100",
        machine="an H100, shared",
        best=6000,
    ),
    "Quadcopter": Entry(
        text="a quadcopter with tilting rotors flies to a target",
        results="classic.md",
        curve="quadcopter_42_h200",
        machine="an H200, shared",
        best=1500,
    ),
    "ShadowHand": Entry(
        text="a hand of 24 joints turns a cube to given orientations",
        results="hands.md",
        machine="an H200, shared",
    ),
    "TargetFollowing": Entry(
        text="a wheeled robot drives to a cube that its camera sees",
        results="pixels.md",
        curve="target_following_42_h200",
        machine="an H200, shared",
    ),
}


def with_policy() -> list[str]:
    """Return the names of installed tasks that come with a policy."""
    return [task.name for task in installed_tasks().values() if policy_files(task)[1].is_file()]


def score(card: PolicyCard) -> str:
    """Return a policy's mean return as text: whole numbers from 1000 on, one decimal place below."""
    return f"{card.mean_return:,.{0 if card.mean_return >= 1000 else 1}f}".replace("-", "−")


def curve(name: str) -> dict[str, Any]:
    """Return a learning curve that ``tools/learning_curve.py`` wrote into docs/results/data."""
    return json.loads((RESULTS / "data" / f"{name}.json").read_text(encoding="utf-8"))


def training(entry: Entry, card: PolicyCard) -> str:
    """Return the steps, time and machine of a policy's training as text."""
    if entry.joined:
        return entry.joined
    if entry.curve is None:
        return f"{card.steps / 1e6:.3g} M steps, {entry.machine}"
    end = curve(entry.curve)["curve"][-1]
    return f"{end['steps'] / 1e6:.3g} M steps in {end['seconds'] / 60:.0f} min, {entry.machine}"


def entry_of(name: str) -> Entry:
    """Return the entry of a task.

    Raises:
        ConfigError: the task has no entry.
    """
    if name not in ENTRIES:
        raise ConfigError(f"{name}: expected a task with an entry in ENTRIES of tools/policies.py; add one.")
    return ENTRIES[name]


def readme_rows() -> str:
    """Return the table."""
    lines = ["| task | description | mean return of its policy | training |", "|---|---|---|---|"]
    for name in with_policy():
        entry, card = entry_of(name), read_card(find_task(name))
        reached = score(card) + (f" of {entry.best:,}" if entry.best else "")
        lines.append(
            f"| [`{name}`](docs/tasks/{name}.md) | {entry.text} "
            f"| [{reached}](docs/results/{entry.results}) | {training(entry, card)} |"
        )
    return "\n".join(lines) + "\n"


def replace_part(tool: str, text: str) -> None:
    """Replace the part of the README that a tool writes, between its comment and the next ``<!-- end -->``.

    Args:
        tool: name of the file in tools/.
        text: the new part.
    """
    page = README.read_text(encoding="utf-8")
    README.write_text(part(tool).sub(lambda _: text, page, count=1), encoding="utf-8")


def part(tool: str) -> re.Pattern[str]:
    """Return a pattern that matches the part of the README that a tool writes."""
    return re.compile(rf"(?<=<!-- made by tools/{re.escape(tool)} -->\n).*?(?=<!-- end -->)", re.DOTALL)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    replace_part("policies.py", readme_rows())


if __name__ == "__main__":
    run_cli(main)
