"""Learning curves as images and as text."""
