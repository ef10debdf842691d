"""Which level of difficulty a robot goes to next."""

import torch

__all__ = ["next_levels", "next_levels_of_upstream"]

LEAST_SHARE = 0.25  # of the distance commanded; robots that covered less move down


def next_levels(
    levels: torch.Tensor,
    distance: torch.Tensor,
    commanded: torch.Tensor,
    tile_length: float,
    num_levels: int,
    redrawn: torch.Tensor,
) -> torch.Tensor:
    """Return the next level of each robot by how far it got on its own.

    A robot that got more than half a tile away, off its tile, moves up; another that covered less than a quarter of the
    distance commanded moves down, at the lowest level as far as there is one. One that moves up from the highest level
    goes to a random level, so that robots do not forget the easier ones.

    Args:
        levels: ``(n,)`` int64, from 0 on.
        distance: ``(n,)`` from where the robot started, in m.
        commanded: ``(n,)`` distance that its command would take it in a whole episode, in m.
        tile_length: in m.
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
    """Return what OmniIsaacGymEnvs makes of it.

    The distance commanded is the norm over all robots that are reset together, so more robots make more of them move
    down; a robot may move up and down at once; the highest level is followed by the lowest.

    Args:
        levels, distance, tile_length, num_levels: as for :func:`next_levels`.
        commanded: ``(n, 2)`` distance along x and y that the command would take the robot in a whole episode, in m.
    """
    up = distance > 0.5 * tile_length
    down = distance < LEAST_SHARE * commanded.norm()
    return (levels + up.long() - down.long()).clamp_(min=0) % num_levels
