"""Finds links that never collide with each other."""

from collections.abc import Mapping
from itertools import combinations

from pxr import Sdf, Usd, UsdPhysics

from oige_compat.assets.report import Report
from oige_compat.assets.stages import prims_below

__all__ = ["excluded_pairs"]


def excluded_pairs(prim: Usd.Prim, colliders: Mapping[str, str], report: Report) -> list[tuple[str, str]]:
    """Return pairs of links whose colliders are all filtered against each other.

    Args:
        prim: of the robot.
        colliders: path of the link by path of the collider.
        report: gets pairs of which only some colliders are filtered.
    """
    filtered = _filtered_pairs(prim, colliders) | _grouped_pairs(prim.GetStage(), colliders)
    by_link: dict[str, list[str]] = {}
    for collider, link in colliders.items():
        by_link.setdefault(link, []).append(collider)
    pairs = []
    for first, second in combinations(by_link, 2):
        every = [frozenset((one, other)) for one in by_link[first] for other in by_link[second]]
        found = sum(pair in filtered for pair in every)
        if found == len(every):
            pairs.append((first, second))
        elif found:
            text = f"collisions with {second}: {found} of {len(every)} pairs of shapes are filtered, and all collide"
            report.add("lost", first, text)
    return pairs


def _filtered_pairs(prim: Usd.Prim, colliders: Mapping[str, str]) -> set[frozenset[str]]:
    """Return pairs of colliders that PhysicsFilteredPairsAPI names, or that lie below prims that it names."""
    pairs = set()
    for each in prims_below(prim):
        if not each.HasAPI(UsdPhysics.FilteredPairsAPI):
            continue
        own = _below(each.GetPath(), colliders)
        for target in UsdPhysics.FilteredPairsAPI(each).GetFilteredPairsRel().GetTargets():
            others = _below(target, colliders)
            pairs |= {frozenset((one, other)) for one in own for other in others if one != other}
    return pairs


def _grouped_pairs(stage: Usd.Stage, colliders: Mapping[str, str]) -> set[frozenset[str]]:
    """Return pairs of colliders whose collision groups are filtered against each other."""
    groups = [UsdPhysics.CollisionGroup(each) for each in stage.Traverse() if each.IsA(UsdPhysics.CollisionGroup)]
    if not groups:
        return set()
    table = UsdPhysics.CollisionGroup.ComputeCollisionGroupTable(stage)
    members: dict[str, list[Sdf.Path]] = {collider: [] for collider in colliders}
    for group in groups:
        query = group.GetCollidersCollectionAPI().ComputeMembershipQuery()
        for collider in colliders:
            if query.IsPathIncluded(Sdf.Path(collider)):
                members[collider].append(group.GetPath())
    return {
        frozenset((one, other))
        for one, other in combinations(colliders, 2)
        if any(not table.IsCollisionEnabled(a, b) for a in members[one] for b in members[other])
    }


def _below(path: Sdf.Path, colliders: Mapping[str, str]) -> list[str]:
    return [collider for collider in colliders if Sdf.Path(collider).HasPrefix(path)]
