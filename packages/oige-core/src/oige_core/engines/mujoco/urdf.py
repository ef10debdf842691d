"""Rewrites the text of a URDF file, so that MuJoCo reads what other programs read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from oige_core.engines.mujoco.file_notes import FileNotes, some
from oige_core.errors import OigeError

__all__ = ["Urdf", "rewrite"]

_MESH_FORMATS = (".stl", ".obj", ".msh")
"""Formats of meshes that MuJoCo reads."""

_SCHEMES = ("package://", "model://")
_LEAST_RADIUS = 1e-3
"""Radius of gyration, in m, of a link whose moments of inertia are not positive."""

_LEAST_MASS, _LEAST_MOMENT = 1e-9, 1e-14
"""In kg and kg·m²; MuJoCo reads smaller ones as zero, or refuses them."""

_TENSOR = {"xx": (0, 0), "xy": (0, 1), "xz": (0, 2), "yy": (1, 1), "yz": (1, 2), "zz": (2, 2)}


@dataclass
class Urdf:
    """A rewritten URDF.

    Attributes:
        text: the text that MuJoCo reads.
        meshes: paths of mesh files by the names that stand for them in the text.
        masses: masses, in kg, of links without moments of inertia, by name.
    """

    text: str
    meshes: dict[str, Path]
    masses: dict[str, float]


def rewrite(text: str, folder: Path, package_paths: Sequence[Path], notes: FileNotes, title: str) -> Urdf:
    """Resolve the mesh files of a URDF, and mend what MuJoCo refuses.

    Args:
        text: contents of the file.
        folder: to which its paths are relative.
        package_paths: folders of packages, or folders that contain packages.
        notes: gets what is replaced, left out or ignored.
        title: start of messages.

    Raises:
        OigeError: the text is no XML, or the mesh of a collision shape cannot be read.
    """
    try:
        builder = ElementTree.TreeBuilder(insert_comments=True)  # keeps the lines, which MuJoCo's messages count
        root = ElementTree.fromstring(text.lstrip(), ElementTree.XMLParser(target=builder))
    except ElementTree.ParseError as error:
        raise OigeError(f"{title}: its URDF is not valid XML: {error}.") from error
    _remove_namespaces(root)
    rewriter = _Rewriter(root, folder, package_paths, notes, title)
    rewriter.rewrite()
    above = text[: text.index(f"<{root.tag}")].count("\n") if f"<{root.tag}" in text else 0
    return Urdf("\n" * above + ElementTree.tostring(root, encoding="unicode"), rewriter.meshes, rewriter.masses)


class _Rewriter:
    def __init__(
        self, root: ElementTree.Element, folder: Path, package_paths: Sequence[Path], notes: FileNotes, title: str
    ) -> None:
        self._root = root
        self._folder = folder
        self._package_paths = package_paths
        self._notes = notes
        self._title = title
        self._compiler = _compiler(root)
        self._names: dict[Path, str] = {}
        self.meshes: dict[str, Path] = {}
        self.masses: dict[str, float] = {}

    def rewrite(self) -> None:
        links = self._root.findall("link")
        self._leave_out_visuals(links)
        repeated: list[str] = []
        replaced: list[str] = []
        for link in links:
            repeated += _keep_first(link, ("inertial",), link.get("name", ""))
            for visual in link.findall("visual"):
                repeated += _keep_first(visual, ("material",), link.get("name", ""))
            for shape in [*link.findall("visual"), *link.findall("collision")]:
                mesh = shape.find("geometry/mesh")
                if mesh is not None:
                    replaced += self._resolve(link, shape, mesh)
            replaced += self._mend_inertia(link)
        if repeated:
            self._notes.changed.append(f"of repeated elements the first is read: {some(repeated)}")
        self._notes.changed.extend(replaced)
        _remove_repeated_names(self._root)
        for name in ("meshdir", "strippath"):
            self._compiler.attrib.pop(name, None)
        self._note_ignored()

    def _leave_out_visuals(self, links: Sequence[ElementTree.Element]) -> None:
        if self._compiler.get("discardvisual", "true") == "false":
            return
        count = 0
        for link in links:
            for visual in link.findall("visual"):
                link.remove(visual)
                count += 1
        if count:
            self._notes.ignored.append(
                f"{count} visual shape{'s' * (count > 1)}; "
                '<mujoco><compiler discardvisual="false"/></mujoco> in the URDF keeps them'
            )

    def _resolve(
        self, link: ElementTree.Element, shape: ElementTree.Element, mesh: ElementTree.Element
    ) -> Iterator[str]:
        """Replace a mesh's file by a name that stands for its path, or remove a visual shape; give notes."""
        written = mesh.get("filename", "")
        name = link.get("name", "")
        path = next((each for each in self._candidates(written) if each.is_file()), None)
        readable = path
        if path is None or path.suffix.lower() not in _MESH_FORMATS:
            readable = next((each for each in self._neighbours(written) if each.is_file()), None)
            if readable is not None:
                yield f"mesh '{written}' of link '{name}' is replaced by '{readable.name}' beside it"
        if readable is not None:
            mesh.set("filename", self._name(readable))
            return
        if shape.tag == "visual":
            why = "does not exist" if path is None else f"is a {path.suffix} file"
            link.remove(shape)
            yield f"the visual mesh '{written}' of link '{name}' is left out: it {why}"
            return
        what = f"{self._title}: the collision mesh '{written}' of link '{name}'"
        if path is not None:
            raise OigeError(
                f"{what} is a {path.suffix} file, which MuJoCo cannot read; put '{path.stem}.stl' or '{path.stem}.obj' "
                "beside it."
            )
        remedy = f"correct its path, which is relative to '{self._folder}'"
        if written.startswith(_SCHEMES):
            package = written.partition("://")[2].lstrip("/").partition("/")[0]
            remedy = f"give ArticulationAsset package_paths=[the folder that contains the package '{package}']"
        raise OigeError(f"{what} does not exist; {remedy}.")

    def _candidates(self, written: str) -> Iterator[Path]:
        """Paths that a file name of the URDF may mean, the likeliest first."""
        if written.startswith(_SCHEMES):
            package, _, inside = written.partition("://")[2].lstrip("/").partition("/")
            for folder in self._package_paths:
                yield folder / package / inside
                yield folder / inside
            for folder in (self._folder, *self._folder.parents):
                yield folder / package / inside
                yield folder / inside  # the package's folder may have another name
            return
        plain = written.removeprefix("file://")
        meshdir = self._compiler.get("meshdir", "")
        if self._compiler.get("strippath") == "true":
            plain = Path(plain).name
        yield self._folder / meshdir / plain
        for folder in (self._folder, *self._folder.parents):  # Isaac Gym's files are relative to a folder above them
            yield folder / plain

    def _neighbours(self, written: str) -> Iterator[Path]:
        for path in self._candidates(written):
            for suffix in _MESH_FORMATS:
                yield path.with_suffix(suffix)
                yield path.with_suffix(suffix.upper())

    def _name(self, path: Path) -> str:
        """Return a file name that is unique: MuJoCo calls the mesh like it, without its folder and suffix."""
        path = path.resolve()
        if path not in self._names:
            stems = {Path(name).stem for name in self._names.values()}
            stem, number = path.stem, 2
            while stem in stems:
                stem, number = f"{path.stem}_{number}", number + 1
            self._names[path] = stem + path.suffix
            self.meshes[self._names[path]] = path
        return self._names[path]

    def _mend_inertia(self, link: ElementTree.Element) -> Iterator[str]:
        """Make the inertia of a link possible: moments are positive, and none exceeds the sum of the others."""
        inertial, name = link.find("inertial"), link.get("name", "")
        mass, inertia = link.find("inertial/mass"), link.find("inertial/inertia")
        if inertial is None or mass is None:
            if inertial is None and link.find("collision") is not None:
                yield f"link '{name}' has no <inertial>; its mass is that of its collision shapes at 1000 kg/m³"
            return
        try:
            kilograms = float(mass.get("value", ""))
            values = [] if inertia is None else [float(inertia.get(f"i{axes}", "")) for axes in _TENSOR]
        except ValueError:
            return  # MuJoCo says what is missing
        if kilograms <= _LEAST_MASS and max(map(abs, values), default=0.0) <= _LEAST_MOMENT:
            link.remove(inertial)
            self.masses[name] = 0.0
            if kilograms > 0.0:
                yield f"the mass of link '{name}', {kilograms:g} kg, is left out"
            return
        if inertia is None:
            link.remove(inertial)
            self.masses[name] = kilograms
            yield f"link '{name}' has no <inertia>; its moments of inertia are those of its collision shapes"
            return
        tensor = np.zeros((3, 3))
        for value, (row, column) in zip(values, _TENSOR.values(), strict=True):
            tensor[row, column] = tensor[column, row] = value
        moments, axes = np.linalg.eigh(tensor)
        if moments[0] > _LEAST_MOMENT and moments[0] + moments[1] >= moments[2]:
            return
        mended = np.maximum(moments, max(kilograms * _LEAST_RADIUS**2, 10 * _LEAST_MOMENT))
        mended[:2] += max(0.5 * (mended[2] - mended[0] - mended[1]), 0.0)
        mended[:2] *= 1 + 1e-6  # MuJoCo computes the moments again, with other roundings
        tensor = (axes * mended) @ axes.T
        for key, (row, column) in _TENSOR.items():
            inertia.set(f"i{key}", repr(float(tensor[row, column])))
        old, new = (", ".join(f"{value:.4g}" for value in each) for each in (moments, mended))
        yield f"link '{name}' has impossible moments of inertia {old}; they are replaced by {new} kg·m²"

    def _note_ignored(self) -> None:
        limits = [joint.find("limit") for joint in self._root.findall("joint")]
        if any(float(limit.get("velocity", 0)) for limit in limits if limit is not None):
            self._notes.ignored.append("velocity limits of joints")
        unlimited = [
            joint.get("name", "")
            for joint, limit in zip(self._root.findall("joint"), limits, strict=True)
            if limit is not None and limit.get("effort") is not None and float(limit.get("effort", 0)) == 0
        ]
        if unlimited:
            self._notes.changed.append(f"an effort of 0 is read as no limit: joints {some(unlimited)}")
        for tag in ("transmission", "gazebo"):
            count = len(self._root.findall(tag))
            if count:
                self._notes.ignored.append(f"{count} element{'s' * (count > 1)} <{tag}>")


def _remove_namespaces(root: ElementTree.Element) -> None:
    for element in root.iter():
        if isinstance(element.tag, str):  # not a comment
            element.tag = element.tag.rpartition("}")[2]


def _compiler(root: ElementTree.Element) -> ElementTree.Element:
    """Return MuJoCo's compiler element, which is added if there is none."""
    extension = root.find("mujoco")
    if extension is None:
        extension = ElementTree.SubElement(root, "mujoco")
    compiler = extension.find("compiler")
    return ElementTree.SubElement(extension, "compiler") if compiler is None else compiler


def _keep_first(parent: ElementTree.Element, tags: Sequence[str], link: str) -> Iterator[str]:
    for tag in tags:
        for element in parent.findall(tag)[1:]:
            parent.remove(element)
            yield f"<{tag}> of link '{link}'"


def _remove_repeated_names(root: ElementTree.Element) -> None:
    """Remove names of shapes that another shape has; MuJoCo would warn about them and remove them, too."""
    names: set[str] = set()
    for shape in [*root.findall("link/collision"), *root.findall("link/visual")]:
        name = shape.get("name", "")
        if name in names:
            del shape.attrib["name"]
        elif name:
            names.add(name)
