import sqlite3
import stat
import threading
import time

import msgspec
import pytest

from engine.errors import JournalError
from engine.ir.event import EpochStarted, RunStarted
from engine.ir.ids import RunId
from engine.ir.keys import content_key
from engine.ir.result import (
    Completed,
    NodeCounts,
    NodeRecord,
    RowCounts,
    RunReport,
    TokenCounts,
)
from engine.journal.records import CrashRecord, Intent
from engine.journal.runs import list_runs
from engine.journal.schema import SCHEMA_VERSION
from engine.journal.store import RunStore
from engine.journal.writer import GROUP_RECORDS, LINGER_S
from engine.testing.journal_runs import OPERATORS, example_meta, example_node, example_result

REPORT = RunReport(
    run=RunId("r"),
    status="ok",
    rows=RowCounts(ok=1),
    nodes=NodeCounts(),
    tokens=TokenCounts(),
    model_loads=0,
    estimate_s=0.0,
    makespan_s=1.0,
    workers={},
)


@pytest.fixture
def store(tmp_path):
    with RunStore.create(tmp_path / "runs" / "r", example_meta()) as store:
        yield store


def test_a_new_run_is_private_and_says_what_it_is(store):
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    assert store.meta() == example_meta()
    with RunStore.read(store.directory) as view:
        assert view.status().status == "running"
        assert view.counts() == RowCounts()
        assert view.claim() is None


def test_what_was_recorded_is_recovered(store):
    for index in range(30):
        for operator in OPERATORS:
            store.append(example_node(index, operator))
        if index < 20:
            store.append(example_result(index))
    recovered = store.recovered()
    assert len(recovered) == 90
    assert recovered.record(example_node(7).key) == example_node(7)
    assert recovered.kind(content_key(OPERATORS[2], 11)) == "failed"
    assert recovered.kind(content_key(OPERATORS[2], 13)) == "skipped"
    assert recovered.kind(content_key(OPERATORS[0], 13)) == "completed"
    assert recovered.kind(content_key("no", 1)) is None
    assert recovered.outcome(content_key("no", 1)) is None
    assert [recovered.finished(i) for i in (0, 19, 20, 10**9)] == [True, True, False, False]
    assert recovered.rows == RowCounts(ok=18, failed=2)
    recovered.close()


def test_an_intent_is_open_until_its_node_is_committed(store):
    for index in (1, 2):
        store.append(Intent(key=example_node(index).key, operator=OPERATORS[0], idempotency_key=f"k{index}"))
    store.append(example_node(1))
    recovered = store.recovered()
    assert [i.idempotency_key for i in recovered.open_intents.values()] == ["k2"]
    assert recovered.open_intents[example_node(2).key].operator == OPERATORS[0]


def test_crashes_are_counted_by_node(store):
    key = example_node(1).key
    crashes = [CrashRecord(key=key, worker="w0", signal=11, solo=solo) for solo in (False, True)]
    for crash in crashes:
        store.append(crash)
    assert store.recovered().crashes == {key: tuple(crashes)}


def test_the_first_outcome_of_a_node_stays(store):
    first = example_node(1)
    store.append(first)
    store.append(msgspec.structs.replace(first, outcome=Completed(value="other")))
    assert store.recovered().outcome(first.key) == first.outcome


def test_equal_outcomes_are_stored_once_and_read_everywhere(store):
    outcome = Completed(value="shared " * 2000)
    for index in range(50):
        store.append(NodeRecord(node=index, operator="w/a", key=content_key(index), outcome=outcome))
    recovered = store.recovered()
    assert all(recovered.outcome(content_key(index)) == outcome for index in range(50))
    with sqlite3.connect(store.directory / "journal.sqlite") as connection:
        assert connection.execute("SELECT count(payload), count(same_as) FROM op").fetchone() == (1, 49)
    connection.close()


def test_events_come_back_in_order(store):
    events = (RunStarted(at=0.0, run=RunId("r")), *(EpochStarted(at=float(i), index=i) for i in range(100)))
    store.append_events(events[:60])
    store.append_events(events[60:])
    store.flush()
    with RunStore.read(store.directory) as view:
        assert tuple(view.events()) == events


def test_a_node_without_a_key_is_refused_where_it_is_appended(store):
    node = NodeRecord(node=0, operator="w/a", key=None, outcome=Completed(value=1))
    with pytest.raises(ValueError, match="key"):
        store.append(node)
    store.wait_durable(store.append(example_node(1)))


def test_subscribers_hear_what_is_durable_until_they_stop(store):
    heard: list[int] = []
    end = store.subscribe(heard.append)
    last = [store.append(example_node(i)) for i in range(10)][-1]
    assert store.wait_durable(last)
    store.flush()
    assert heard
    assert heard == sorted(heard)
    assert heard[-1] == last == store.durable
    end()
    count = len(heard)
    store.wait_durable(store.append(example_node(11)))
    assert len(heard) == count


def test_a_lone_record_is_durable_after_the_linger_without_being_waited_for(store):
    done = threading.Event()
    store.subscribe(lambda _: done.set())
    started = time.monotonic()
    store.append(example_node(0))
    assert done.wait(5)
    assert time.monotonic() - started >= LINGER_S / 2


def test_never_more_than_one_group_of_outcomes_is_at_risk(store):
    at_risk = []
    for index in range(2000):
        store.append(example_node(index))
        at_risk.append(store.backlog)
    assert max(at_risk) <= GROUP_RECORDS
    store.flush()
    assert store.backlog == 0


def test_many_threads_may_append(store):
    def work(start):
        for index in range(start, start + 100):
            store.append(example_node(index))

    threads = [threading.Thread(target=work, args=(k * 100,)) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.recovered()) == 500


def test_forgetting_failures_leaves_successes(store):
    for index in range(30):
        store.append(example_node(index, OPERATORS[2]))
        store.append(example_result(index))
    store.append(CrashRecord(key=example_node(1).key, worker="w0", signal=11))
    store.forget_failed()
    recovered = store.recovered()
    assert recovered.rows == RowCounts(ok=27)
    assert recovered.kind(content_key(OPERATORS[2], 11)) is None
    assert recovered.kind(content_key(OPERATORS[2], 13)) == "skipped"
    assert not recovered.finished(11)
    assert recovered.crashes == {}


def test_a_closed_store_takes_nothing_and_may_be_closed_again(tmp_path):
    store = RunStore.create(tmp_path / "r", example_meta())
    store.set_status("ok", REPORT)
    store.close()
    store.close()
    with pytest.raises(JournalError, match="closed"):
        store.append(example_node(1))
    assert not (tmp_path / "r" / "journal.sqlite-wal").exists()
    with RunStore.read(tmp_path / "r") as view:
        assert view.status().report == REPORT


def test_a_run_is_created_once(tmp_path):
    RunStore.create(tmp_path / "r", example_meta()).close()
    with pytest.raises(JournalError, match="exists already"):
        RunStore.create(tmp_path / "r", example_meta())
    RunStore.open(tmp_path / "r").close()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "holds no run"), (b"hello " * 1000, "not a database"), (b"", "not a haloctl journal")],
)
def test_foreign_files_are_refused(tmp_path, content, words):
    if content is not None:
        (tmp_path / "journal.sqlite").write_bytes(content)
    for opening in (RunStore.open, RunStore.read):
        with pytest.raises(JournalError, match=words) as caught:
            opening(tmp_path)
        assert caught.value.exit_code == 74
        assert caught.value.fix


def test_somebody_elses_database_and_a_newer_journal_are_refused(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    connection = sqlite3.connect(foreign / "journal.sqlite")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(JournalError, match="not a haloctl journal"):
        RunStore.open(foreign)
    RunStore.create(tmp_path / "newer", example_meta()).close()
    connection = sqlite3.connect(tmp_path / "newer" / "journal.sqlite")
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(JournalError, match="newer haloctl") as caught:
        RunStore.open(tmp_path / "newer")
    assert "upgrade" in str(caught.value)


def test_runs_are_listed_newest_first_and_broken_ones_are_shown(tmp_path):
    assert list_runs(tmp_path / "none") == ()
    for name in ("20261121-100000-aaaa", "20261121-110000-bbbb"):
        store = RunStore.create(tmp_path / name, example_meta(name))
        store.set_status("ok", REPORT)
        store.close()
    broken = tmp_path / "20261121-120000-cccc"
    broken.mkdir()
    (broken / "journal.sqlite").write_bytes(b"not a journal" * 500)
    (tmp_path / "empty").mkdir()
    found = list_runs(tmp_path)
    assert [run.run[-4:] for run in found] == ["cccc", "bbbb", "aaaa"]
    assert "not a database" in found[0].broken
    assert found[1].status == "ok"
    assert found[1].pid is None
    assert found[1].input == "questions.csv"
