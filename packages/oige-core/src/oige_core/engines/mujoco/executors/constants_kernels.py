"""Warp kernels that compute the inverse inertias of joints, links and tendons in worlds whose model was written.

The factor of the joint-space inertia is M = Lᵀ L. L has the sparsity of M, whose row of a degree of freedom has those
that move it, in order, and itself last. The inverse inertia of a row J of a Jacobian is J M⁻¹ Jᵀ = |L⁻ᵀ Jᵀ|².
"""

import mujoco
import warp as wp

__all__ = ["Factor", "Tree", "factorise", "mark_any", "weigh_bodies", "weigh_joints", "weigh_tendons"]

_FREE = wp.constant(int(mujoco.mjtJoint.mjJNT_FREE))
_BALL = wp.constant(int(mujoco.mjtJoint.mjJNT_BALL))


@wp.struct
class Tree:
    """The kinematic trees of a model."""

    body_parentid: wp.array[int]
    body_rootid: wp.array[int]
    body_dofadr: wp.array[int]
    body_dofnum: wp.array[int]
    dof_parentid: wp.array[int]
    dof_depth: wp.array[int]  # number of degrees of freedom that move it
    jnt_type: wp.array[int]
    jnt_dofadr: wp.array[int]


@wp.struct
class Factor:
    """The factor L in MuJoCo's sparse format, and memory for its solutions."""

    rownnz: wp.array[int]
    rowadr: wp.array[int]
    colind: wp.array[int]
    values: wp.array2d[float]
    chains: wp.array3d[float]  # by world, joint or body, and depth
    rows: wp.array3d[float]  # by world, tendon, and degree of freedom


@wp.kernel(enable_backward=False)
def mark_any(changed: wp.array[bool], any_changed: wp.array[int]):
    """Set the number to 1 if a world was changed; one thread per world."""
    if changed[wp.tid()]:
        any_changed[0] = 1


@wp.kernel(enable_backward=False)
def factorise(changed: wp.array[bool], inertia: wp.array2d[float], factor: Factor):
    """Factorise the joint-space inertias of changed worlds; one thread per world."""
    world = wp.tid()
    if not changed[world]:
        return
    values = factor.values[world]
    for i in range(values.shape[0]):
        values[i] = inertia[world, i]
    count = factor.rownnz.shape[0]
    for reverse in range(count):
        k = count - 1 - reverse
        start, last = factor.rowadr[k], factor.rownnz[k] - 1
        diagonal = wp.sqrt(values[start + last])
        values[start + last] = diagonal
        for s in range(last):
            values[start + s] = values[start + s] / diagonal
        for s in range(last):
            other = factor.rowadr[factor.colind[start + s]]
            for t in range(s + 1):  # the rows begin with the same columns
                values[other + t] = values[other + t] - values[start + s] * values[start + t]


@wp.func
def _inverse_inertia(world: int, chain: int, last: int, tree: Tree, factor: Factor) -> float:
    """Return J M⁻¹ Jᵀ for a row J that is stored in a chain of degrees of freedom."""
    total = float(0.0)  # noqa: UP018  a variable in Warp, which treats a literal as a constant
    k = int(last)
    while k >= 0:
        start, diagonal = factor.rowadr[k], factor.rownnz[k] - 1
        solved = factor.chains[world, chain, tree.dof_depth[k]] / factor.values[world, start + diagonal]
        total += solved * solved
        for s in range(diagonal):
            depth = tree.dof_depth[factor.colind[start + s]]
            rest = factor.chains[world, chain, depth] - factor.values[world, start + s] * solved
            factor.chains[world, chain, depth] = rest
        k = tree.dof_parentid[k]
    return total


@wp.func
def _inverse_inertia_of_dof(world: int, joint: int, dof: int, tree: Tree, factor: Factor) -> float:
    k = tree.dof_parentid[dof]
    while k >= 0:
        factor.chains[world, joint, tree.dof_depth[k]] = 0.0
        k = tree.dof_parentid[k]
    factor.chains[world, joint, tree.dof_depth[dof]] = 1.0
    return _inverse_inertia(world, joint, dof, tree, factor)


@wp.kernel(enable_backward=False)
def weigh_joints(changed: wp.array[bool], tree: Tree, factor: Factor, dof_invweight0: wp.array2d[float]):
    """Compute the inverse inertias of joints in changed worlds; one thread per world and joint.

    Degrees of freedom of a free or ball joint have the mean of their three translations or rotations.
    """
    world, joint = wp.tid()
    if not changed[world]:
        return
    first, kind = tree.jnt_dofadr[joint], tree.jnt_type[joint]
    groups, size = int(1), int(1)  # noqa: RUF046, UP018
    if kind == _BALL:
        size = 3
    if kind == _FREE:
        groups, size = 2, 3
    for group in range(groups):
        total = float(0.0)  # noqa: UP018
        for i in range(size):
            total += _inverse_inertia_of_dof(world, joint, first + group * size + i, tree, factor)
        for i in range(size):
            dof_invweight0[world, first + group * size + i] = total / float(size)


@wp.kernel(enable_backward=False)
def weigh_bodies(
    changed: wp.array[bool],
    tree: Tree,
    factor: Factor,
    subtree_com: wp.array2d[wp.vec3],
    xipos: wp.array2d[wp.vec3],
    cdof: wp.array2d[wp.spatial_vector],
    body_invweight0: wp.array2d[wp.vec2],
):
    """Compute the inverse inertias of bodies in changed worlds; one thread per world and body.

    They are means over three directions of translation of the centre of mass, and of rotation.
    """
    world, body = wp.tid()
    if not changed[world]:
        return
    mover = int(body)
    while mover > 0 and tree.body_dofnum[mover] == 0:
        mover = tree.body_parentid[mover]
    if mover == 0:
        body_invweight0[world, body] = wp.vec2(0.0, 0.0)
        return
    last = tree.body_dofadr[mover] + tree.body_dofnum[mover] - 1
    arm = xipos[world, body] - subtree_com[world, tree.body_rootid[body]]
    means = wp.vec2(0.0, 0.0)
    for row in range(6):
        k = int(last)
        while k >= 0:
            angular, linear = wp.spatial_top(cdof[world, k]), wp.spatial_bottom(cdof[world, k])
            column = wp.spatial_vector(linear + wp.cross(angular, arm), angular)
            factor.chains[world, body, tree.dof_depth[k]] = column[row]
            k = tree.dof_parentid[k]
        means[row // 3] += _inverse_inertia(world, body, last, tree, factor) / 3.0
    body_invweight0[world, body] = means


@wp.kernel(enable_backward=False)
def weigh_tendons(
    changed: wp.array[bool],
    factor: Factor,
    rownnz: wp.array[int],
    rowadr: wp.array[int],
    colind: wp.array[int],
    jacobian: wp.array[float],
    tendon_invweight0: wp.array2d[float],
):
    """Compute the inverse inertias of tendons in changed worlds; one thread per world and tendon."""
    world, tendon = wp.tid()
    if not changed[world]:
        return
    row = factor.rows[world, tendon]
    count = row.shape[0]
    for k in range(count):
        row[k] = 0.0
    for i in range(rownnz[tendon]):
        row[colind[rowadr[tendon] + i]] = jacobian[rowadr[tendon] + i]
    total = float(0.0)  # noqa: UP018
    for reverse in range(count):
        k = count - 1 - reverse
        start, diagonal = factor.rowadr[k], factor.rownnz[k] - 1
        solved = row[k] / factor.values[world, start + diagonal]
        total += solved * solved
        for s in range(diagonal):
            other = factor.colind[start + s]
            row[other] = row[other] - factor.values[world, start + s] * solved
    tendon_invweight0[world, tendon] = total
