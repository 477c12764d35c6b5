"""Pure values of the three seams; msgspec and stdlib only."""
