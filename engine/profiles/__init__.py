"""Measured cost: calibration curves and moving averages, persisted."""
