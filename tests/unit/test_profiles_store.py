"""The profile file: what is saved comes back, other releases' files are read, damage is named."""

from __future__ import annotations

import pytest

from engine.errors import ConfigError
from engine.profiles.records import Average, Measurements, ModelRecord
from engine.profiles.store import ProfileStore

RECORD = ModelRecord(
    device="cpu:2:x",
    digest="d",
    options="o",
    prefill=((32.0, 0.1),),
    decode=((1.0, 0.01), (4.0, 0.02)),
    load_s=1.5,
)


def test_what_is_saved_comes_back(tmp_path):
    store = ProfileStore(tmp_path / "deep" / "profiles.json")
    assert store.load() == Measurements()
    saved = Measurements(models=(RECORD,), tools={"t": Average(mean=0.5, count=3)})
    store.save(saved)
    assert store.load() == saved
    assert [path.name for path in store.path.parent.iterdir()] == ["profiles.json"]


def test_record_of_the_same_key_is_replaced():
    newer = ModelRecord(device="cpu:2:x", digest="d", options="o", prefill=(), decode=(), load_s=2.0)
    other = ModelRecord(device="cpu:4:x", digest="d", options="o", prefill=(), decode=(), load_s=3.0)
    kept = Measurements().with_model(RECORD).with_model(other).with_model(newer)
    assert kept.model(("cpu:2:x", "d", "o")) == newer
    assert kept.model(("cpu:4:x", "d", "o")) == other
    assert kept.model(("cpu:8:x", "d", "o")) is None
    assert len(kept.models) == 2


def test_file_of_another_release_is_read(tmp_path):
    path = tmp_path / "profiles.json"
    path.write_text('{"novelty": 1, "tools": {"t": {"mean": 2.0, "spread": 9}}}')
    assert ProfileStore(path).load().tools["t"] == Average(mean=2.0)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]", b'{"models": [{"device": 3}]}', b""])
def test_damaged_file_is_named_with_its_fix(tmp_path, content):
    path = tmp_path / "profiles.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        ProfileStore(path).load()
    assert str(path) in caught.value.message
    assert "calibrate" in str(caught.value.fix)


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    store = ProfileStore(tmp_path / "profiles.json")
    store.save(Measurements(models=(RECORD,)))

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.profiles.store.os.fsync", refuse)
    with pytest.raises(ConfigError, match="No space left"):
        store.save(Measurements())
    assert store.load().models == (RECORD,)
    assert len(list(tmp_path.iterdir())) == 1
