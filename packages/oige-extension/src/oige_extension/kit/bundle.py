"""What goes into ``pip_prebundle``: the files of installed distributions, pure Python only.

The files are taken from the running environment, so that an extension holds exactly what was tested there, and nothing
is downloaded.
"""

import importlib.metadata
import importlib.util
import json
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path, PurePosixPath

from oige_core.errors import OigeError

__all__ = ["FORBIDDEN", "OWN", "THIRD_PARTY", "bundled_distributions", "distribution_files", "editable_package"]

OWN = ("oige-core", "oige-train", "oige-extension")
"""Our distributions; those that provide tasks are found through their entry points."""

THIRD_PARTY = (
    "absl-py",
    "antlr4-python3-runtime",
    "cloudpickle",
    "farama-notifications",
    "gymnasium",
    "hydra-core",
    "omegaconf",
    "protobuf",
    "rl-games",
    "tensorboard",
    "tensorboardX",
)
"""Libraries that training needs and that no release of Isaac Sim is known to carry."""

FORBIDDEN = frozenset(
    {"torch", "numpy", "warp", "mujoco", "mujoco_warp", "pxr", "omni", "carb", "isaacsim", "yaml", "PIL", "scipy"}
)
"""Top-level names of what Isaac Sim brings itself; a second copy of one breaks it."""

COMPILED = frozenset({".so", ".pyd", ".dll", ".dylib"})
PURE_WITHOUT_COMPILED = frozenset({"protobuf"})  # falls back to its implementation in Python
LEFT_OUT = frozenset(
    {
        *("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"),
        "webfiles.zip",  # the page of TensorBoard, which does not run inside Isaac Sim
    }
)


def bundled_distributions() -> list[str]:
    """Return the names of the distributions that an extension carries: ours, all that provide tasks, libraries.

    Raises:
        OigeError: one is not installed.
    """
    tasks = {point.dist.name for point in importlib.metadata.entry_points(group="oige.tasks") if point.dist}
    names = [*OWN, *sorted(tasks), *THIRD_PARTY]
    for name in names:
        _distribution(name)
    return names


def distribution_files(name: str) -> Iterator[tuple[PurePosixPath, Path]]:
    """Yield the path of each file in ``pip_prebundle`` and where it lies now.

    Programs, compiled libraries, records of the installation and TensorBoard's page are left out.

    Args:
        name: name of an installed distribution.

    Raises:
        OigeError: it is not installed, needs compiled libraries, or brings what Isaac Sim has itself.
    """
    distribution = _distribution(name)
    package = editable_package(distribution)
    for path, source in _editable_files(distribution, package) if package else _installed_files(distribution):
        if path.suffix in COMPILED:
            if name in PURE_WITHOUT_COMPILED:
                continue
            raise OigeError(f"{name}: {path} is a compiled library; an extension carries pure Python only.")
        if path.parts[0].removesuffix(".py") in FORBIDDEN:
            raise OigeError(f"{name}: {path} would hide Isaac Sim's own '{path.parts[0]}'; leave {name} out.")
        yield path, source


def editable_package(distribution: Distribution) -> Path | None:
    """Return the source folder of a distribution that is installed from a checkout, else None.

    Raises:
        OigeError: its package has another name than the distribution, so that its sources are not found.
    """
    url = distribution.read_text("direct_url.json")
    if not (url and json.loads(url).get("dir_info", {}).get("editable")):
        return None
    module = distribution.name.replace("-", "_")
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise OigeError(f"{distribution.name}: expected the package '{module}'; install it from a wheel instead.")
    return Path(spec.submodule_search_locations[0])


def _distribution(name: str) -> Distribution:
    try:
        return importlib.metadata.distribution(name)
    except PackageNotFoundError:
        raise OigeError(f"{name} is not installed, and an extension carries it: pip install {name}.") from None


def _installed_files(distribution: Distribution) -> Iterator[tuple[PurePosixPath, Path]]:
    for file in sorted(distribution.files or ()):
        if ".." not in file.parts and "__pycache__" not in file.parts and file.name not in LEFT_OUT:
            yield PurePosixPath(file), Path(str(file.locate()))


def _editable_files(distribution: Distribution, package: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield PurePosixPath(package.name, path.relative_to(package).as_posix()), path
    for path, source in _installed_files(distribution):
        if path.parts[0].endswith(".dist-info"):
            yield path, source
