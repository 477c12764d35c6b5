"""The live state of a run: a pure fold of its events into bounded values that front ends show."""
