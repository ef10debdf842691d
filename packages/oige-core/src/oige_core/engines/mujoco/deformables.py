"""Soft bodies in the model: a lattice of small bodies, and a flex whose surface follows them."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from oige_core.config import MujocoConfig
from oige_core.engines.mujoco.friction import DEFAULT_FRICTION
from oige_core.engines.mujoco.layout import prefixed
from oige_core.errors import ConfigError
from oige_core.scene.elements import DeformableElement

__all__ = [
    "DeformableLayout",
    "add_deformable",
    "initial_displacements",
    "lay_out_deformable",
    "set_soft_body_options",
]

_SLIDE = mujoco.mjtJoint.mjJNT_SLIDE
_SMALL = 1e-9  # kg·m²; corners do not rotate


@dataclass
class DeformableLayout:
    """A soft body in the model.

    The reference configuration, in which all joints are at zero, is that of the undeformed body at its initial position
    in the orientation of its own frame.

    Attributes:
        flex: id of the flex.
        qpos: addresses of the displacements of the lattice's ``c`` corners, which are all neighbours.
        dofs: addresses of their velocities.
        weights: ``(k, c)``; see :meth:`~oige_core.scene.DeformableAsset.weights`.
        reference: ``(k, 3)`` positions of the nodes in the reference configuration, in m.
        rest: ``(k, 3)`` positions of the nodes of the undeformed body in its own frame, in m.
        triangles: ``(m, 3)`` nodes of each triangle.
        diagonal: length of the bounding box of the undeformed body, in m.
    """

    flex: int
    qpos: slice
    dofs: slice
    weights: np.ndarray
    reference: np.ndarray
    rest: np.ndarray
    triangles: np.ndarray
    diagonal: float


def set_soft_body_options(spec: mujoco.MjSpec, elements: Sequence[DeformableElement], config: MujocoConfig) -> None:
    """Set the options of a model with soft bodies.

    Raises:
        ConfigError: the integrator cannot simulate them.
    """
    if config.integrator != "discrete":
        raise ConfigError(
            f"task.sim.mujoco.integrator={config.integrator}: deformable '{elements[0].name}' needs the integrator "
            "discrete, which integrates its elasticity implicitly."
        )
    # Each contact moves few corners. Automatically, the C engine would use dense Jacobians, which take longer.
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_SPARSE


def add_deformable(spec: mujoco.MjSpec, element: DeformableElement, masks: tuple[int, int]) -> None:
    """Add the corners of a soft body and its surface, in the reference configuration."""
    asset, friction = element.asset, element.material.friction
    names = []
    for corner, (place, mass) in enumerate(zip(asset.lattice(), asset.corner_masses(), strict=True)):
        body = spec.worldbody.add_body(
            name=prefixed(element.name, str(corner)),
            pos=place + element.position,
            mass=mass,
            ipos=[0, 0, 0],
            inertia=[_SMALL] * 3,
            explicitinertial=True,
        )
        for axis in np.eye(3):
            body.add_joint(type=_SLIDE, axis=axis)
        names.append(body.name)
    contype, conaffinity = masks
    spec.add_flex(
        name=element.name,
        dim=2,
        order=1,
        cellcount=asset.cells,
        nodebody=names,
        vertbody=["world"] * len(asset.vertices),
        vert=(asset.vertices + element.position).ravel().tolist(),
        elem=asset.triangles.ravel().tolist(),
        radius=asset.contact_radius,
        young=asset.youngs_modulus,  # MuJoCo integrates over the volume inside the surface, cell by cell
        poisson=asset.poissons_ratio,
        damping=asset.damping,
        selfcollide=int(mujoco.mjtFlexSelf.mjFLEXSELF_NONE),
        # Stiffer than MuJoCo's default, with which fingers sink in; two time steps are the minimum.
        solref=[max(0.01, 2.0 * spec.option.timestep), 1.0],
        solimp=[0.95, 0.99, 0.001, 0.5, 2.0],
        contype=contype,
        conaffinity=conaffinity,
        friction=[DEFAULT_FRICTION if friction is None else friction, 0.005, 0.0001],
        rgba=element.material.color,
    )


def lay_out_deformable(model: mujoco.MjModel, element: DeformableElement) -> DeformableLayout:
    """Find the addresses of a soft body in the compiled model."""
    asset = element.asset
    first, count = model.body(prefixed(element.name, "0")), 3 * len(asset.lattice())
    qpos, dof = (int(address[first.jntadr[0]]) for address in (model.jnt_qposadr, model.jnt_dofadr))
    return DeformableLayout(
        flex=mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_FLEX, element.name),
        qpos=slice(qpos, qpos + count),
        dofs=slice(dof, dof + count),
        weights=asset.weights(),
        reference=asset.vertices + element.position,
        rest=asset.vertices,
        triangles=asset.triangles,
        diagonal=float(np.linalg.norm(np.diff(asset.bounds, axis=0))),
    )


def initial_displacements(element: DeformableElement) -> np.ndarray:
    """Return displacements ``(3·c,)`` of the corners from the reference configuration, in m."""
    rotation = np.empty(9)
    quaternion = np.array(element.orientation)
    mujoco.mju_quat2Mat(rotation, quaternion / np.linalg.norm(quaternion))
    corners = element.asset.lattice()
    return (corners @ rotation.reshape(3, 3).T - corners).ravel()
