"""The level of difficulty of a robot's next episode."""

import torch

__all__ = ["next_levels", "next_levels_of_upstream"]

LEAST_SHARE = 0.25  # fraction of the commanded distance; robots that covered less move down


def next_levels(
    levels: torch.Tensor,
    distance: torch.Tensor,
    commanded: torch.Tensor,
    tile_length: float,
    num_levels: int,
    redrawn: torch.Tensor,
) -> torch.Tensor:
    """Return the next level of each robot, which depends only on its own distance.

    A robot that got more than half a tile away, and so left its tile, moves up a level. Otherwise, a robot that covered
    less than a quarter of the commanded distance moves down, but not below level 0. A robot that moves up from the
    highest level continues on a random level, so that policies do not forget the easier ones.

    Args:
        levels: ``(n,)`` int64 current levels, starting at 0.
        distance: ``(n,)`` distance from the start of the robot, in m.
        commanded: ``(n,)`` distance that the command covers in a whole episode, in m.
        tile_length: length of a tile, in m.
        num_levels: number of levels.
        redrawn: ``(n,)`` int64 random levels.

    Returns:
        ``(n,)`` int64.
    """
    up = distance > 0.5 * tile_length
    down = ~up & (distance < LEAST_SHARE * commanded)
    levels = levels + up.long() - down.long()
    return torch.where(levels >= num_levels, redrawn, levels.clamp_(min=0))


def next_levels_of_upstream(
    levels: torch.Tensor, distance: torch.Tensor, commanded: torch.Tensor, tile_length: float, num_levels: int
) -> torch.Tensor:
    """Return the next level of each robot as OmniIsaacGymEnvs computes it.

    The commanded distance is the norm over all robots that are reset in the same step, so that more of them move down
    if there are more of them. A robot may move up and down at once. After the highest level comes the lowest.

    Args:
        levels, distance, tile_length, num_levels: as in :func:`next_levels`.
        commanded: ``(n, 2)`` distance along x and y that the command covers in a whole episode, in m.
    """
    up = distance > 0.5 * tile_length
    down = distance < LEAST_SHARE * commanded.norm()
    return (levels + up.long() - down.long()).clamp_(min=0) % num_levels
