"""Reading the folders of runs: what ran, how it ended and what it has learned."""
