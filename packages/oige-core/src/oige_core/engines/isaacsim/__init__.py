"""The second engine: PhysX inside Isaac Sim, through ``omni.physics.tensors``."""
