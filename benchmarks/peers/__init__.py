"""Servers to compare with: the same handler behind other frameworks."""
