"""The worker process: synchronous command loop over one or several loaded models."""
