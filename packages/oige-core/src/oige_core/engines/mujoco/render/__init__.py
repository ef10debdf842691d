"""Rendering of the embedded engine: cameras of a scene, and images and geometry for people who watch."""
