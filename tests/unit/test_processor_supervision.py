"""What crashes mean: suspects, quarantine, back-off, the circuit."""

from __future__ import annotations

from engine.ir.ids import NodeId, WorkerId
from engine.processor.supervision import Supervisor

W = WorkerId("w0")
NODES = (NodeId(1), NodeId(2), NodeId(3))


def test_a_crash_of_its_own_makes_everything_in_flight_suspect():
    verdict = Supervisor().absorb_crash(W, NODES, solo=False, blamed=True, at=1.0)
    assert verdict.suspects == NODES
    assert verdict.quarantined == ()
    assert verdict.delay_s == 0.0


def test_a_kill_from_outside_blames_nobody():
    supervisor = Supervisor()
    for at in range(3):
        verdict = supervisor.absorb_crash(W, NODES[:1], solo=True, blamed=False, at=float(at))
        assert verdict.suspects == verdict.quarantined == ()


def test_two_solo_crashes_quarantine():
    supervisor = Supervisor()
    supervisor.absorb_crash(W, NODES, solo=False, blamed=True, at=0.0)
    assert supervisor.absorb_crash(W, NODES[:1], solo=True, blamed=True, at=1.0).suspects == NODES[:1]
    assert supervisor.absorb_crash(W, NODES[:1], solo=True, blamed=True, at=2.0).quarantined == NODES[:1]


def test_back_off_doubles_to_its_limit_and_starts_afresh_after_a_success():
    supervisor = Supervisor(backoff_s=0.5, backoff_max_s=3.0)
    delays = [
        supervisor.absorb_crash(W, (), solo=False, blamed=False, at=100.0 * i).delay_s for i in range(6)
    ]
    assert delays == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0]
    supervisor.absorb_success(W)
    assert supervisor.absorb_crash(W, (), solo=False, blamed=False, at=999.0).delay_s == 0.0


def test_five_crashes_in_a_minute_open_the_circuit_unless_something_completed():
    supervisor = Supervisor()
    opened = [
        supervisor.absorb_crash(W, (), solo=False, blamed=True, at=float(i)).circuit_open for i in range(5)
    ]
    assert opened == [False, False, False, False, True]
    supervisor = Supervisor()
    for i in range(4):
        supervisor.absorb_crash(W, (), solo=False, blamed=True, at=float(i))
    supervisor.absorb_success(W)
    assert not supervisor.absorb_crash(W, (), solo=False, blamed=True, at=5.0).circuit_open


def test_slow_crashes_never_open_the_circuit():
    supervisor = Supervisor()
    assert not any(
        supervisor.absorb_crash(W, (), solo=False, blamed=True, at=61.0 * i).circuit_open for i in range(9)
    )
