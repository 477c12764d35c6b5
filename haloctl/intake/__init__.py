"""Tables of queries in: CSV, JSONL, Parquet, SQL or frames, read lazily, one broken row at a time.

`open_table` opens whatever holds the rows; `QuerySource` binds it to workflows and yields windows of
`engine.ir.batch.Batch`, with a failed row for each one that cannot be run.
"""

from haloctl.intake.rows import Row, Table
from haloctl.intake.table import format_of, open_table
from haloctl.intake.windows import QuerySource

__all__ = ["QuerySource", "Row", "Table", "format_of", "open_table"]
