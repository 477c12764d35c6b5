"""The run store: SQLite journal, result cache and crash-safe output."""
