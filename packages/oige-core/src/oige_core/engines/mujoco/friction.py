"""Applies the default coefficient of sliding friction."""

from typing import TypeAlias

import mujoco
import numpy as np

from oige_core.errors import ConfigError

__all__ = ["DEFAULT_FRICTION", "check_default_friction_acts", "resolve_friction"]

DEFAULT_FRICTION = 0.12345678901234567
"""Placeholder for the friction of shapes without a coefficient, until a scene is compiled."""

Surface: TypeAlias = "mujoco.MjsGeom | mujoco.MjsFlex"
"""A shape, or the surface of a soft body."""

_KEY = "task.sim.default_physics_material"


def resolve_friction(spec: mujoco.MjSpec, default: float) -> list[Surface]:
    """Set the default friction of shapes without a coefficient, and return these shapes.

    MuJoCo uses the larger of two coefficients. Shapes with a coefficient get priority over shapes without one, so that
    a stated coefficient below the default applies. A shape that had priority before keeps its dimension of contacts.
    """
    shapes = [*spec.geoms, *spec.flexes]
    stated = [geom for geom in shapes if geom.friction[0] != DEFAULT_FRICTION]
    if any(geom.friction[0] < default for geom in stated):
        others = [geom for geom in shapes if geom.friction[0] == DEFAULT_FRICTION]
        dimension = max((geom.condim for geom in others), default=1)
        highest = max((geom.priority for geom in others), default=0)
        for geom in stated:
            if geom.priority <= highest:
                geom.condim = max(geom.condim, dimension)  # priority also decides about this
            geom.priority += 1
    defaulted = [geom for geom in shapes if geom.friction[0] == DEFAULT_FRICTION]
    for geom in defaulted:
        geom.friction[0] = default
    for geom in shapes:  # the minimum of the C engine; MuJoCo Warp would divide by smaller values
        geom.friction[0] = max(geom.friction[0], mujoco.mjMINMU)
    return defaulted


def check_default_friction_acts(model: mujoco.MjModel, defaulted: list[Surface], default: float) -> None:
    """Raise if a default friction other than 1 has no effect.

    Args:
        model: the compiled model.
        defaulted: the shapes without a coefficient.
        default: the default coefficient.
    """
    if default == 1.0:
        return
    masks, affinities, priority, friction = (
        np.concatenate([getattr(model, f"geom_{name}"), getattr(model, f"flex_{name}")])
        for name in ("contype", "conaffinity", "priority", "friction")
    )
    friction = friction[:, 0]
    # Soft bodies, which are numbered after the geoms here, do not touch themselves.
    weld = np.concatenate([model.body_weldid[model.geom_bodyid], -1 - np.arange(model.nflex)])
    numbers = [shape.id + model.ngeom * isinstance(shape, mujoco.MjsFlex) for shape in defaulted]
    known = np.isin(np.arange(len(masks)), numbers)
    rivals: set[str] = set()
    for geom in numbers:
        collides = ((masks[geom] & affinities) | (masks & affinities[geom])) != 0
        collides &= weld != weld[geom]
        loses = (priority > priority[geom]) | ((priority == priority[geom]) & (friction > default))
        if (collides & (known | ~loses)).any():
            return
        rivals.update(_owner(model, int(rival)) for rival in np.flatnonzero(collides))
    reason = "no shapes without a friction coefficient collide"
    if rivals:
        reason = f"shapes of {', '.join(sorted(rivals))} have their own friction, which applies; change it there"
    raise ConfigError(f"{_KEY}: a friction of {default} has no effect in this scene: {reason}.")


def _owner(model: mujoco.MjModel, geom: int) -> str:
    """Return the name of the element to which a shape belongs."""
    if geom >= model.ngeom:
        return f"'{mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_FLEX, geom - model.ngeom)}'"
    body = model.geom_bodyid[geom]
    name = model.body(body).name if body else model.geom(geom).name
    return f"'{name.partition('/')[0]}'"
