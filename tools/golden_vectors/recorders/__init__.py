"""One recorder per task: a module with ``record(original, task)``, which yields recordings."""

__all__ = ["RECORDERS"]

RECORDERS = {
    "AllegroHand": "hands",
    "Ant": "ant_humanoid",
    "AntWarp": "ant_humanoid_warp",
    "Anymal": "anymal",
    "AnymalTerrain": "anymal_terrain",
    "BallBalance": "ball_balance",
    "Cartpole": "cartpole",
    "CartpoleCamera": "cartpole_camera",
    "CartpoleWarp": "cartpole_warp",
    "Crazyflie": "crazyflie",
    "FactoryTaskNutBoltPick": "factory",
    "FactoryTaskNutBoltPlace": "factory",
    "FactoryTaskNutBoltScrew": "factory",
    "FrankaCabinet": "franka",
    "FrankaDeformable": "franka",
    "Humanoid": "ant_humanoid",
    "HumanoidWarp": "ant_humanoid_warp",
    "Ingenuity": "ingenuity",
    "Quadcopter": "quadcopter",
    "ShadowHand": "hands",
    "ShadowHandOpenAI_FF": "hands",
    "ShadowHandOpenAI_LSTM": "hands",
    "TargetFollowing": "target_following",
    "Terrain": "terrain",
}
"""Modules by the name of a task, or of another part, which is also the name of its file of golden vectors."""
