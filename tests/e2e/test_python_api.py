"""`haloctl.run`: frames in, frames of the same kind out."""

import pandas
import polars
import pyarrow as pa
import pytest

import haloctl
from engine.errors import ConfigError, InputError, SpecErrors

pytestmark = pytest.mark.slow

ROWS = [{"id": "a", "question": "what"}, {"id": "b", "question": "why"}, {"id": "c", "question": "bad"}]
COLUMNS = ["id", "status", "checked", "remark", "error", "error_message"]


def same(table):
    return table


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place.folder)
    return place


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (same, same),
        (pa.Table.from_pylist, pa.Table.to_pylist),
        (pandas.DataFrame, lambda frame: frame.to_dict("records")),
        (polars.DataFrame, polars.DataFrame.to_dicts),
    ],
    ids=["dicts", "arrow", "pandas", "polars"],
)
def test_the_same_kind_comes_back_with_one_row_each(here, make, read):
    table = make(ROWS)
    result = haloctl.run("shaky.yaml", table)
    assert type(result) is type(table)
    rows = read(result)
    assert [list(row) for row in rows] == [COLUMNS] * 3
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert [row["status"] for row in rows] == ["ok", "ok", "failed"]
    assert rows[0]["checked"] == "WHAT"
    assert rows[2]["error"] == "python_raised"
    assert not list((here.folder / "runs" / "tables").iterdir())


def test_columns_ids_and_several_windows(here):
    table = [{"text": str(n), "name": f"n{n}"} for n in range(5)]
    rows = haloctl.run("ask.yaml", table, columns={"question": "text"}, id_column="name", window=2)
    assert [row["id"] for row in rows] == ["n0", "n1", "n2", "n3", "n4"]
    assert len({row["answer"] for row in rows}) == 5


def test_what_cannot_run_at_all_raises(here):
    with pytest.raises(InputError, match="no rows"):
        haloctl.run("ask.yaml", [])
    with pytest.raises(InputError, match="question"):
        haloctl.run("ask.yaml", [{"x": 1}])
    with pytest.raises(ConfigError, match="cannot be a"):
        haloctl.run("ask.yaml", 3)
    here.write("broken.yaml", "workflow: broken\n")
    with pytest.raises(SpecErrors):
        haloctl.run("broken.yaml", ROWS)
