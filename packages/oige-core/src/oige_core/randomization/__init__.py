"""Domain randomisation: what a configuration may say, and what happens to the worlds."""

__all__ = []
