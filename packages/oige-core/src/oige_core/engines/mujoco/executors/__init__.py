"""Executors, which run the worlds of one model: MuJoCo's C engine or MuJoCo Warp."""
