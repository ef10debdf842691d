"""OIGE: tasks_locomotion."""
