"""A full disk, for real: a small tmpfs where root may mount one, and a file-size limit anywhere."""

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.errors import JournalError
from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.store import RunStore
from engine.journal.view import RunView
from engine.testing.journal_runs import example_meta, example_node, example_result

LINES = OutputTarget(path="x").row_format()


@pytest.fixture
def small_disk(tmp_path):
    """A 1 MiB filesystem; `grow` makes it larger."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def grow(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)


def append_all(store: RunStore, nodes: int) -> None:
    for index in range(nodes):
        store.append(example_node(index))


def submit_all(writer: ResultWriter, rows: int) -> None:
    for index in range(rows):
        writer.submit(example_result(index))
    writer.finish()


def test_journal_on_a_full_disk_stops_and_resumes_with_all_that_was_durable(small_disk):
    store = RunStore.create(small_disk / "run", example_meta())
    told: list[JournalError] = []
    heard = threading.Event()
    store.on_failure(lambda error: (told.append(error), heard.set()))
    with pytest.raises(JournalError, match="disk is full") as caught:
        append_all(store, 100_000)
    assert caught.value.exit_code == 74
    durable = store.durable
    assert heard.wait(5)
    assert len(told) == 1
    assert "free some space" in str(caught.value)
    with pytest.raises(JournalError):
        store.append(example_node(1))
    with pytest.raises(JournalError):
        store.wait_durable(durable + 1)
    with pytest.raises(JournalError):
        store.close()
    grow(small_disk)
    with RunStore.open(small_disk / "run") as again:
        recovered = again.recovered()
        assert len(recovered) >= durable > 100
        assert all(recovered.record(example_node(i).key) == example_node(i) for i in range(durable))
        again.wait_durable(again.append(example_node(99_999)))


def test_output_on_a_full_disk_stops_and_resumes_to_exactly_the_right_rows(small_disk, tmp_path):
    rows = 9000
    output = small_disk / "results.jsonl"
    told = threading.Event()
    store = RunStore.create(tmp_path / "run", example_meta())
    writer = ResultWriter(store, OutputTarget(path=str(output)), on_failure=lambda _: told.set())
    with pytest.raises(JournalError, match=r"No space left on device\n.*resume"):
        submit_all(writer, rows)
    assert told.wait(5)
    assert 0 < writer.written < rows
    with pytest.raises(JournalError):
        writer.close()
    store.close()
    grow(small_disk)
    with RunStore.open(tmp_path / "run") as store:
        recovered = store.recovered()
        writer = ResultWriter(store, OutputTarget(path=str(output)))
        for index in range(rows):
            if not recovered.finished(index):
                writer.submit(example_result(index))
        assert writer.finish() == rows
        assert writer.warnings == ()
    assert output.read_bytes() == b"".join(LINES.line(example_result(i)) for i in range(rows))


LIMITED = """
import resource, signal, sys
from pathlib import Path
from engine.errors import JournalError
from engine.journal.store import RunStore
from engine.testing.journal_runs import example_meta, example_node

store = RunStore.create(Path(sys.argv[1]), example_meta())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    for index in range(100_000):
        store.append(example_node(index))
except JournalError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_a_write_the_system_refuses_is_fatal_and_loses_nothing_durable(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "run")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 74, done.stderr
    assert "nothing more is recorded" in done.stdout
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 300_000
    assert signal.getsignal(signal.SIGXFSZ) is not None
    with RunView(tmp_path / "run") as view:
        nodes = list(view.nodes())
    assert nodes == [example_node(index) for index in range(len(nodes))]
    assert len(nodes) > 100
