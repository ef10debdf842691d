"""Anymal: ANYmal C follows commanded velocities on flat ground."""
