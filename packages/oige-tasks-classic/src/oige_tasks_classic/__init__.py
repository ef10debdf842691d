"""OIGE: tasks_classic."""
