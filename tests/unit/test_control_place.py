"""Where control sockets are, and whom they are for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from engine.processor.control_socket import is_alive, sweep
from engine.wire.control_place import (
    LONGEST_PATH_BYTES,
    ControlError,
    is_welcome,
    make_private,
    note_path,
    noted_path,
    peer_of,
    socket_path,
)


@pytest.fixture
def short(tmp_path_factory):
    """A folder with a path short enough for a socket."""
    return tmp_path_factory.mktemp("s")


def test_the_runtime_folder_is_used_where_there_is_one(short, tmp_path):
    path = socket_path(tmp_path / "20261121-122501-k3f9", {"XDG_RUNTIME_DIR": str(short)})
    assert path.parent == short / "haloctl"
    assert path.name.startswith("20261121-122501-k3f9-")
    assert (short / "haloctl").stat().st_mode & 0o777 == 0o700
    assert socket_path(tmp_path / "20261121-122501-k3f9", {"XDG_RUNTIME_DIR": str(short)}) == path


def test_runs_of_one_name_in_different_folders_have_sockets_of_their_own(short):
    environ = {"XDG_RUNTIME_DIR": str(short)}
    assert socket_path(Path("/a/run"), environ) != socket_path(Path("/b/run"), environ)


@pytest.mark.parametrize("runtime", ["", "relative/folder", "/" + "x" * 120, "/proc/nothing/here"])
def test_without_a_usable_runtime_folder_the_temporary_one_is_used(tmp_path, monkeypatch, short, runtime):
    monkeypatch.setattr("tempfile.tempdir", str(short))
    path = socket_path(tmp_path / "run", {"XDG_RUNTIME_DIR": runtime})
    assert path.parent == short / f"haloctl-{os.getuid()}"
    assert len(os.fsencode(path)) <= LONGEST_PATH_BYTES


def test_a_folder_others_may_look_into_is_not_used(short):
    folder = short / "haloctl"
    folder.mkdir(mode=0o755)
    folder.chmod(0o750)
    reason = make_private(folder)
    assert reason is not None
    assert "open to others (mode 0750)" in reason


def test_a_link_or_a_file_is_not_used_as_folder(short):
    (short / "real").mkdir(mode=0o700)
    (short / "link").symlink_to(short / "real")
    (short / "file").write_text("")
    assert make_private(short / "real") is None
    assert "no folder" in (make_private(short / "link") or "")
    assert make_private(short / "file") is not None


def test_a_folder_of_somebody_else_is_not_used(short, monkeypatch):
    folder = short / "haloctl"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert f"belongs to user {folder.stat().st_uid}" in (make_private(folder) or "")


def test_no_folder_at_all_is_said_with_every_reason(monkeypatch, short, tmp_path):
    bad = short / "bad"
    bad.mkdir()
    bad.chmod(0o777)
    monkeypatch.setattr("engine.wire.control_place._folders", lambda _environ: [bad, Path("/" + "y" * 110)])
    with pytest.raises(ControlError, match=r"open to others.*too long a path"):
        socket_path(tmp_path / "run", {})


def test_the_kernel_says_who_is_at_the_other_end():
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours) == (os.getpid(), os.getuid())


def test_only_the_same_user_is_welcome():
    assert is_welcome(os.getuid())
    assert not is_welcome(os.getuid() + 1)
    assert not is_welcome(0, ours=1000)


def test_a_socket_is_found_through_its_note(tmp_path):
    assert noted_path(tmp_path) is None
    note_path(tmp_path, Path("/somewhere/else.sock"))
    assert noted_path(tmp_path) == Path("/somewhere/else.sock")


def test_sockets_left_behind_are_removed_and_live_ones_are_not(short):
    dead, live = short / "dead.sock", short / "live.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(dead))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(live))
        listener.listen(1)
        (short / "other.txt").write_text("")
        sweep(short)
        assert sorted(path.name for path in short.iterdir()) == ["live.sock", "other.txt"]
        assert is_alive(live)
    assert not is_alive(dead)
