"""Widgets of the terminal interface, drawn line by line; none knows the engine."""
