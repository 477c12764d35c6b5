"""Workflows, example batches and model recipes that ship with haloctl."""
