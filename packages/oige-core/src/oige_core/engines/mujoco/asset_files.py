"""Reads MJCF and URDF files into specifications."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import mujoco

from oige_core.engines.mujoco.file_notes import FileNotes
from oige_core.engines.mujoco.friction import DEFAULT_FRICTION
from oige_core.engines.mujoco.urdf import rewrite
from oige_core.errors import OigeError, one_line

__all__ = ["parse"]

_OTHER_FORMATS = {
    ".xacro": "a xacro file; expand it with: xacro FILE > robot.urdf",
    ".sdf": "an SDF file; convert it to URDF or MJCF",
    ".usd": "a USD file; give the MJCF or URDF file of the robot",
}
_OTHER_FORMATS |= dict.fromkeys((".usda", ".usdc", ".usdz"), _OTHER_FORMATS[".usd"])


def parse(
    source: Path | str, title: str, *, package_paths: Sequence[Path] = (), notes: FileNotes | None = None
) -> tuple[mujoco.MjSpec, bool]:
    """Return the specification of a file or of its contents, and whether it is a URDF.

    Shapes without a friction coefficient have :data:`~oige_core.engines.mujoco.friction.DEFAULT_FRICTION`.

    Args:
        source: path of the file, or its contents.
        title: start of messages.
        package_paths: folders in which packages of a URDF are searched.
        notes: gets what is replaced, left out or ignored.

    Raises:
        OigeError: MuJoCo cannot read it, or a mesh is missing; the message starts with ``title``.
    """
    notes = FileNotes() if notes is None else notes
    if isinstance(source, str):
        source = source.lstrip("\ufeff \t\r\n")
        if not source:
            raise OigeError(f"{title}: its MJCF is empty; expected a path, or the contents of a file.")
    path = _existing_file(source, title) if isinstance(source, Path) else None
    try:
        text = path.read_text(encoding="utf-8-sig") if path else str(source)
        if _root_tag(text) == "robot":
            return _parse_urdf(text, path.parent if path else Path.cwd(), package_paths, notes, title), True
        if package_paths:
            raise OigeError(f"{title}: package_paths is only for URDF files; remove it.")
        marked = _mark_default_friction(text)
        if path is None:
            spec = mujoco.MjSpec.from_string(marked)
        else:  # replaces the file, so that paths in it remain relative to its folder
            spec = mujoco.MjSpec.from_file(str(path), include={str(path): marked.encode()})
    except (ValueError, OSError) as error:
        raise OigeError(f"{title}: MuJoCo cannot read its MJCF: {one_line(error)}") from error
    if path is not None and "<attach" not in text:  # files of attached models are relative to other folders
        _leave_out_missing_files(spec, path.parent, notes, title)
    return spec, False


def _existing_file(path: Path, title: str) -> Path:
    """Return the absolute path of a file.

    Raises:
        OigeError: there is no such file, or it has another format.
    """
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        where = "" if path.is_absolute() else f" in '{Path.cwd()}'"
        raise OigeError(f"{title}: its file '{path}' {kind}{where}; give the path of an MJCF or URDF file.")
    if path.suffix.lower() in _OTHER_FORMATS:
        raise OigeError(f"{title}: its file '{path}' is {_OTHER_FORMATS[path.suffix.lower()]}.")
    return path.absolute()


def _parse_urdf(text: str, folder: Path, package_paths: Sequence[Path], notes: FileNotes, title: str) -> mujoco.MjSpec:
    urdf = rewrite(text, folder, package_paths, notes, title)
    try:
        spec = mujoco.MjSpec.from_string(urdf.text)
    except ValueError as error:
        raise OigeError(f"{title}: MuJoCo cannot read its URDF: {one_line(error)}") from error
    for mesh in spec.meshes:
        mesh.file = str(urdf.meshes.get(mesh.file, mesh.file))
    for geom in spec.geoms:  # URDF files have no friction coefficients
        geom.friction[0] = DEFAULT_FRICTION
    weighed = {geom.meshname for geom in spec.geoms if not geom.parent.explicitinertial}
    for mesh in spec.meshes:
        if mesh.name not in weighed:  # the volume of a mesh matters to nothing, and may be zero
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    _set_masses(spec, urdf.masses, title)
    return spec


def _set_masses(spec: mujoco.MjSpec, masses: Mapping[str, float], title: str) -> None:
    """Distribute masses of links, in kg, over their shapes in proportion to their volumes.

    Raises:
        OigeError: a link with a mass has no shapes.
    """
    volumes: dict[str, float] = {}
    if any(masses.values()):
        copy = spec.copy()
        copy.compiler.fusestatic = False
        for geom in copy.geoms:
            geom.density = 1.0
        copy.compiler.boundmass = copy.compiler.boundinertia = 1e-12  # volumes in m³ are small as masses in kg
        try:
            model = copy.compile()
        except ValueError as error:
            raise OigeError(f"{title}: MuJoCo cannot compile its URDF: {one_line(error)}") from error
        volumes = {body.name: float(model.body(body.name).mass[0]) for body in copy.bodies if body.geoms}
    for body in spec.bodies:
        mass = masses.get(body.name)
        if mass is None:
            continue
        if mass and body.name not in volumes:
            raise OigeError(
                f"{title}: link '{body.name}' has a mass, but neither <inertia> nor collision shapes; add <inertia>."
            )
        for geom in body.geoms:
            if mass:
                geom.density = mass / volumes[body.name]
            else:
                geom.mass = 0.0


def _leave_out_missing_files(spec: mujoco.MjSpec, folder: Path, notes: FileNotes, title: str) -> None:
    """Delete textures and visual meshes of an MJCF whose files are missing.

    Raises:
        OigeError: the mesh of a shape that collides, or determines the mass of its body, is missing.
    """

    def is_missing(file: str, inside: str) -> bool:
        if spec.strippath:
            file = Path(file).name
        return bool(file) and not (folder / inside / file).is_file() and not (folder / file).is_file()

    for texture in [each for each in spec.textures if is_missing(each.file, spec.texturedir)]:
        for material in spec.materials:
            material.textures = ["" if name == texture.name else name for name in material.textures]
        notes.changed.append(f"texture '{texture.name}' is left out: its file '{texture.file}' does not exist")
        spec.delete(texture)
    materials = {material.name for material in spec.materials}
    for geom in spec.geoms:
        if geom.material and geom.material not in materials:
            notes.changed.append(f"material '{geom.material}' of geom '{geom.name}' is left out: it does not exist")
            geom.material = ""
    for mesh in [each for each in spec.meshes if is_missing(each.file, spec.meshdir)]:
        name = mesh.name or Path(mesh.file).stem
        for geom in [each for each in spec.geoms if each.meshname == name]:
            if geom.contype or geom.conaffinity or not (geom.parent.explicitinertial or geom.mass == 0):
                raise OigeError(
                    f"{title}: the file '{mesh.file}' of mesh '{name}' of body '{geom.parent.name}' does not exist in "
                    f"'{folder / spec.meshdir}'; add the file, or correct meshdir or file in the MJCF."
                )
            spec.delete(geom)
        notes.changed.append(f"the visual mesh '{name}' is left out: its file '{mesh.file}' does not exist")
        spec.delete(mesh)


def _without_comments(text: str) -> str:
    """Replace XML comments by blanks; line numbers in MuJoCo's messages remain correct."""
    return re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)


def _root_tag(text: str) -> str:
    match = re.search(r"<([A-Za-z]\w*)", _without_comments(text))
    return match[1] if match else ""


def _mark_default_friction(text: str) -> str:
    """Insert the placeholder coefficient of the default material before the defaults of an MJCF."""
    default = f'<default><geom friction="{DEFAULT_FRICTION} 0.005 0.0001"/></default>'
    start = r"""<mujoco\b(?:"[^"]*"|'[^']*'|[^'">/])*>"""
    return re.sub(start, lambda match: match[0] + default, _without_comments(text), count=1)
