"""Benchmark: how fast a task is simulated, stepped, played and learned."""
