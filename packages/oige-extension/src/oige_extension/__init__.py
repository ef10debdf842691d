"""OIGE: extension."""
