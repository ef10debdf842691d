"""OIGE: tasks_manipulation."""
