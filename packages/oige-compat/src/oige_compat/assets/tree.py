"""Finds the links of an articulation, and the joints of its tree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from oige_core.errors import OigeError
from pxr import Sdf, Usd, UsdPhysics

from oige_compat.assets.bodies import is_link
from oige_compat.assets.joints import Joint
from oige_compat.assets.report import Report
from oige_compat.assets.stages import prims_below

__all__ = ["Tree", "build_tree", "find_articulation"]


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Links and joints of an articulation.

    Attributes:
        links: paths, breadth-first; the first is the root.
        above: joint that moves a link, by path of the link, turned so that its first body is the parent; the root has
            one only if it holds the root to the stage.
        loops: joints that are not part of the tree.
        floating: whether the root moves freely.
    """

    links: tuple[str, ...]
    above: dict[str, Joint] = field(default_factory=dict)
    loops: tuple[Joint, ...] = ()
    floating: bool = True


def find_articulation(prim: Usd.Prim, title: str) -> Usd.Prim:
    """Return the prim with the articulation's root below a prim, or above it.

    Raises:
        OigeError: there is none, or there are several.
    """
    roots = [each for each in prims_below(prim) if each.HasAPI(UsdPhysics.ArticulationRootAPI)]
    above = prim.GetParent()
    while not roots and above and not above.IsPseudoRoot():
        if above.HasAPI(UsdPhysics.ArticulationRootAPI):
            roots.append(above)
        above = above.GetParent()
    if not roots:
        links = [each for each in prims_below(prim) if is_link(each)]
        remedy = "load it as a rigid body" if len(links) == 1 else "apply PhysicsArticulationRootAPI"
        raise OigeError(
            f"{title}: {prim.GetPath()} has no PhysicsArticulationRootAPI and {len(links)} rigid bodies; expected an "
            f"articulation: {remedy}."
        )
    if len(roots) > 1:
        names = ", ".join(str(each.GetPath()) for each in roots)
        raise OigeError(f"{title}: {prim.GetPath()} has {len(roots)} articulations: {names}; choose one with prim=.")
    return roots[0]


def build_tree(
    articulation: Usd.Prim, links: Sequence[str], joints: Iterable[Joint], report: Report, title: str
) -> Tree:
    """Return the tree of an articulation.

    Args:
        articulation: prim with the articulation's root.
        links: paths of all rigid bodies, in the order of the stage.
        joints: in the order of the stage.
        report: gets rigid bodies that are not connected.
        title: start of messages.

    Raises:
        OigeError: joints form a loop, or join what is not part of the articulation.
    """
    inside = [joint for joint in joints if not joint.outside]
    held = {joint.bodies[0] or joint.bodies[1]: joint for joint in inside if None in joint.bodies}
    root = _root(articulation, links, inside, held, title)
    above: dict[str, Joint] = {}
    anchor = held.get(root)
    if anchor is not None and anchor.axes:
        above[root] = anchor if anchor.bodies[0] is None else anchor.turned()
    order, used = [root], {id(anchor)}
    for parent in order:
        for joint in inside:
            if id(joint) in used or parent not in joint.bodies:
                continue
            used.add(id(joint))
            joint = joint if joint.bodies[0] == parent else joint.turned()
            child = joint.bodies[1]
            if child is None or child in order:
                raise OigeError(
                    f"{title}: joint {joint.path} closes a loop between {parent} and {child or 'the stage'}; set its "
                    "physics:excludeFromArticulation to true."
                )
            above[child] = joint
            order.append(child)
    for path in links:
        if path not in order:
            report.add("lost", path, f"a rigid body that no joint connects with {root}")
    loops = [joint for joint in joints if joint.outside]
    for joint in [*inside, *loops]:
        outside = [body for body in joint.bodies if body is not None and body not in order]
        if outside:
            raise OigeError(
                f"{title}: joint {joint.path} holds {outside[0]}, which is not part of the articulation of {root}; "
                "choose one of them with prim=."
            )
    return Tree(links=tuple(order), above=above, loops=tuple(loops), floating=anchor is None)


def _root(
    articulation: Usd.Prim, links: Sequence[str], inside: Sequence[Joint], held: dict[str | None, Joint], title: str
) -> str:
    """Return the path of the root link: the marked one, or the one at the stage, or the one in the middle."""
    path = str(articulation.GetPath())
    if path in links:
        return path
    for joint in inside:
        if joint.path == path:
            return next(body for body in joint.bodies[::-1] if body is not None)
    below = [body for body in held if body is not None and Sdf.Path(body).HasPrefix(articulation.GetPath())]
    if below:
        return below[0]
    candidates = [body for body in links if Sdf.Path(body).HasPrefix(articulation.GetPath())]
    if not candidates:
        raise OigeError(f"{title}: articulation {path} has no rigid bodies; expected at least one.")
    return min(candidates, key=lambda body: _distance_from_middle(body, inside))


def _distance_from_middle(body: str, joints: Sequence[Joint]) -> tuple[int, int, int]:
    """Return a key that is least in the middle of the largest tree: bodies, joints in a row, joints of the body."""
    depths, order = {body: 0}, [body]
    for each in order:
        for joint in joints:
            for other in joint.bodies if each in joint.bodies else ():
                if other is not None and other not in depths:
                    depths[other] = depths[each] + 1
                    order.append(other)
    return -len(order), max(depths.values()), -sum(body in joint.bodies for joint in joints)
