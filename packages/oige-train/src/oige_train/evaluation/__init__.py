"""Scores of the checkpoints of a run, also while it trains."""
