"""Pictures of the terminal interface: small, self-contained, and of the run that is kept beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import zstandard

from engine.journal.view import RunView

DOCS = Path(__file__).resolve().parents[3] / "docs"
SCREENS = DOCS / "screens"
BEFORE_A_RUN = ("first-run.svg",)
PICTURES = sorted(path.name for path in SCREENS.glob("*.svg"))


@pytest.fixture(scope="module")
def meta(tmp_path_factory):
    run = tmp_path_factory.mktemp("demo")
    packed = (SCREENS / "run.sqlite.zst").read_bytes()
    (run / "journal.sqlite").write_bytes(zstandard.ZstdDecompressor().decompress(packed))
    with RunView(run) as view:
        return view.meta()


def test_every_picture_is_shown_and_every_one_shown_is_there():
    page = (DOCS / "reference" / "tui.md").read_text()
    assert sorted(re.findall(r"\]\(\.\./screens/([\w.-]+)\)", page)) == PICTURES
    assert len(PICTURES) >= 4


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_small_self_contained_and_of_the_recorded_run(name, meta):
    text = (SCREENS / name).read_text()
    assert len(text.encode()) <= 300_000
    assert "@font-face" not in text
    assert str(Path.home()) not in text
    assert name in BEFORE_A_RUN or f">{meta.run}" in text.replace("&#160;", "")


def test_the_recorded_run_names_no_place_of_the_machine_it_ran_on(meta):
    named = (meta.input.description, meta.output_path, *(workflow.path for workflow in meta.workflows))
    assert not [text for text in named if "/" in text]
