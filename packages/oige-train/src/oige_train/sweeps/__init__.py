"""Sweeps on Hydra's sweepers and launchers."""
