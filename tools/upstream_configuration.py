"""Write tests/data/upstream_configuration.json: keys and values of OmniIsaacGymEnvs' task and train files.

    uv run python tools/upstream_configuration.py <checkout of OmniIsaacGymEnvs> <commit>

Interpolations are stored as they are; comments are not stored.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from oige_core.config.defaults import load_yaml
from oige_core.errors import OigeError
from oige_train.cli.common import run_cli
from omegaconf import OmegaConf

DATA = Path(__file__).resolve().parent.parent / "tests" / "data" / "upstream_configuration.json"
GROUPS = ("task", "train")


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", type=Path, help="folder of a checkout of OmniIsaacGymEnvs")
    parser.add_argument("commit", help="its commit, which the file notes")
    options = parser.parse_args()
    folder = options.checkout / "omniisaacgymenvs" / "cfg"
    if not folder.is_dir():
        raise OigeError(
            f"{options.checkout}: expected a checkout of OmniIsaacGymEnvs, with omniisaacgymenvs/cfg in it."
        )
    lines = [f'"commit": {json.dumps(options.commit)}']
    for group in GROUPS:
        files = [
            f" {json.dumps(file.stem)}: {json.dumps(content(file))}" for file in sorted((folder / group).glob("*.yaml"))
        ]
        lines.append(f'"{group}": {{\n' + ",\n".join(files) + "\n}")
    DATA.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


def content(file: Path) -> Any:
    """Return the keys and values of a YAML file, with interpolations as they are."""
    return OmegaConf.to_container(load_yaml(file))


if __name__ == "__main__":
    run_cli(lambda _: main())
