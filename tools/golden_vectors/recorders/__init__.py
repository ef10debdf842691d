"""One recorder per task: a module with ``record(original, task)``, which yields recordings."""

__all__ = ["RECORDERS"]

RECORDERS = {
    "Ant": "ant_humanoid",
    "AntWarp": "ant_humanoid_warp",
    "Anymal": "anymal",
    "AnymalTerrain": "anymal_terrain",
    "BallBalance": "ball_balance",
    "Cartpole": "cartpole",
    "CartpoleCamera": "cartpole_camera",
    "CartpoleWarp": "cartpole_warp",
    "Crazyflie": "crazyflie",
    "Humanoid": "ant_humanoid",
    "HumanoidWarp": "ant_humanoid_warp",
    "Ingenuity": "ingenuity",
    "Quadcopter": "quadcopter",
    "TargetFollowing": "target_following",
    "Terrain": "terrain",
}
"""Modules by the name of a task, or of another part, which is also the name of its file of golden vectors."""
