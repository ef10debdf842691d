"""One recorder per task: a module with ``record(original, task)``, which yields recordings."""

__all__ = ["RECORDERS"]

RECORDERS = {
    "Cartpole": "cartpole",
    "CartpoleWarp": "cartpole_warp",
    "Crazyflie": "crazyflie",
    "Quadcopter": "quadcopter",
}
"""Modules by the name of a task, which is also the name of its file of golden vectors."""
