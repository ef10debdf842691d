"""Bodies of our own for props of Isaac Sim, by the end of the path of their USD file."""

from pathlib import Path

__all__ = ["PROPS", "find_prop"]

PROPS = {
    "Props/Blocks/block.usd": "block.usda",
    "Props/Blocks/block_instanceable.usd": "block.usda",
    "Props/Blocks/nvidia_cube.usd": "nvidia_cube.usda",
}
"""Files of this package by the path of Isaac Sim's."""


def find_prop(usd_path: str) -> Path | None:
    """Return our USD file for one of Isaac Sim's, or None."""
    name = usd_path.replace("\\", "/")
    own = next((own for path, own in PROPS.items() if name.endswith(f"/{path}")), None)
    return None if own is None else Path(__file__).parent / own
