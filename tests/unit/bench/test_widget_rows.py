"""What bench.widgets measures is the table of page 3, column by column."""

from bench.widgets import FILTERS, questions
from haloctl.tui.filter_language import parse_filter
from haloctl.tui.projection.queries import COLUMNS
from haloctl.tui.row_table import RowTable, fields_of


def test_the_rows_that_are_measured_have_the_columns_of_page_3_and_meet_every_filter():
    rows = RowTable(COLUMNS)
    rows.extend(questions(2000))
    assert rows.count == 2000
    for typed in FILTERS:
        conditions = parse_filter(typed, fields_of(COLUMNS))
        assert isinstance(conditions, tuple), conditions
        assert len(rows.select(conditions)) > 0, typed
