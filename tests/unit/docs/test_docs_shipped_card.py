"""The model card is of the model that ships."""

import re
from pathlib import Path

import gguf

from haloctl import embedded

CARD = Path(__file__).resolve().parents[3] / "docs/model-card.md"


def test_card_and_model_file_are_of_one_run():
    page = " ".join(CARD.read_text(encoding="utf-8").split())
    path = embedded.model_path("haloctl-mini")
    parameters = sum(int(tensor.n_elements) for tensor in gguf.GGUFReader(path).tensors)
    assert f"{parameters / 1e6:.1f} million parameters" in page
    assert f"{path.stat().st_size / 1e6:.1f} MB" in page


def test_card_tells_of_every_task_and_names_no_place_of_a_machine():
    page = CARD.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| [^|]+ \| \**[\d.]+ %\** \| ≥ \d+ %", page, re.MULTILINE)
    assert rows == ["extract", "classify", "brief", "merge", "shape", "market"]
    assert not re.search(r"/(home|root|tmp|work|Users)/", page)
    assert (CARD.parent / "model-loss.svg").exists()
