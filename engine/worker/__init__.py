"""The worker process: commands in, one or more resident models driven step by step, replies out."""
