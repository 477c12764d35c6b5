"""Exit codes follow from reports, signals and errors."""

import signal

import pytest

from engine import errors
from engine.ir.result import NodeCounts, RowCounts, RunReport, TokenCounts
from haloctl.exit_codes import MEANINGS, of_report


def report(status, **rows):
    return RunReport(
        run="r",
        status=status,
        rows=RowCounts(**rows),
        nodes=NodeCounts(),
        tokens=TokenCounts(),
        model_loads=0,
        estimate_s=0,
        makespan_s=0,
        workers={},
    )


@pytest.mark.parametrize(
    ("status", "rows", "signalled", "code"),
    [
        ("ok", {"ok": 3}, None, 0),
        ("failed_rows", {"ok": 2, "failed": 1}, None, 3),
        ("failed_rows", {"quarantined": 1}, None, 3),
        ("stopped", {"ok": 1}, None, 75),
        ("stopped", {"ok": 1, "failed": 1}, signal.SIGINT, 130),
        ("stopped", {}, signal.SIGTERM, 143),
        ("ok", {"ok": 3}, signal.SIGINT, 0),
    ],
)
def test_of_report(status, rows, signalled, code):
    assert of_report(report(status, **rows), signalled=signalled) == code


def test_every_error_class_has_a_published_code():
    def below(kind):
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    assert {kind.exit_code for kind in below(errors.HaloError)} <= set(MEANINGS)
