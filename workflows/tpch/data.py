"""TPC-H data, generated on first use by the tpchgen-cli package and loaded into a database.

TPC-H describes a wholesale supplier: customers in 25 nations order parts, 1992 to 1998. Scale 1 is 1 GB;
the embedded default of 0.01 has 15,000 orders and takes about two seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from engine.errors import ConfigError
from workflows.tables import refuse_other_scale

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
DEFAULT_SCALE = 0.01
_ORDERS_AT_SCALE_1 = 1_500_000
_TIMEOUT_S = 3600.0


def build_database(path: Path, scale: float = DEFAULT_SCALE) -> None:
    """Write a DuckDB file of the eight tables to `path`, unless it is there.

    The file appears whole or not at all, also when two processes build it at once. Raises ConfigError
    when the generator is missing or fails, and when a file of another scale lies there.
    """
    if path.exists():
        counted = "SELECT count(*) FROM orders"
        refuse_other_scale(path, "orders", counted, int(_ORDERS_AT_SCALE_1 * scale), scale)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tpch-", dir=path.parent) as folder:
        parquet = generate(Path(folder) / "parquet", "parquet", scale)
        unfinished = Path(folder) / "unfinished.duckdb"
        _load_duckdb(unfinished, parquet)
        os.replace(unfinished, path)


def generate(folder: Path, file_format: str, scale: float) -> Path:
    """One file a table, `folder/TABLE.FORMAT` (parquet, csv or tbl). Raises ConfigError."""
    folder.mkdir(parents=True)
    command = [_generator(), file_format, "--scale-factor", f"{scale:g}", "--output-dir", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if run.returncode != 0:
        raise ConfigError(
            f"tpchgen-cli failed: {run.stderr.strip() or run.stdout.strip()}",
            fix="pip install --force-reinstall tpchgen-cli",
        )
    return folder


def _generator() -> str:
    """The program of the tpchgen-cli package, wherever its installation put it."""
    name = "tpchgen-cli.exe" if sys.platform == "win32" else "tpchgen-cli"
    try:
        for file in metadata.files("tpchgen-cli") or ():
            if file.name == name:
                return str(Path(str(file.locate())).resolve())
    except metadata.PackageNotFoundError:
        pass
    found = shutil.which("tpchgen-cli")
    if found is None:
        raise ConfigError("the program tpchgen-cli is missing", fix="pip install tpchgen-cli")
    return found


def _load_duckdb(path: Path, parquet: Path) -> None:
    import duckdb  # half a second to import, needed once

    with duckdb.connect(str(path)) as connection:
        try:
            for table in TABLES:
                file = str(parquet / f"{table}.parquet").replace("'", "''")
                connection.execute(f"CREATE TABLE {table} AS SELECT * FROM read_parquet('{file}')")  # noqa: S608
            connection.execute("CHECKPOINT")
        except RuntimeError as error:  # DuckDB takes Ctrl-C for itself and says so in words only
            if str(error) != "Query interrupted":
                raise
            raise KeyboardInterrupt from error
