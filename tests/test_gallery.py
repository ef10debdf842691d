"""The gallery shows every task that comes with a policy, played by it, and says of the others that they have none."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from oige_core.registry import find_task, installed_tasks
from oige_train.cli.common import checked_run
from oige_train.pretrained import policy_files, read_card
from PIL import ExifTags, Image

REPOSITORY = Path(__file__).resolve().parent.parent
LARGEST = 320_000  # bytes
SHOWN = [task.name for task in installed_tasks().values() if policy_files(task)[1].is_file()]


@pytest.fixture
def gallery(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("gallery")


def test_pages_are_up_to_date(gallery: ModuleType, import_tool: Callable[[str], ModuleType]) -> None:
    hint = "run: uv run python tools/gallery.py --page"
    assert gallery.PAGE.read_text() == gallery.page(), hint
    policies = import_tool("policies")
    table = policies.part("gallery.py").search(policies.README.read_text())
    assert table is not None
    assert table[0] == gallery.readme_table(), hint


def test_training_command_has_the_settings_of_the_policy(gallery: ModuleType) -> None:
    commands = dict(
        re.findall(r"^    uv run oige-train task=(\w+)((?: (?!test=)\S+)*)$", gallery.PAGE.read_text(), re.M)
    )
    assert set(commands) == set(SHOWN)
    overrides = "num_envs=4096 train.params.config.horizon_length=24 max_iterations=1900"
    assert sorted(commands["AnymalTerrain"].split()) == sorted(overrides.split())
    for name, arguments in commands.items():
        card, run = read_card(find_task(name)), checked_run([f"task={name}", *arguments.split()])
        then, now = card.configuration["train"]["params"]["config"], run.resolved["train"]["params"]["config"]
        assert (run.train_name, run.config.seed) == (card.train, card.seed)
        assert run.config.task.env.numEnvs == card.configuration["task"]["env"]["numEnvs"]
        for key in ("max_epochs", "horizon_length", "minibatch_size", "learning_rate", "batch_size", "gamma"):
            assert now.get(key) == then.get(key), (name, key)


def test_page_names_every_task(gallery: ModuleType) -> None:
    shown, _, missing = gallery.PAGE.read_text().partition("## Not trained yet")
    for name in installed_tasks():
        assert (f"## {name}\n" in shown) == (name in SHOWN), name
        assert (f"`{name}`" in missing) == (name not in SHOWN), name


@pytest.mark.parametrize("name", SHOWN)
def test_animation_shows_the_pretrained_policy(gallery: ModuleType, name: str) -> None:
    file = gallery.ANIMATIONS / f"{name}.webp"
    with Image.open(file) as image:
        assert getattr(image, "is_animated", False)
        description = image.getexif()[ExifTags.Base.ImageDescription]
    hint = f"run: uv run python tools/gallery.py {name}"
    assert description == f"{name}, policy {read_card(find_task(name)).sha256}", hint
    assert file.stat().st_size < LARGEST


def test_gallery_has_no_unused_animation(gallery: ModuleType) -> None:
    assert {file.stem for file in gallery.ANIMATIONS.iterdir()} == set(SHOWN)
