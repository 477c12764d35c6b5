"""Carries out a physical plan: trio actors around a sans-I/O run state."""
