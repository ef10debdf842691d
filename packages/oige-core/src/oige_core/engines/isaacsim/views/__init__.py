"""Views of the engine on ``omni.physics.tensors``."""
