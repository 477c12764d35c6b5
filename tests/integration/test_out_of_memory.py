"""A device that runs out of memory: smaller batches, the same texts; then a clear error; then work again."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch, which computes the reference, is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

from engine.backends.paged.limited_network import LimitedNetwork
from engine.backends.stepping import SteppedBackend
from engine.errors import ModelFileError
from engine.ir.ids import ModelName, RequestId
from engine.ir.options import RunOptions
from engine.ir.request import (
    Generated,
    GenerateOutput,
    GenerateRequest,
    Message,
    ModelFile,
    ModelOptions,
    Rejected,
)
from engine.testing.paged_reference import TOKENS_VARIABLE, load_backend, load_limited
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.runs import Ran, Setup, run_batches
from engine.worker.loading import MODULES_VARIABLE
from workflows.mini.random_folder import write_random_folder

MODEL = ModelName("m")
WORDS = "parts suppliers orders customers nations regions lines markets" * 4


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    folder = write_random_folder("tiny", tmp_path_factory.mktemp("model") / "tiny")
    options = ModelOptions(slots=4, context_tokens=768, threads=1)
    return ModelFile(name=MODEL, backend="exllamav2", path=str(folder), options=options)


def ask(backend: SteppedBackend, first: int = 0) -> dict[RequestId, GenerateOutput]:
    """Four questions of different lengths, carried to their ends."""
    for number in range(4):
        messages = (Message(role="user", content=f"{number}: {WORDS * (1 + number)}"),)
        request = GenerateRequest(
            id=RequestId(first + number), messages=messages, max_tokens=6, ignore_eos=True
        )
        backend.enqueue(request)
    found: list[GenerateOutput] = []
    while not backend.idle:
        found += backend.step()
    return {one.id: one for one in found if isinstance(one, Generated | Rejected)}


def texts(found: dict[RequestId, GenerateOutput]) -> list[str]:
    assert all(isinstance(one, Generated) for one in found.values()), found
    return [one.text for _, one in sorted(found.items()) if isinstance(one, Generated)]


@pytest.fixture
def limited(file: ModelFile):
    backend, network = load_limited(file, 1 << 28, None)
    yield backend, network
    backend.close()


def test_smaller_batches_give_the_same_texts(
    limited: tuple[SteppedBackend, LimitedNetwork], file: ModelFile
) -> None:
    backend, network = limited
    network.most_tokens = 50
    found = texts(ask(backend))
    assert max(network.refused) > 50
    plain = load_backend(file, 1 << 28)
    assert found == texts(ask(plain))
    plain.close()


def test_later_batches_are_planned_smaller(limited: tuple[SteppedBackend, LimitedNetwork]) -> None:
    backend, network = limited
    network.most_tokens = 100
    texts(ask(backend))
    first = len(network.refused)
    assert first > 0
    texts(ask(backend, first=10))
    assert len(network.refused) - first < first


def test_where_no_token_fits_requests_fail_clearly_and_the_backend_lives_on(
    limited: tuple[SteppedBackend, LimitedNetwork],
) -> None:
    backend, network = limited
    network.most_tokens = 0
    for failed in ask(backend).values():
        assert isinstance(failed, Rejected)
        assert "out of memory for a single token" in failed.message
    network.most_tokens = None
    assert len(texts(ask(backend, first=10))) == 4


def test_a_cache_that_cannot_fit_is_refused_before_anything_is_loaded(file: ModelFile) -> None:
    with pytest.raises(ModelFileError, match="need more than") as caught:
        load_backend(file, 1 << 20)
    assert "quantised kv_cache" in str(caught.value.fix)


async def run(folder: Path, file: ModelFile, most_tokens: int) -> Ran:
    setup = Setup(
        profiles=flat_profiles(("w0",), (MODEL,)),
        models={MODEL: file},
        env={
            MODULES_VARIABLE: "exllamav2=engine.testing.paged_reference",
            TOKENS_VARIABLE: str(most_tokens),
        },
    )
    plan = workflow("w", [llm("w", "a", inputs=["q"])], inputs=["q"], outputs={"a": "a"})
    rows = batch("w", [{"q": f"{number}: {WORDS}"} for number in range(6)])
    return await run_batches(folder, (plan,), [rows], setup, RunOptions())


@pytest.mark.slow
@pytest.mark.parametrize(("most_tokens", "status"), [(40, "ok"), (0, "failed")])
async def test_a_run_goes_on_with_smaller_batches_or_says_what_is_wrong(
    tmp_path: Path, file: ModelFile, most_tokens: int, status: str
) -> None:
    found = await run(tmp_path, file, most_tokens)
    assert [row["status"] for row in found.rows] == [status] * 6
    for row in found.rows if status == "failed" else ():
        error = row["error"]
        assert isinstance(error, dict)
        assert error["code"] == "generation_failed"
        assert "out of memory" in str(error["message"])
    assert found.report.workers["w0"].restarts == 0
