"""Python functions, each call in a subprocess with a deadline and a memory limit."""
