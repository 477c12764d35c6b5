"""An invented encyclopedia in four languages, with full-text search."""
