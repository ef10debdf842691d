"""Engines: what runs the worlds of a scene."""
