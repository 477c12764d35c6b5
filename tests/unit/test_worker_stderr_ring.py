"""What a worker printed: bounded, and copied to a log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.processor.stderr_ring import CAPACITY_BYTES, StderrRing


@given(st.lists(st.integers(0, CAPACITY_BYTES // 3), max_size=12), st.integers(0, 255))
def test_the_last_bytes_are_kept(sizes, seed):
    ring, everything = StderrRing(), b""
    for index, size in enumerate(sizes):
        data = bytes([(seed + index) % 128]) * size
        everything += data
        ring.write(data)
    assert ring.text().encode() == everything[-CAPACITY_BYTES:]


def test_one_write_above_the_capacity_keeps_its_end():
    ring = StderrRing()
    ring.write(b"a" * CAPACITY_BYTES + b"the end\n\n")
    assert len(ring.text()) == CAPACITY_BYTES
    assert ring.last_lines(1).endswith("the end")


def test_log_file_gets_everything_and_its_failure_is_ignored(tmp_path):
    ring = StderrRing(str(tmp_path / "log"))
    ring.write(b"one\n")
    ring.write("zwei \xff\n".encode())
    ring.close()
    assert (tmp_path / "log").read_bytes() == b"one\nzwei \xc3\xbf\n"
    StderrRing(str(tmp_path / "no" / "such" / "folder")).write(b"x")
