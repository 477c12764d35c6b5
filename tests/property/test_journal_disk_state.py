"""Whatever a crash or a disk does to a run's files, resuming tells or repairs it; never a wrong row."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError, JournalError
from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.store import RunStore
from engine.journal.view import RunView
from engine.testing.journal_runs import (
    OPERATORS,
    example_meta,
    example_node,
    example_result,
    run_until_killed,
)

QUERIES = 14
FINISHED = 9
LINES = OutputTarget(path="x").row_format()
EXPECTED = b"".join(LINES.line(example_result(index)) for index in range(QUERIES))


@pytest.fixture(scope="module")
def crashed(tmp_path_factory) -> dict[str, Path]:
    """A run stopped halfway, as it lies on disk: with all of it in the write-ahead log, and with none."""
    place = tmp_path_factory.mktemp("crashed")
    store = RunStore.create(place / "live" / "run", example_meta())
    target = OutputTarget(path=str(place / "live" / "results.jsonl"))
    writer = ResultWriter(store, target)
    for index in range(FINISHED):
        for operator in OPERATORS:
            store.append(example_node(index, operator))
        if index != 6:  # rows 7 and 8 wait for it
            writer.submit(example_result(index))
    writer.close()
    store.flush()
    shutil.copytree(place / "live", place / "log")
    store.close()
    shutil.copytree(place / "live", place / "file")
    assert (place / "log" / "run" / "journal.sqlite-wal").stat().st_size > 20_000
    assert not (place / "file" / "run" / "journal.sqlite-wal").exists()
    return {"live": place / "live", "log": place / "log", "file": place / "file"}


FILES = {
    "log": ("run/journal.sqlite-wal", "run/journal.sqlite-wal", "run/journal.sqlite", "results.jsonl"),
    "file": ("run/journal.sqlite", "run/journal.sqlite", "results.jsonl"),
}
damages = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("garbage"), st.binary(min_size=1, max_size=300)),
    st.tuples(st.just("zeros"), st.integers(1, 5000)),
    st.tuples(st.just("flip"), st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255))),
    st.tuples(st.just("blank"), st.floats(0, 1, exclude_max=True)),
    st.tuples(st.just("delete"), st.none()),
)


def damage(path: Path, kind: str, how) -> None:
    data = bytearray(path.read_bytes())
    match kind:
        case "cut":
            del data[int(how * len(data)) :]
        case "garbage":
            data += how
        case "zeros":
            data += bytes(how)
        case "flip" if data:
            data[int(how[0] * len(data))] ^= how[1]
        case "blank":
            start = int(how * len(data)) // 512 * 512
            data[start : start + 512] = bytes(len(data[start : start + 512]))
        case "delete":
            path.unlink()
            return
    path.write_bytes(data)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    state=st.sampled_from(["log", "file"]),
    harm=st.lists(st.tuples(st.integers(0, 3), damages), min_size=1, max_size=3),
)
@example(state="log", harm=[(0, ("cut", 0.5))])
@example(state="file", harm=[(2, ("cut", 0.9))])
@example(state="file", harm=[(2, ("flip", (0.1, 1)))])
@example(state="file", harm=[(0, ("delete", None))])
def test_damaged_files_are_repaired_or_refused_and_rows_are_never_wrong(crashed, state, harm):
    place = crashed["live"]  # the run knows its output by path
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(crashed[state], place)
    for which, (kind, how) in harm:
        path = place / FILES[state][which % len(FILES[state])]
        if path.exists():
            damage(path, kind, how)
    output = place / "results.jsonl"
    if not (place / "run" / "journal.sqlite").exists():
        with pytest.raises(JournalError):
            RunStore.open(place / "run")
        return
    try:
        run_until_killed(str(place / "run"), str(output), str(place / "observer"), QUERIES, 7)
        with RunView(place / "run") as view:
            assert [row.index for row in view.queries()] == list(range(QUERIES))
            assert all(node.operator in OPERATORS for node in view.nodes())
    except (JournalError, ConfigError) as error:  # ConfigError: the claim on the output was lost
        event(f"refused: {type(error).__name__} {error.message.split(': ')[-1][-30:]}")
        return
    event("repaired")
    assert output.read_bytes() == EXPECTED


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_value_read_back_is_the_value_written_or_an_error(crashed, tmp_path_factory, place, mask):
    copy = tmp_path_factory.mktemp("flipped") / "copy"
    shutil.copytree(crashed["file"], copy)
    damage(copy / "run" / "journal.sqlite", "flip", (place, mask))
    written = {
        example_node(index, operator).key: example_node(index, operator)
        for index in range(FINISHED)
        for operator in OPERATORS
    }
    try:
        with RunView(copy / "run") as view:
            for key, node in written.items():
                found = view.node(key)
                assert found in (node, None)
            assert all(node == written[node.key] for node in view.nodes())
            assert all(row == example_result(row.index) for row in view.queries())
    except JournalError:
        event("refused")
    finally:
        shutil.rmtree(copy)


def test_rows_kept_twice_or_half_would_be_noticed():
    """Negative control of the comparison: the faults a naive writer makes all show."""
    first = LINES.line(example_result(0))
    assert EXPECTED.startswith(first)
    assert EXPECTED not in (first + EXPECTED, EXPECTED[len(first) :], EXPECTED[:-1], EXPECTED + first[:9])
