"""Tool operators, one a file; `REGISTRY` is what the composition root hands to the engine."""
