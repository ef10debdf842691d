"""Domain randomisation through ``omni.replicator.isaac``, on the randomisation of oige-core."""

__all__ = []
