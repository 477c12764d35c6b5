"""One coordinator a run, across real processes."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import JournalError, RunLocked
from engine.journal.lock import filesystem_of, holder_of, require_local_disk
from engine.journal.runs import list_runs
from engine.journal.store import RunStore, new_run_id
from engine.testing.journal_runs import example_meta, example_node

HOLD = """
import sys
from pathlib import Path
from engine.journal.store import RunStore
store = RunStore.open(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    RunStore.create(tmp_path / "run", example_meta()).close()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_run_held_by_another_process_is_refused_by_its_pid(tmp_path, holder):
    with pytest.raises(RunLocked, match=f"process {holder.pid}") as caught:
        RunStore.open(tmp_path / "run")
    assert caught.value.exit_code == 73
    with RunStore.read(tmp_path / "run") as view:
        assert view.holder() == holder.pid
        assert view.status().status == "running"
    holder.kill()
    holder.wait()
    assert list_runs(tmp_path)[0].status == "interrupted"
    with RunStore.open(tmp_path / "run") as store:
        assert holder_of(store.directory / "lock") == os.getpid()


def test_a_view_reads_while_the_run_is_written(tmp_path):
    with RunStore.create(tmp_path / "run", example_meta()) as store, RunStore.read(tmp_path / "run") as view:
        assert list(view.nodes()) == []
        store.wait_durable(store.append(example_node(3)))
        assert list(view.nodes()) == [example_node(3)]


def test_the_lock_is_not_inherited_by_programs_started_later(tmp_path):
    with RunStore.create(tmp_path / "run", example_meta()):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with (tmp_path / "run" / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        child.kill()
        child.wait()


MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:52 / /home rw - nfs4 server:/home rw
41 40 0:53 / /home/local\040disk rw - xfs /dev/sdb rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/var/run", "ext4"), ("/home/me/runs", "nfs4"), ("/home/local disk/runs", "xfs"), ("/homes", "ext4")],
)
def test_filesystem_of_the_longest_mount(tmp_path, path, kind):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert filesystem_of(Path(path), mounts) == kind


def test_network_filesystem_is_refused_with_a_fix(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 1 0:1 / {tmp_path} rw - nfs server:/x rw\n")
    with pytest.raises(JournalError, match="runs_dir"):
        require_local_disk(tmp_path / "runs", mounts)
    require_local_disk(tmp_path / "runs", tmp_path / "no such file")


def test_run_ids_sort_by_time_and_do_not_repeat():
    ids = [new_run_id() for _ in range(50)]
    assert len(set(ids)) > 45
    assert [i[:15] for i in ids] == sorted(i[:15] for i in ids)
    assert len(ids[0]) == 20
