"""From settings to workers and model files, and what is said about it."""

import pytest

from engine.errors import ConfigError, ModelFileError
from engine.ir.ids import ModelName
from engine.ir.options import NAIVE, RunOptions
from engine.ir.request import ModelFile
from haloctl import machine
from haloctl.digests import DigestBook, model_digests
from haloctl.gpu_device import first_visible
from haloctl.knowledge import device_of
from haloctl.placement import _specs, assemble_fleet
from haloctl.settings import ModelSettings, PathSettings, Settings, WorkerSettings


def settings(tmp_path, models, workers=None):
    return Settings(
        models=models, workers=workers or {}, paths=PathSettings(runs=str(tmp_path), cache=str(tmp_path))
    )


def test_the_default_worker_is_announced_and_gets_half_the_machine(tmp_path):
    said = []
    fleet = assemble_fleet(settings(tmp_path, {"toy": ModelSettings(backend="echo")}), ["toy"], said.append)
    (worker,) = fleet.workers
    assert (worker.id, worker.backend, worker.threads) == ("echo", "echo", machine.cores())
    assert worker.memory_bytes == machine.memory_bytes() // 2
    assert len(said) == 1
    assert "[workers.echo]" in said[0]


def test_configured_workers_are_not_announced_and_share_what_they_leave_open(tmp_path):
    workers = {
        "a": WorkerSettings(backend="echo", memory="1GiB", threads=3),
        "b": WorkerSettings(backend="echo", cpus=(0, 1, 2, 3)),
        "idle": WorkerSettings(backend="llama_cpp"),
    }
    said = []
    fleet = assemble_fleet(
        settings(tmp_path, {"toy": ModelSettings(backend="echo", slots=5)}, workers), ["toy"], said.append
    )
    a, b = fleet.workers
    assert said == []
    assert (a.memory_bytes, a.threads) == (2**30, 3)
    assert (b.memory_bytes, b.threads, b.cpus) == (machine.memory_bytes() // 4, 4, (0, 1, 2, 3))
    assert fleet.models[ModelName("toy")].options.slots == 5
    assert fleet.able(ModelName("toy")) == (a, b)


@pytest.mark.parametrize(
    ("cores", "backends", "threads"),
    [
        (2, ["echo"], [2]),
        (2, ["echo"] * 2, [1, 1]),
        (2, ["echo"] * 3, [1, 1, 1]),
        (8, ["echo"] * 3, [2, 2, 2]),
        (8, ["echo", "exllamav2", "echo"], [4, 4, 4]),
    ],
)
def test_workers_that_compute_on_cores_share_them_equally(monkeypatch, cores, backends, threads):
    monkeypatch.setattr(machine, "cores", lambda: cores)
    workers = {f"w{i}": WorkerSettings(backend=backend, memory="1GiB") for i, backend in enumerate(backends)}
    assert [spec.threads for spec in _specs(workers, None)] == threads


def test_mechanisms_reach_the_backend_only_where_they_are_off(tmp_path):
    toy = settings(tmp_path, {"toy": ModelSettings(backend="echo")})

    def options(run):
        return assemble_fleet(toy, ["toy"], lambda _: None, run).models[ModelName("toy")].options

    assert options(RunOptions()).extra == {}
    naive = options(RunOptions(mechanisms=NAIVE, reproducible=True))
    assert naive.extra == {"prefix_sharing": False, "prefix_order": False}
    assert naive.reproducible


@pytest.mark.parametrize(
    ("models", "workers", "words"),
    [
        ({"toy": ModelSettings(backend="echo")}, {}, "did you mean 'toy'"),
        ({"tpy": ModelSettings()}, {}, "set gguf or exl2"),
        ({"tpy": ModelSettings(gguf="/none.gguf")}, {}, "there is no /none.gguf"),
        ({"tpy": ModelSettings(backend="echo")}, {"w": WorkerSettings()}, "no worker runs model 'tpy'"),
    ],
)
def test_faults_say_what_to_change(tmp_path, models, workers, words):
    with pytest.raises(ConfigError) as caught:
        assemble_fleet(settings(tmp_path, models, workers), ["tpy"], lambda _: None)
    assert words in str(caught.value)


def test_a_model_in_two_formats_goes_to_the_worker_there_is(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    model = ModelSettings(gguf=str(tmp_path / "m.gguf"), exl2=str(tmp_path))
    for backend in ("llama_cpp", "exllamav2"):
        fleet = assemble_fleet(
            settings(tmp_path, {"m": model}, {"w": WorkerSettings(backend=backend)}), ["m"], lambda _: None
        )
        assert fleet.models[ModelName("m")].backend == backend


def test_the_form_of_the_cache_is_told_to_gpu_workers_alone(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    model = ModelSettings(gguf=str(tmp_path / "m.gguf"), exl2=str(tmp_path), kv_cache="q4")
    for backend, extra in (("llama_cpp", {}), ("exllamav2", {"kv_cache": "q4"})):
        chosen = settings(tmp_path, {"m": model}, {"w": WorkerSettings(backend=backend)})
        fleet = assemble_fleet(chosen, ["m"], lambda _: None)
        assert fleet.models[ModelName("m")].options.extra == extra


def model_file(path, sha256=None):
    return ModelFile(name=ModelName("m"), backend="llama_cpp", path=str(path), sha256=sha256)


def test_digests_follow_the_file_and_pins_are_kept(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"one")
    book = DigestBook(tmp_path / "cache")
    first = book.digest(model_file(path))
    assert DigestBook(tmp_path / "cache").digest(model_file(path, first)) == first
    path.write_bytes(b"other")
    assert book.digest(model_file(path)) != first
    with pytest.raises(ModelFileError, match="settings pin"):
        book.digest(model_file(path, first))
    with pytest.raises(ModelFileError):
        book.digest(model_file(tmp_path / "none"))


def test_a_folder_has_one_digest_over_names_and_contents(tmp_path):
    folder = tmp_path / "exl2"
    folder.mkdir()
    (folder / "a").write_bytes(b"1")
    (folder / "b").write_bytes(b"2")
    book = DigestBook(tmp_path / "cache")
    first = book.digest(model_file(folder))
    (folder / "b").rename(folder / "c")
    assert book.digest(model_file(folder)) != first


GPUS = "0, GPU-aaa, NVIDIA H200, 143771\n1, GPU-bbb, NVIDIA L4, 23034\n"


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """A driver's tool that lists two devices."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\nprintf '{GPUS}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def two_forms(tmp_path, **fields):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    return ModelSettings(gguf=str(tmp_path / "m.gguf"), exl2=str(tmp_path), **fields)


BOTH = {"c": WorkerSettings(), "g": WorkerSettings(backend="exllamav2")}


def test_both_forms_of_a_model_are_used_only_where_that_is_allowed(tmp_path):
    said = []
    model = two_forms(tmp_path)
    fleet = assemble_fleet(settings(tmp_path, {"m": model}, BOTH), ["m"], said.append)
    assert [(worker.id, worker.backend) for worker in fleet.workers] == [("g", "exllamav2")]
    assert fleet.others == {}
    assert "either_form in [models.m]" in said[0]
    model = two_forms(tmp_path, either_form=True)
    both = assemble_fleet(settings(tmp_path, {"m": model}, BOTH), ["m"], said.append)
    assert [worker.id for worker in both.able(ModelName("m"))] == ["c", "g"]
    assert [(file.name, file.backend) for file in both.files] == [("m", "exllamav2"), ("m", "llama_cpp")]
    for worker in both.workers:
        form = both.form(ModelName("m"), worker.backend)
        assert form is not None
        assert form.path == (model.gguf if worker.id == "c" else model.exl2)
    assert both.only(set()).files == ()
    assert len(said) == 1


def test_a_reproducible_run_uses_one_form_whatever_is_allowed(tmp_path):
    said = []
    both = settings(tmp_path, {"m": two_forms(tmp_path, either_form=True)}, BOTH)
    fleet = assemble_fleet(both, ["m"], said.append, RunOptions(reproducible=True))
    assert [file.backend for file in fleet.files] == ["exllamav2"]
    assert "reproducible" in said[0]


def test_each_form_has_a_pin_of_its_own(tmp_path):
    one, other = "a" * 64, "B" * 64
    pinned = two_forms(tmp_path, either_form=True, sha256=one, exl2_sha256=other)
    fleet = assemble_fleet(settings(tmp_path, {"m": pinned}, BOTH), ["m"], lambda _: None)
    assert [file.sha256 for file in fleet.files] == [other.lower(), one]
    half = two_forms(tmp_path, either_form=True, sha256=one)
    with pytest.raises(ConfigError, match="exl2_sha256"):
        assemble_fleet(settings(tmp_path, {"m": half}, BOTH), ["m"], lambda _: None)


def test_calls_on_a_model_of_two_forms_are_keyed_by_both():
    one, two = {(ModelName("m"), "llama_cpp"): "1"}, {(ModelName("m"), "exllamav2"): "2"}
    assert model_digests(one) == {"m": "1"}
    assert model_digests({**one, **two}) == model_digests({**two, **one}) == {"m": "2+1"}


def test_without_worker_settings_a_gpu_is_used_where_there_is_one(tmp_path, gpus):
    either = settings(tmp_path, {"m": two_forms(tmp_path, either_form=True)})
    assert [worker.id for worker in assemble_fleet(either, ["m"], lambda _: None).workers] == ["cpu", "gpu"]
    one = settings(tmp_path, {"m": two_forms(tmp_path)})
    assert [worker.id for worker in assemble_fleet(one, ["m"], lambda _: None).workers] == ["cpu"]


def test_gpu_workers_share_their_gpu_and_not_the_machines_memory(tmp_path, gpus):
    second = WorkerSettings(backend="exllamav2", env={"CUDA_VISIBLE_DEVICES": "1"})
    workers = {**BOTH, "again": WorkerSettings(backend="exllamav2"), "small": second}
    model = two_forms(tmp_path, either_form=True)
    fleet = assemble_fleet(settings(tmp_path, {"m": model}, workers), ["m"], lambda _: None)
    memory = {worker.id: worker.memory_bytes for worker in fleet.workers}
    assert memory["c"] == machine.memory_bytes() // 2
    assert memory["g"] == memory["again"] == int(0.9 * (143771 << 20)) // 2
    assert memory["small"] == int(0.9 * (23034 << 20))
    devices = {worker.id: device_of(worker) for worker in fleet.workers}
    assert devices["g"] == "gpu:NVIDIA H200"
    assert devices["small"] == "gpu:NVIDIA L4"
    assert devices["c"].startswith("cpu:")


def test_a_device_is_found_as_cuda_would_name_it(gpus, tmp_path, monkeypatch):
    assert first_visible({"CUDA_VISIBLE_DEVICES": "GPU-bb"}).name == "NVIDIA L4"
    assert first_visible({"CUDA_VISIBLE_DEVICES": ""}) is None
    assert first_visible({"CUDA_VISIBLE_DEVICES": "7"}) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert first_visible() is None
