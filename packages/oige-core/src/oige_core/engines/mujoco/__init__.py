"""The embedded engine, MuJoCo."""
