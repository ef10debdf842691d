"""The embedded engine on Warp arrays, for Warp variants of tasks."""
