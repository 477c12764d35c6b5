"""What a worker process finds in its environment about waiting threads."""

from engine.ir.ids import WorkerId
from engine.processor.spawning import WorkerSpec, _environment


def spec(**env):
    return WorkerSpec(id=WorkerId("w"), backend="llama_cpp", memory_bytes=1 << 20, env=env)


def test_threads_look_before_they_sleep_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert _environment(spec())["OMP_WAIT_POLICY"] == "passive"
    assert 0 < int(_environment(spec())["GOMP_SPINCOUNT"]) < 1000
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert _environment(spec())["GOMP_SPINCOUNT"] == "7"
    assert _environment(spec(GOMP_SPINCOUNT="9"))["GOMP_SPINCOUNT"] == "9"
