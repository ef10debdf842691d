"""Manipulation tasks of OIGE."""
