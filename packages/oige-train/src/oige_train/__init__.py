"""OIGE: train."""
