"""The terminal interface: a client of a run's event stream. The only room that imports textual."""
