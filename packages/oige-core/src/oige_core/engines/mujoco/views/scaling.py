"""Sizes of bodies and articulations, relative to those of the compiled model, and shapes of bodies."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
import torch

from oige_core.engines.checks import fail
from oige_core.engines.columns import Columns
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import CapabilityError
from oige_core.scene.primitives import SHAPES, Primitive
from oige_core.selections import read_rows, write_rows

__all__ = ["ArticulationScaling", "BodyScaling", "check_scales"]

_Geom = mujoco.mjtGeom
_POINT = 1e-6  # m; size of a shape that a body does not have in a world


def _volumes(kind: int, sizes: torch.Tensor) -> torch.Tensor:
    """Return volumes ``(n,)`` in m³ of primitive shapes.

    Args:
        kind: MuJoCo's type of geom: sphere, box, capsule or cylinder.
        sizes: ``(n, 3)`` as in MuJoCo's ``geom_size``, in m.
    """
    x, y, z = sizes.unbind(-1)
    if kind == _Geom.mjGEOM_SPHERE:
        return 4.0 / 3.0 * torch.pi * x**3
    if kind == _Geom.mjGEOM_BOX:
        return 8.0 * x * y * z
    cylinder = 2.0 * torch.pi * x**2 * y
    return cylinder + 4.0 / 3.0 * torch.pi * x**3 if kind == _Geom.mjGEOM_CAPSULE else cylinder


def _unit_inertias(kind: int, sizes: torch.Tensor) -> torch.Tensor:
    """Return moments of inertia ``(n, 3)`` of primitive shapes of 1 kg, in m²; see :func:`_volumes`."""
    x, y, z = sizes.unbind(-1)
    if kind == _Geom.mjGEOM_SPHERE:
        return (0.4 * x**2).unsqueeze(-1).expand(-1, 3)
    if kind == _Geom.mjGEOM_BOX:
        return torch.stack((y**2 + z**2, x**2 + z**2, x**2 + y**2), dim=-1) / 3.0
    across, along = x**2 / 4.0 + y**2 / 3.0, x**2 / 2.0
    if kind == _Geom.mjGEOM_CAPSULE:  # a cylinder between two halves of a ball
        ball = 4.0 / 3.0 * x / (2.0 * y + 4.0 / 3.0 * x)
        across = torch.lerp(across, 0.4 * x**2 + y**2 + 0.75 * x * y, ball)
        along = torch.lerp(along, 0.4 * x**2, ball)
    return torch.stack((across, across, along), dim=-1)


class _Scaling:
    """Scales ``(N, 3)`` along the axes of a frame.

    Args:
        worlds: the built worlds.

    Attributes:
        values: the scales of all worlds.
    """

    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        self.values = torch.ones(worlds.num_envs, 3, device=worlds.device)

    def _replace(self, scales: torch.Tensor, worlds: torch.Tensor | None) -> torch.Tensor:
        """Store scales ``(n, 3)`` of a selection of worlds; return their ratio to the previous ones."""
        ratio = scales / read_rows(self.values, worlds)
        write_rows(self.values, scales, worlds)
        return ratio

    def _compiled(self, name: str, columns: Columns) -> torch.Tensor:
        """Return a field of the compiled model, as a row ``(1, m, …)``."""
        values = torch.as_tensor(getattr(self._worlds.compiled.model, name), device=self._worlds.device)
        return columns.read(values.unsqueeze(0))

    def _current(self, name: str, columns: Columns, worlds: torch.Tensor | None) -> torch.Tensor:
        return columns.read(self._worlds.model_values(name), worlds, clone=True)

    def _write(self, fields: dict[str, tuple[Columns, torch.Tensor]], worlds: torch.Tensor | None) -> None:
        for name, (columns, values) in fields.items():
            if values.numel():
                columns.write(self._worlds.own_model_field(name), values, worlds)
        self._worlds.model_changed(fields, worlds)

    def state_dict(self) -> dict[str, Any]:
        """Return the scales; the executor saves the fields."""
        return {"scales": self.values.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the scales; the executor restores the fields."""
        self.values.copy_(state["scales"])


class BodyScaling(_Scaling):
    """Size and shape of a body whose shapes are primitive and centred at its origin; a box may have coloured faces.

    A body with several shapes has one of them in each world. The others are points in it, which touch nothing.

    Args:
        worlds: the built worlds.
        body: id of the body.
        shapes: geom ids by name of the shapes that it may have, its own first.
        keeps_mass: whether the mass stays when the size changes, because the scene states it; otherwise the density
            stays.
    """

    def __init__(self, worlds: Worlds, body: int, shapes: Mapping[Primitive, int], *, keeps_mass: bool) -> None:
        super().__init__(worlds)
        model, device = worlds.compiled.model, worlds.device
        geoms = list(shapes.values())
        self.kinds = [int(model.geom_type[geom]) for geom in geoms]
        self._keeps_mass = keeps_mass
        self._geoms, self._body = Columns(geoms, device), Columns([body], device)
        self._base = self._compiled("geom_size", self._geoms)
        # MuJoCo's sizes are radius and half length, along axes x and z, for capsules and cylinders.
        plain = (_Geom.mjGEOM_BOX, _Geom.mjGEOM_SPHERE)
        self._axes = torch.tensor([[0, 1, 2] if kind in plain else [0, 2, 1] for kind in self.kinds], device=device)
        self._numbers = torch.tensor([SHAPES.index(name) for name in shapes], device=device)
        self._places = torch.full((len(SHAPES),), -1, device=device)  # of each shape among those of this body
        self._places[self._numbers] = torch.arange(len(geoms), device=device)
        self._chosen = torch.zeros(worlds.num_envs, dtype=torch.int64, device=device)
        faces = [geom for geom in np.flatnonzero(model.geom_bodyid == body).tolist() if geom not in geoms]
        self._faces = Columns(faces, device)
        self._face_sizes, self._face_places = (self._compiled(name, self._faces) for name in ("geom_size", "geom_pos"))
        if len(geoms) > 1:
            self._write_sizes(None)
            self._set_inertia(None)

    @property
    def equal_axes(self) -> int:
        """How many of the first axes must have the same scale."""
        return max({_Geom.mjGEOM_SPHERE: 3, _Geom.mjGEOM_BOX: 1}.get(_Geom(kind), 2) for kind in self.kinds)

    @property
    def shapes(self) -> torch.Tensor:
        """The shape of each world ``(N,)`` int64, as an index of :data:`~oige_core.scene.primitives.SHAPES`."""
        return self._numbers[self._chosen]

    def check_shapes(self, numbers: torch.Tensor) -> None:
        """Raise if the body does not have one of these shapes."""
        known = [SHAPES[number] for number in self._numbers.tolist()]
        for number in numbers.unique().tolist():
            if number not in range(len(SHAPES)):
                fail(
                    f"shapes contain {number:g}: expected a number from 0 to {len(SHAPES) - 1}, of {', '.join(SHAPES)}."
                )
            name = SHAPES[int(number)]
            if name not in known:
                fail(f"shapes contain {name}: expected one of {', '.join(known)}; name alternatives in the scene.")

    def volumes(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return the volumes of the body ``(n,)`` in m³."""
        return self._of_chosen(_volumes, worlds)

    def set(self, scales: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set scales ``(n, 3)``, and with them inertia and, unless the scene states it, mass."""
        before = self.volumes(worlds)
        ratio = self._replace(scales, worlds)
        self._write_sizes(worlds)
        growth = torch.ones_like(before) if self._keeps_mass else self.volumes(worlds) / before
        moments = self._current("body_inertia", self._body, worlds)
        # Second moments of mass along the axes: those of inertia are sums of two of them.
        second = 0.5 * moments.sum(dim=-1, keepdim=True) - moments
        second = second * ratio.unsqueeze(1).square()
        self.scale_mass(growth, worlds, moments=second.sum(dim=-1, keepdim=True) - second)

    def set_shapes(self, numbers: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set shapes ``(n,)``, and with them the inertia at the present mass; other shapes than those listed stay."""
        places = self._places[numbers.to(torch.int64).clamp(0, len(SHAPES) - 1)]
        places = torch.where(places < 0, read_rows(self._chosen, worlds), places)
        write_rows(self._chosen, places, worlds)
        self._write_sizes(worlds)
        self._set_inertia(worlds)

    def _write_sizes(self, worlds: torch.Tensor | None) -> None:
        """Write the sizes of shapes, and sizes and places of coloured faces, which only a box has."""
        self._write({"geom_size": (self._geoms, self._sizes(worlds))}, worlds)
        if self._faces.count:
            scales = read_rows(self.values, worlds).unsqueeze(1)
            is_box = (read_rows(self._chosen, worlds) == 0).view(-1, 1, 1)
            sizes = torch.where(is_box, self._face_sizes * scales, _POINT)
            fields = {"geom_size": (self._faces, sizes), "geom_pos": (self._faces, self._face_places * scales)}
            self._write(fields, worlds)

    def _set_inertia(self, worlds: torch.Tensor | None) -> None:
        """Compute the inertia from shape, size and mass."""
        masses = self._current("body_mass", self._body, worlds)
        moments = self._of_chosen(_unit_inertias, worlds).unsqueeze(1) * masses.unsqueeze(-1)
        axes = torch.zeros(*masses.shape, 4, dtype=moments.dtype, device=moments.device)
        axes[..., 0] = 1.0
        self._write({"body_inertia": (self._body, moments), "body_iquat": (self._body, axes)}, worlds)

    def _sizes(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return the sizes of all shapes ``(n, shapes, 3)``, in m."""
        scales, chosen = read_rows(self.values, worlds), read_rows(self._chosen, worlds)
        sizes = self._base * scales[:, self._axes]
        if len(self.kinds) == 1:
            return sizes
        is_chosen = chosen.unsqueeze(-1) == torch.arange(len(self.kinds), device=chosen.device)
        return torch.where(is_chosen.unsqueeze(-1), sizes, torch.full_like(sizes, _POINT))

    def _of_chosen(self, quantity: Callable[[int, torch.Tensor], torch.Tensor], worlds: torch.Tensor | None) -> Any:
        """Return a quantity of the shape of each world ``(n, …)``."""
        sizes = self._current("geom_size", self._geoms, worlds)
        values = torch.stack([quantity(kind, sizes[:, i]) for i, kind in enumerate(self.kinds)], dim=1)
        chosen = read_rows(self._chosen, worlds).view(-1, *[1] * (values.ndim - 1))
        return values.gather(1, chosen.expand(-1, 1, *values.shape[2:])).squeeze(1)

    def scale_mass(
        self, factors: torch.Tensor, worlds: torch.Tensor | None, moments: torch.Tensor | None = None
    ) -> None:
        """Multiply mass and moments of inertia by factors ``(n,)``.

        Args:
            factors: the factors.
            worlds: selection of worlds.
            moments: ``(n, 1, 3)`` moments of inertia to multiply; by default the current ones.
        """
        if moments is None:
            moments = self._current("body_inertia", self._body, worlds)
        masses = self._current("body_mass", self._body, worlds) * factors[:, None]
        fields = {"body_mass": (self._body, masses), "body_inertia": (self._body, moments * factors[:, None, None])}
        self._write(fields, worlds)

    def state_dict(self) -> dict[str, Any]:
        """Return scales and shapes; the executor saves the fields."""
        return {**super().state_dict(), "chosen": self._chosen.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore scales and shapes; the executor restores the fields."""
        super().load_state_dict(state)
        self._chosen.copy_(state["chosen"])


class ArticulationScaling(_Scaling):
    """The size of a whole articulation, at constant density.

    Lengths between joints, and sizes and places of shapes and sites, change. Limits, gains, armatures and dampings do
    not.

    Args:
        worlds: the built worlds.
        bodies: ids of its bodies, with the root first.
    """

    def __init__(self, worlds: Worlds, bodies: Sequence[int]) -> None:
        super().__init__(worlds)
        model, device = worlds.compiled.model, worlds.device
        self._obstacle = _obstacle(model, bodies)

        def belonging(owner: np.ndarray, chosen: Sequence[int] = bodies) -> Columns:
            return Columns(np.flatnonzero(np.isin(owner, chosen)).tolist(), device)

        free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
        geoms = belonging(model.geom_bodyid)
        self._lengths = {
            "body_pos": Columns(list(bodies[1:]), device),
            "geom_pos": geoms,
            "geom_size": geoms,
            "jnt_pos": belonging(np.where(free, -1, model.jnt_bodyid)),
            "site_pos": belonging(model.site_bodyid),
        }
        self._base = {name: self._compiled(name, columns) for name, columns in self._lengths.items()}
        self._bodies = Columns(list(bodies), device)

    def check(self, name: str) -> None:
        """Raise if the articulation has something that cannot have another size in each world."""
        if self._obstacle:
            raise CapabilityError(
                f"'{name}': cannot be scaled on the engine {self._worlds.engine.name}: {self._obstacle}"
            )

    def set(self, scales: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set scales ``(n, 3)`` that are the same along all axes; masses grow by their third power."""
        ratio = self._replace(scales, worlds)[:, :1]
        scale = scales[:, :1, None]
        fields = {name: (columns, self._base[name] * scale) for name, columns in self._lengths.items()}
        for name, power in (("body_ipos", 1), ("body_mass", 3), ("body_inertia", 5)):
            current = self._current(name, self._bodies, worlds)
            fields[name] = self._bodies, current * (ratio**power if current.ndim == 2 else ratio.unsqueeze(-1) ** power)
        self._write(fields, worlds)


def _obstacle(model: mujoco.MjModel, bodies: Sequence[int]) -> str:
    """Return why an articulation cannot be scaled; empty if it can."""
    meshes = (_Geom.mjGEOM_MESH, _Geom.mjGEOM_SDF, _Geom.mjGEOM_HFIELD)
    own = np.isin(model.geom_bodyid, bodies)
    collides = (model.geom_contype | model.geom_conaffinity) != 0
    found = np.flatnonzero(own & collides & np.isin(model.geom_type, [int(kind) for kind in meshes]))
    if len(found):
        body = model.body(int(model.geom_bodyid[found[0]])).name
        return f"shapes of '{body}' are meshes, which all worlds share. Use primitive shapes for collisions."
    if model.neq and bool(np.isin(model.eq_obj1id, bodies).any() or np.isin(model.eq_obj2id, bodies).any()):
        return "constraints close loops of it. Randomise its masses instead."
    sites = np.isin(model.wrap_objid, np.flatnonzero(np.isin(model.site_bodyid, bodies)))
    if bool((sites & (model.wrap_type == mujoco.mjtWrap.mjWRAP_SITE)).any()):
        return "it has spatial tendons, whose lengths do not follow. Use fixed tendons."
    return ""


def check_scales(values: torch.Tensor, *, equal_axes: int) -> None:
    """Raise unless scales ``(n, 3)`` are above zero, and equal along the first axes."""
    if not bool((values > 0.0).all()):
        fail(f"scales contain {values.min().item():g}: expected numbers above 0.")
    if bool((values[:, :equal_axes] != values[:, :1]).any()):
        axes = "x and y" if equal_axes == 2 else "x, y and z"
        fail(f"scales differ between axes: expected the same along {axes}.")
