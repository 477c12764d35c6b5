"""Screens of the terminal interface: what stands where, and which key does what."""
