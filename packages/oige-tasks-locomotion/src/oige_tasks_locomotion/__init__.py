"""Locomotion tasks of OIGE."""
