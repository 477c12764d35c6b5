"""Measured cost curves of models, moving averages of tools and outputs, and where they are kept."""
