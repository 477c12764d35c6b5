"""haloctl: batches of agentic workflows over local models, planned like a database query."""

__version__ = "0.1.0"
