"""Rewrite rules over consolidated plans."""
