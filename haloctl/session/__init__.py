"""The warm session: a process that keeps workers and models, and answers one batch after another."""
