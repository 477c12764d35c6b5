"""Prefix caching: radix tree, sequence slots, host store, admission order."""
