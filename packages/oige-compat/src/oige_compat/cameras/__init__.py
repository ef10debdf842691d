"""Cameras: ``omni.replicator.core`` and ``omni.isaac.sensor``, rendered by the engine's cameras.

A render product is a camera of one world. The render products of the same camera in all worlds are one camera of the
engine, which renders a world when its image is read.
"""
