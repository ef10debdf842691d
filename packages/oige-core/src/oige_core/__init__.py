"""OIGE: core."""
