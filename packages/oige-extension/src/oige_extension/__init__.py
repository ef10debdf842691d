"""OIGE's extension for Kit."""
