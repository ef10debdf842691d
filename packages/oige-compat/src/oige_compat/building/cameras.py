"""Cameras of the engine for the render products of the script."""

import math
from typing import Any

from oige_core.scene import Scene
from pxr import Gf, Usd, UsdGeom

from oige_compat.assets.bodies import is_link
from oige_compat.building.world import FirstWorld, last_name
from oige_compat.cameras.mounts import mounted_cameras
from oige_compat.cameras.products import RenderProduct
from oige_compat.errors import CompatError
from oige_compat.stage import first_world_path

__all__ = ["add_cameras", "label_cameras"]

AXES = Gf.Matrix4d(0, 0, -1, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1)
"""The engine's camera in that of USD: forward is −z, left −x, up y."""

Group = tuple[str, tuple[int, int]]


def add_cameras(world: FirstWorld, scene: Scene) -> None:
    """Add one camera for all render products of the same camera in different worlds.

    Raises:
        CompatError: a render product's camera is not there or belongs to no world.
    """
    groups: dict[Group, list[RenderProduct]] = {}
    numbers = {path: number for number, path in enumerate(world.session.env_paths)}
    depth = world.session.env_paths[0].count("/") + 1
    for product in world.session.products:
        number = numbers.get("/".join(product.camera.split("/")[:depth]))
        if number is None:
            raise CompatError(f"{product.camera}: a camera outside the worlds is not served; add it to each world.")
        product.world = number
        groups.setdefault((first_world_path(product.camera), product.resolution), []).append(product)
    for (path, resolution), products in groups.items():
        outputs = sorted(set().union(*(product.outputs for product in products))) or ["rgb"]
        view = _add_camera(world, scene, path, resolution, outputs)
        for product in products:
            product.view, product.outputs = view, set(outputs)


def _add_camera(world: FirstWorld, scene: Scene, path: str, resolution: tuple[int, int], outputs: list[str]) -> Any:
    prim = world.session.stage.GetPrimAtPath(path)
    if not prim.IsValid() or not prim.IsA(UsdGeom.Camera):
        raise CompatError(f"{path}: no camera at this path; create it in set_up_scene, before the worlds are cloned.")
    camera = UsdGeom.Camera(prim)
    aperture, focal_length = camera.GetHorizontalApertureAttr().Get(), camera.GetFocalLengthAttr().Get()
    parent, frame = _mount(world, prim)
    pose = AXES * world.matrix(prim).RemoveScaleShear() * frame.GetInverse()
    rotation = pose.ExtractRotationQuat()
    return scene.add_camera(
        world.name_of(path),
        width=resolution[0],
        height=resolution[1],
        horizontal_fov=2 * math.atan(aperture / (2 * focal_length)),
        parent=parent,
        position=tuple(pose.ExtractTranslation()),
        orientation=(rotation.GetReal(), *rotation.GetImaginary()),
        outputs=tuple(outputs),  # pyright: ignore[reportArgumentType]
        far=float(camera.GetClippingRangeAttr().Get()[1]),
        hidden=_hidden(world, path),
    )


def _hidden(world: FirstWorld, path: str) -> tuple[str, ...]:
    """Return the robot that carries a camera of ours, which it would only see from within."""
    root = world.robot_above(path)
    mounted = root is not None and path in mounted_cameras(root, world.session.references.get(root, ""))
    return (world.articulations[str(root)],) if mounted else ()


def _mount(world: FirstWorld, prim: Usd.Prim) -> tuple[str | None, Gf.Matrix4d]:
    """Return the body to which a camera belongs, or None for the world, and the body's pose in the first world."""
    while prim and prim != world.prim:
        path = str(prim.GetPath())
        root = world.robot_above(path)
        frame = world.matrix(prim).RemoveScaleShear()
        if root is not None and is_link(prim):
            return f"{world.articulations[root]}/{prim.GetName()}", frame
        if root is None and path in world.elements:
            return world.name_of(path), frame
        prim = prim.GetParent()
    return None, Gf.Matrix4d(1.0)


def label_cameras(world: FirstWorld) -> None:
    """Tell render products which IDs of segmentation belong to labelled prims."""
    paths = world.session.env_paths
    owners = {path: _names(world, path) for path in world.session.labels}
    for product in world.session.products:
        for name, number in product.view.segmentation_ids.items():
            for path, label in world.session.labels.items():
                if any(name == owner or name.startswith(f"{owner}/") for owner in owners[path]):
                    product.labels[number] = (path.replace(paths[0], paths[product.world], 1), label)


def _names(world: FirstWorld, path: str) -> list[str]:
    """Return names of elements at or below a labelled prim, or of the link that it is."""
    below = [element for element in world.elements if element == path or element.startswith(f"{path}/")]
    if below:
        return [world.articulations.get(element) or world.name_of(element) for element in below]
    root = world.robot_above(path)
    return [] if root is None else [f"{world.articulations[root]}/{last_name(path)}"]
