"""Worlds that failed: their last states, the files that keep them, and replays in the plain C engine."""
