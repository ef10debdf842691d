"""Population-based training on Ray Tune."""
