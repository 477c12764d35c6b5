"""SQL on DuckDB, SQLite and PostgreSQL: bound parameters, read-only unless declared."""
