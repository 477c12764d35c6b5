"""The documentation says what the code says."""

import importlib.util
from pathlib import Path

import pytest

from engine.ir.result import FAILURE_CODES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["failure-codes.md", "exit-codes.md", "settings.md", "cli.md", "tui.md"])
def test_reference_pages_are_up_to_date(generate, page):
    name = f"docs/reference/{page}"
    assert (ROOT / name).read_text(encoding="utf-8") == generate.PAGES[name](), "run: make schema"


def test_workflow_schema_is_up_to_date(generate):
    name = "docs/reference/workflow.schema.json"
    assert (ROOT / name).read_text(encoding="utf-8") == generate.PAGES[name](), "run: make schema"


def test_every_failure_code_is_published():
    page = (ROOT / "docs/reference/failure-codes.md").read_text(encoding="utf-8")
    published = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert published == list(FAILURE_CODES)


def test_architecture_names_every_module_with_its_own_words(generate):
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert page == generate.architecture(), "run: make schema"
    for path, words in generate.modules():
        assert words, f"{path} has no docstring"
        assert f"| `{path.rpartition('/')[2]}` | {words} |" in page


def test_links_between_documents_lead_somewhere():
    import re

    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
