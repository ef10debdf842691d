"""Writes ``set_up_scene`` of a ported task, and the assets that it needs."""

import ast
import dataclasses
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oige_core.errors import OigeError
from oige_core.scene.assets import ArticulationAsset

from oige_compat.assets.convert import settings_of
from oige_compat.check.modules import ClassInfo
from oige_compat.port.assets import OBJECTS, ROBOTS, Body, find_by_end
from oige_compat.port.configuration import solver_step
from oige_compat.port.drives import ported_drives
from oige_compat.port.recorder import Element, View
from oige_compat.port.scenes import TaskScene, TaskView, Unread
from oige_compat.port.sources import Source
from oige_compat.values import SHAPE_MASS

__all__ = ["TODO", "SceneWriter"]

TODO = "TODO(port)"
COUNTERPARTS = (
    (
        r"Joint\b.*Define|Joint\.Define|FixedJoint",
        "joints that the task adds; write them into the MJCF file",
    ),
    (r"[Cc]amera|render_product|\.rep\b|Writer", "a camera; use scene.add_camera, as the task CartpoleCamera does"),
    (r"[Tt]errain|[Tt]rimesh", "terrain; use scene.add_height_field, as the task AnymalTerrain does"),
    (r"DriveAPI|Stiffness|MaxForce", "drives in USD; use drives={…} of the asset, with gains per radian"),
    (r"PhysxRigidBodyAPI|DampingAttr|MaxLinearVelocity", "settings of PhysX bodies; an asset states damping of joints"),
    (r"MaterialAPI|PhysicsMaterial", "materials; use Material(friction=…)"),
    (r"CollisionGroup|FilteredPairs", "collision filters; use exclude or contype in the MJCF file"),
    (r"FixedTendon|Tendon", "tendons; write them into the MJCF file of the robot"),
    (r"Deformable|deformable", "deformable bodies; use scene.add_deformable, as the task FrankaDeformable does"),
    (r"Light", "lights; the viewer and cameras have their own"),
)
"""What takes the place of statements about the stage, by what their text contains."""
BODIES = {"sphere": "add_sphere", "box": "add_box", "capsule": "add_capsule", "cylinder": "add_cylinder"}


class SceneWriter:
    """Writes ``set_up_scene``.

    Args:
        source: the task.
        scene: its scene.
        inside: folder of the Python package, where assets go.

    Attributes:
        imports: lines that import assets.
        core: names of oige_core that the lines use.
        constants: lines that define assets.
        packages: packages whose assets are used.
        built: attributes of the task that the method assigns.
        several: views of more than one body in each world.
        states: views of whole elements which physics moves: whether each is a robot.
    """

    def __init__(self, source: Source, scene: TaskScene, inside: Path) -> None:
        self._source = source
        self._scene = scene
        self._inside = inside
        self.imports: list[str] = []
        self.core: set[str] = set()
        self.constants: list[str] = []
        self.packages: set[str] = set()
        self.built = {view.attribute for view in scene.views}
        self.several: set[str] = set()
        self._step = solver_step(scene)
        self.states: dict[str, bool] = {}
        self.lists = sorted({each.partition("[")[0] for each in self.built if "[" in each})
        self.built |= set(self.lists)
        self._lines = list(self._write())

    @property
    def helpers(self) -> list[TaskView]:
        """Views that are instances of classes of the code base which add something to them."""
        return [view for view in self._scene.views if view.helper is not None and self._adds(view, view.helper)]

    def _adds(self, view: TaskView, helper: ClassInfo) -> bool:
        family = self._source.project.resolution_order(helper)
        inner = any(each.attribute.startswith(f"{view.attribute}.") for each in self._scene.views)
        return inner or any(each.methods.keys() - {"__init__"} for each in family)

    def lines(self) -> list[str]:
        """Return the lines of the method."""
        return self._lines

    def _write(self) -> Iterator[str]:
        yield "    def set_up_scene(self, scene: Scene) -> None:"
        yield '        """Describe one world."""'
        if (self._scene.config.get("sim") or {}).get("add_ground_plane", True):
            yield "        scene.add_ground_plane()"
        for element in self._scene.elements:
            element.is_robot = element.is_robot or any(
                view.view.is_articulation for view in self._scene.views if self._shows(view.view, element)
            )
        yield from (f"        self.{name} = []" for name in self.lists if "." not in name)
        for element in self._scene.elements:
            views = [view for view in self._scene.views if self._scene.is_whole(view.view, element)]
            call = self._element(element, views[0].view if views else None)
            if views and "[" not in views[0].attribute and not self._is_kinematic(element):
                self.states[views[0].attribute] = element.is_robot
            yield from (f"        # {TODO}: {note}." for note in element.notes)
            yield f"        {self._assigned(views[0], call) if views else call}"
            yield from (f"        {self._assigned(view, f'self.{views[0].attribute}')}" for view in views[1:])
        for view in self._scene.views:
            yield from (f"        {line}" for line in self._view(view))
            yield from (f"        self.{each} = []" for each in self.lists if each.rpartition(".")[0] == view.attribute)
        for unread in self._scene.unread:
            yield from self._mark(unread)

    def _is_kinematic(self, element: Element) -> bool:
        return element.kind != "Dynamic" or self._section(element).get("make_kinematic") in (True, 1)

    def _section(self, element: Element) -> dict[str, Any]:
        """Return the settings of an actor."""
        return (self._scene.config.get("sim") or {}).get(element.section) or {}

    def _assigned(self, view: TaskView, made: str) -> str:
        """Return the statement that assigns what an expression makes to the attribute of a view."""
        if view in self.helpers and view.helper is not None:
            made = f"{view.helper.name}({made})"
        if "[" in view.attribute:
            return f"self.{view.attribute.rpartition('[')[0]}.append({made})"
        return f"self.{view.attribute} = {made}"

    def _shows(self, view: View, element: Element) -> bool:
        return any(found is element for found, _ in self._scene.elements_of(view))

    def _mark(self, unread: Unread) -> Iterator[str]:
        text = unread.text
        reason = next((remedy for pattern, remedy in COUNTERPARTS if re.search(pattern, text)), None)
        other = "this part of the scene could not be moved; see the methods add_… of scene"
        yield f"        # {TODO}: {reason or other}:"
        yield from (f"        #     {line}" for line in text.splitlines())

    def _view(self, view: TaskView) -> Iterator[str]:
        """Yield the lines that assign a view to its attribute."""
        found = self._scene.elements_of(view.view)
        if not found or not view.view.parts:
            yield f"# {TODO}: self.{view.attribute} is a view of {view.view.expression or 'prims that are not known'},"
            yield "# which no statement that could be read adds to the scene."
            return
        if len(found) > 1 and not view.view.is_articulation:
            yield f"# {TODO}: self.{view.attribute} is a view of several bodies of a world; keep a view of each:"
            yield f"#     {', '.join(self._scene.names[element.path] for element, _ in found)}"
            return
        element, links = found[0]
        name = self._scene.names[element.path]
        if self._scene.is_whole(view.view, element):
            return
        if re.search(r"[^\w]", links):
            self.several.add(view.attribute.partition("[")[0])
        tracked = ", track_contact_forces=True" if view.view.contacts else ""
        listed = json.dumps(links) if re.search(r"[^\w]", links) else json.dumps([links])
        yield self._assigned(view, f'scene.add_link_view("{view.view.name}", "{name}", {listed}{tracked})')

    # Robots and objects

    def _element(self, element: Element, view: View | None) -> str:
        name = self._scene.names[element.path]
        body = find_by_end(OBJECTS, element.usd)
        options = {"position": element.position, "orientation": element.orientation}
        given = "".join(f", {key}={value}" for key, value in options.items() if value is not None)
        if element.disable_gravity:
            given += ", disable_gravity=True"
        if element.is_robot:
            if "get_measured_joint_forces" in "".join(ast.unparse(info.node) for info in self._source.classes):
                given += ", track_joint_forces=True"
            return f'scene.add_articulation("{name}", {self._robot(element)}{given})'
        if view is not None and view.contacts:
            given += ", track_contact_forces=True"
        if element.shape is None and not isinstance(body, Body):
            self.core.add("RigidAsset")
            return f'scene.add_rigid_body("{name}", {self._asset(element, "RigidAsset")}{given})'
        mass = view.mass if view is not None and view.mass is not None else element.options.get("mass")
        has_density = self._section(element).get("density", -1) != -1
        if mass is None and element.shape is not None and element.kind == "Dynamic" and not has_density:
            mass = SHAPE_MASS
        if mass:
            given += f", mass={mass}"
        elif "density" in element.options:
            given += f", density={element.options['density']}"
        elif isinstance(body, Body):
            given += f", density={body.density}"
        if element.kind != "Dynamic":
            given += ", kinematic=True"
        if element.kind == "Visual" or not element.collision:
            given += ", collision=False"
        return f"scene.{self._shape(element, body, name)}{given})"

    def _shape(self, element: Element, body: Body | None, name: str) -> str:
        """Return the start of the call that adds an object."""
        scale = element.scale or (1.0, 1.0, 1.0)
        if element.shape is None and body is not None:
            return f'add_box("{name}", size={tuple(body.edge * each for each in scale)}'
        assert element.shape is not None
        numbers = _floats(element.size)
        if element.shape == "box":
            edges = (numbers * 3)[:3] if numbers else [1.0] * 3
            return f'add_box("{name}", size={tuple(edge * each for edge, each in zip(edges, scale, strict=True))}'
        radius = numbers[0] if numbers else 1.0
        text = f'{BODIES[element.shape]}("{name}", radius={radius * scale[0]}'
        if element.shape != "sphere":
            text += f", length={(_floats(element.length) or [1.0])[0] * scale[2]}"
        return text

    def _robot(self, element: Element) -> str:
        """Return the asset of a robot as an expression, and add what defines it."""
        ours = find_by_end(ROBOTS, element.usd)
        if ours is None:
            self.core.add("ArticulationAsset")
            return self._asset(element, "ArticulationAsset")
        module, name = ours
        self.imports.append(f"from {module} import {name}")
        self.packages.add(module.partition(".")[0].replace("_", "-"))
        drives = ported_drives(element, ours, self._step)
        if not drives.entries:
            return name
        self.imports.append("import dataclasses")
        self.core.add("Drive")
        start = re.sub(r"[^A-Za-z0-9]", "_", self._scene.names[element.path]).upper()
        own = f"{start}_WITH_DRIVES"
        self.constants += [
            "# Gains per radian; the original sets them per degree, as USD does. The first match of a name applies.",
            *(f"# {note}" for note in drives.notes),
            f"{start}_DRIVES = {{{', '.join(drives.entries)}}}",
            f"{own} = dataclasses.replace(",
            f"    {name}, drives={{**{start}_DRIVES, **{name}.drives, **{start}_DRIVES}}",
            ")",
        ]
        return own

    def _asset(self, element: Element, kind: str) -> str:
        """Return the name of the asset of a file of the code base, and add what defines it."""
        self.core.add(kind)
        name = re.sub(r"\W", "_", self._scene.names[element.path]).upper()
        file = f"{name.lower()}.xml"
        notes, asset = self._converted(element, file)
        settings: list[str] = []
        if kind == "ArticulationAsset":
            if element.drives:
                settings = [f"    drives={{{', '.join(ported_drives(element, None, self._step).entries)}}},"]
            if asset is not None:
                settings += settings_of(dataclasses.replace(asset, drives={}) if element.drives else asset)
            if any("Drive(" in line for line in settings):
                self.core.add("Drive")
        mjcf = f'mjcf=ASSETS / "{file}"'
        call = [f"{name} = {kind}(", f"    {mjcf},", *settings, ")"] if settings else [f"{name} = {kind}({mjcf})"]
        self.constants += [*notes, *call]
        return name

    def _converted(self, element: Element, file: str) -> tuple[list[str], ArticulationAsset | None]:
        """Convert a USD file of the code base.

        Returns:
            Comments about what differs or is left to do, and the asset; None without such a file.
        """
        path = Path(os.path.normpath((element.usd or "").replace("\\", "/")))
        root = self._source.code.root
        end = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix().lstrip("./")
        found = next((name for name in self._source.code.assets if end and f"/{name}".endswith(f"/{end}")), None)
        if found is None:
            what = "robot" if element.is_robot else "body"
            return [f"# {TODO}: write the {what} of {element.usd or 'an unknown file'} as assets/{file}."], None
        from oige_compat.assets import load_usd

        path = self._source.code.root / found
        try:
            asset, report = load_usd(path)
        except OigeError as error:
            return [f"# {TODO}: {error}"], None
        target = self._inside / "assets" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(asset.mjcf, Path):
            shutil.copy(asset.mjcf, target)
        else:
            target.write_text(asset.mjcf, encoding="utf-8")
        return [f"# Converted from {found}.", *(f"# {line}" for line in report.lines())], asset


def _floats(value: Any) -> list[float]:
    """Return the numbers of a number, a list, a tensor or an array; none for other values."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, int | float):
        return [float(value)]
    if isinstance(value, list | tuple) and all(isinstance(each, int | float) for each in value):
        return [float(each) for each in value]
    return []
