"""What crashes mean: suspects, quarantine, back-off, giving a worker or a model up."""

from __future__ import annotations

from engine.ir.ids import ModelName, NodeId, WorkerId
from engine.processor.supervision import Supervisor, Verdict

W = WorkerId("w0")
M = ModelName("m")
NODES = (NodeId(1), NodeId(2), NodeId(3))


def crash(supervisor: Supervisor, nodes=(), *, solo=False, blamed=True, loading=None) -> Verdict:
    return supervisor.absorb_crash(W, nodes, solo=solo, blamed=blamed, loading=loading)


def test_a_crash_of_its_own_makes_everything_in_flight_suspect():
    verdict = crash(Supervisor(), NODES)
    assert verdict.suspects == set(NODES)
    assert not verdict.quarantined
    assert verdict.delay_s == 0.0


def test_one_kill_from_outside_blames_nobody():
    verdict = crash(Supervisor(), NODES, blamed=False)
    assert not verdict.suspects | verdict.quarantined | verdict.lost


def test_a_node_killed_from_outside_again_and_again_runs_alone_and_is_given_up_at_last():
    supervisor = Supervisor()
    one = NODES[:1]
    assert not crash(supervisor, NODES, blamed=False).suspects
    assert crash(supervisor, NODES, blamed=False).suspects == set(NODES)
    assert crash(supervisor, one, solo=True, blamed=False).suspects == set(one)
    assert crash(supervisor, one, solo=True, blamed=False).suspects == set(one)
    verdict = crash(supervisor, one, solo=True, blamed=False)
    assert verdict.lost == set(one)
    assert not verdict.retire


def test_two_solo_crashes_quarantine():
    supervisor = Supervisor()
    crash(supervisor, NODES)
    assert crash(supervisor, NODES[:1], solo=True).suspects == {NODES[0]}
    assert crash(supervisor, NODES[:1], solo=True).quarantined == {NODES[0]}


def test_back_off_doubles_to_its_limit_and_starts_afresh_after_an_answer_or_a_quarantine():
    supervisor = Supervisor(backoff_s=0.5, backoff_max_s=3.0)
    assert [crash(supervisor, blamed=False).delay_s for _ in range(6)] == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0]
    supervisor.absorb_answer(W)
    assert crash(supervisor, blamed=False).delay_s == 0.0
    crash(supervisor, NODES[:1], solo=True)
    assert crash(supervisor, NODES[:1], solo=True).quarantined
    assert crash(supervisor, blamed=False).delay_s == 0.0


def test_five_crashes_in_a_row_retire_a_worker_unless_something_came_back_from_it():
    supervisor = Supervisor()
    assert [crash(supervisor).retire for _ in range(5)] == [False, False, False, False, True]
    supervisor = Supervisor()
    for _ in range(4):
        crash(supervisor)
    supervisor.absorb_answer(WorkerId("other"))
    assert crash(supervisor).retire
    supervisor.absorb_answer(W)
    assert not crash(supervisor).retire


def test_a_model_whose_loading_alone_crashes_twice_is_refused():
    supervisor = Supervisor()
    assert crash(supervisor, loading=M).unloadable is None
    assert crash(supervisor, NODES, loading=M).unloadable is None
    assert crash(supervisor, loading=M, blamed=False).unloadable is None
    assert crash(supervisor, loading=M).unloadable == M
