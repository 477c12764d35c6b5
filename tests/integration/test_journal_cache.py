"""The result cache: across runs and processes, bounded, and never a reason to fail."""

import multiprocessing
import sqlite3

import pytest

from engine.ir.keys import content_key
from engine.ir.result import Completed, Usage
from engine.journal.cache import PENDING_RESULTS, ResultCache
from engine.journal.cache_file import FILE_NAME


def result(index: int, size: int = 20) -> Completed:
    return Completed(
        value={"n": index, "text": chr(97 + index % 26) * size}, usage=Usage(decoded_tokens=index)
    )


def test_a_success_is_found_now_and_by_the_next_run(tmp_path):
    key = content_key("k", 1)
    with ResultCache(tmp_path / "cache") as cache:
        assert cache.get(key) is None
        cache.put(key, result(1))
        assert cache.get(key) == result(1)
    with ResultCache(tmp_path / "cache") as cache:
        assert cache.get(key) == result(1)
        cache.put(key, result(2))
    with ResultCache(tmp_path / "cache") as cache:
        assert cache.get(key) == result(1)
        assert cache.get(content_key("k", 2)) is None


def test_the_least_recently_used_go_first(tmp_path):
    limit = 40_000
    with ResultCache(tmp_path, limit_bytes=limit) as cache:
        noise = [Completed(value="".join(content_key(i, n) for n in range(12))) for i in range(300)]
        for index in range(PENDING_RESULTS):
            cache.put(content_key(index), noise[index])
    for start in range(PENDING_RESULTS, 300, PENDING_RESULTS):
        with ResultCache(tmp_path, limit_bytes=limit) as cache:
            assert cache.get(content_key(0)) is not None
            for index in range(start, min(300, start + PENDING_RESULTS)):
                cache.put(content_key(index), noise[index])
    with ResultCache(tmp_path, limit_bytes=limit) as cache:
        kept = [index for index in range(300) if cache.get(content_key(index)) is not None]
    assert 0 in kept
    assert 299 in kept
    assert 20 < len(kept) < 150
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        (size,) = connection.execute("SELECT sum(size) FROM result").fetchone()
    connection.close()
    assert size <= limit


def fill(directory, start):
    with ResultCache(directory) as cache:
        for index in range(start, start + 400):
            cache.put(content_key(index), result(index))
            cache.get(content_key(index - 5))


def test_processes_share_a_cache(tmp_path):
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=fill, args=(tmp_path, start)) for start in (0, 200, 400)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0, 0, 0]
    with ResultCache(tmp_path) as cache:
        assert all(cache.get(content_key(index)) == result(index) for index in range(800))


@pytest.mark.parametrize("content", [b"junk" * 5000, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_cache_is_set_aside_with_a_word(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    said: list[str] = []
    with ResultCache(tmp_path, warn=said.append) as cache:
        assert cache.get(content_key(1)) is None
        cache.put(content_key(1), result(1))
    with ResultCache(tmp_path) as cache:
        assert cache.get(content_key(1)) == result(1)
    assert len(said) == 1
    assert [path.read_bytes() for path in tmp_path.glob("*.damaged-*")] == [content]


def test_a_damaged_entry_is_a_miss_and_goes(tmp_path):
    with ResultCache(tmp_path) as cache:
        cache.put(content_key(1), result(1))
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    with connection:
        connection.execute("UPDATE result SET payload = zeroblob(length(payload))")
    connection.close()
    said: list[str] = []
    with ResultCache(tmp_path, warn=said.append) as cache:
        assert cache.get(content_key(1)) is None
        cache.put(content_key(1), result(1))
    with ResultCache(tmp_path) as cache:
        assert cache.get(content_key(1)) == result(1)
    assert len(said) == 1


def test_a_cache_in_an_impossible_place_only_misses(tmp_path):
    (tmp_path / "file").touch()
    said: list[str] = []
    with ResultCache(tmp_path / "file" / "cache", warn=said.append) as cache:
        cache.put(content_key(1), result(1))
        assert cache.get(content_key(1)) is None
    assert len(said) == 1


def test_a_cache_locked_by_another_is_late_not_fatal(tmp_path):
    with ResultCache(tmp_path) as cache:
        cache.put(content_key(1), result(1))
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    said: list[str] = []
    with ResultCache(tmp_path, warn=said.append) as cache:
        assert cache.get(content_key(1)) == result(1)
        cache.put(content_key(2), result(2))
        cache.flush()
    other.close()
    assert len(said) == 1
    assert "locked" in said[0]
