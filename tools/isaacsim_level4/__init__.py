"""Runs the engine on Isaac Sim's own Python, without Isaac Sim: level 4 of docs/isaac_sim_mapping.md.

The Python packages of a checkout of Isaac Sim run unmodified, and so does ``omni.physics.tensors`` of a checkout of
NVIDIA's PhysX repository. Stand-ins take the place of Kit's modules and of compiled parts. PhysX (of the package
``ovphysx``, on the CPU) or Newton simulates. Nothing of this is part of a package of OIGE.
"""
