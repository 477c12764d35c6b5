"""A coordinator killed with SIGKILL at random points, its output tail torn or soiled, until it is done.

The long run: HALOCTL_TEST_KILLS=10000 pytest --timeout=0 tests/integration/test_journal_sigkill.py
"""

import json
import multiprocessing
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from engine.ir.keys import content_key
from engine.journal.output_target import OutputTarget
from engine.journal.view import RunView
from engine.journal.writer import GROUP_RECORDS
from engine.testing.journal_runs import OPERATORS, example_result, run_until_killed

QUERIES = 400
KILLS = int(os.environ.get("HALOCTL_TEST_KILLS", "45"))


@pytest.fixture(scope="module")
def forks():
    """Children fork from one warm process: no import time, so that kills fall into the work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["engine.testing.journal_runs"])
    return context


class Harness:
    def __init__(self, directory: Path, forks, order: str, format: str) -> None:
        self.run = directory / "run"
        self.output = directory / f"results.{format}"
        self.observer = directory / "observer"
        self.forks, self.order, self.format = forks, order, format
        self.kills = 0
        self.midway = 0
        self.known: set[str] = set()
        self.lost_most = 0

    def session(self, seed: int, limit_s: float | None) -> int | None:
        """One process; None when it was killed, else its exit code.

        `limit_s` counts from its start in one of three sessions, from its first work in the others.
        """
        before = self.executed()
        started = self.forks.Event()
        arguments = (
            str(self.run),
            str(self.output),
            str(self.observer),
            QUERIES,
            seed,
            self.order,
            self.format,
            started,
        )
        process = self.forks.Process(target=run_until_killed, args=arguments)
        process.start()
        if limit_s is not None and seed % 3:
            started.wait(10)
        process.join(limit_s)
        killed = process.exitcode is None
        if killed:
            process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        self.check_nothing_repeated(before)
        self.kills += killed
        self.midway += killed and len(self.executed()) > len(before)
        return None if killed else process.exitcode

    def executed(self) -> list[str]:
        return self.observer.read_text().split() if self.observer.exists() else []

    def committed(self) -> set[str]:
        if not (self.run / "journal.sqlite").exists():
            return set()
        with RunView(self.run) as view:
            keys, kinds = view.op_keys()
        return {keys[at * 16 : at * 16 + 16].hex() for at in range(len(kinds))}

    def check_nothing_repeated(self, before: list[str]) -> None:
        done = self.executed()[len(before) :]
        assert not self.known & set(done), "a committed result was computed again"
        assert len(done) == len(set(done))
        self.known = self.committed()
        lost = set(done) - self.known
        assert len(lost) <= GROUP_RECORDS + 1, "more was lost than one group and what was in flight"
        self.lost_most = max(self.lost_most, len(lost))

    def soil(self, chance: random.Random) -> None:
        """What a crash of the machine, or a person, may leave behind."""
        if not self.output.exists() or self.format == "parquet":
            return
        data = self.output.read_bytes()
        match chance.randrange(6):
            case 0:
                self.output.write_bytes(data + chance.randbytes(chance.randrange(1, 400)))
            case 1:
                self.output.write_bytes(data[: max(0, len(data) - chance.randrange(1, 400))])
            case 2:
                self.output.write_bytes(data + b"\0" * 4096)
            case 3 if chance.random() < 0.3:
                self.output.unlink()


@pytest.mark.parametrize(
    ("order", "format", "kills"),
    [("input", "jsonl", KILLS), ("completion", "csv", 10), ("input", "parquet", 6)],
)
def test_killed_at_random_points_every_query_has_exactly_one_correct_row(
    tmp_path, forks, order, format, kills
):
    chance = random.Random(f"{order} {format}")
    harness = Harness(tmp_path, forks, order, format)
    for seed in range(1, 400 + 40 * kills):
        code = harness.session(seed, None if harness.kills >= kills else chance.uniform(0.0, 0.05))
        if code == 0 and harness.kills >= kills:
            break
        if code == 0:
            check_rows(harness, order, format)
            harness = restarted(harness, tmp_path)
        harness.soil(chance)
    check_rows(harness, order, format)
    sys.stdout.write(
        f"{harness.kills} kills, {harness.midway} of them in the work, "
        f"at most {harness.lost_most} results lost by one\n"
    )
    assert harness.kills >= kills
    assert harness.midway >= kills // 4, "too few kills fell into the work to prove anything"


def restarted(old: Harness, directory: Path) -> Harness:
    """A new run, with the kills of the old one counted on."""
    place = directory / f"after-{old.kills}"
    place.mkdir()
    new = Harness(place, old.forks, old.order, old.format)
    new.kills, new.midway, new.lost_most = old.kills, old.midway, old.lost_most
    return new


def check_rows(harness: Harness, order: str, format: str) -> None:
    expected = [example_result(index) for index in range(QUERIES)]
    assert harness.committed() == {content_key(name, i) for i in range(QUERIES) for name in OPERATORS}
    target = OutputTarget(path=str(harness.output), format=format, columns=("answer", "number"))
    if format == "parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(harness.output).to_pylist()
        assert [(row["row"], row["status"], row["number"]) for row in rows] == [
            (r.index, r.status, r.index if r.status == "ok" else None) for r in expected
        ]
        return
    lines = target.row_format()
    data = harness.output.read_bytes()
    if order == "input":
        assert data == lines.header + b"".join(map(lines.line, expected))
    else:
        assert data.startswith(lines.header)
        assert sorted(data.removeprefix(lines.header).splitlines()) == sorted(
            line for row in expected for line in lines.line(row).splitlines()
        )


def test_a_naive_writer_is_caught_by_the_same_check(tmp_path):
    """Negative control: append as it comes, on resume continue after the last line."""
    lines = OutputTarget(path="x").row_format()
    output = tmp_path / "naive.jsonl"
    wrong = 0
    chance = random.Random(1)
    for _ in range(40):
        output.write_bytes(b"")
        while len(done := output.read_bytes().splitlines()) < 20:
            stop = chance.randrange(len(done) + 1, 21)
            with output.open("ab") as file:
                for index in range(len(done), stop):
                    file.write(lines.line(example_result(index)))
            os.truncate(output, output.stat().st_size - (chance.randrange(2) * chance.randrange(60)))
        wrong += output.read_bytes() != b"".join(lines.line(example_result(i)) for i in range(20))
    assert wrong > 0
    assert json.loads(lines.line(example_result(1)))["row"] == 1
