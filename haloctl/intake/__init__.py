"""Tables in: CSV, JSONL, Parquet and SQL rows to `engine.ir.batch` windows."""
