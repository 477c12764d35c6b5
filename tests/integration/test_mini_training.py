# ruff: noqa: E402  (without PyTorch, nothing below can be imported)
"""Training: the same steps with or without a stop, and the same model in PyTorch, llama.cpp and on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch, needed by training only, is not installed")
pytest.importorskip("safetensors", reason="safetensors, needed by training only, is not installed")

from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from engine.errors import ConfigError
from workflows.mini.folder import main as folder_of
from workflows.mini.model_file import ModelShape
from workflows.mini.tokenizer import load_tokenizer
from workflows.mini.training.checkpoint import load_curve, load_network
from workflows.mini.training.corpus import chat_text, example
from workflows.mini.training.corpus_digest import corpus_digest
from workflows.mini.training.evaluate import evaluate, held_out, lengthened, main, scores_of
from workflows.mini.training.example import FAMILIES
from workflows.mini.training.export import main as export
from workflows.mini.training.export import write_folder, write_gguf
from workflows.mini.training.grading import table
from workflows.mini.training.network import Network
from workflows.mini.training.start import kin
from workflows.mini.training.train import CHECKPOINT, ask_for_determinism, train
from workflows.mini.training.trainer import SHAPE, Trainer, TrainingPlan, embedding_share, rate_at
from workflows.mini.vocabulary import load_vocabulary

TINY = ModelShape(width=64, layers=2, heads=4, kv_heads=2, feed_forward=96, context_tokens=2048)
PLAN = TrainingPlan(
    peak_rate=3e-3, shape=TINY, steps=20, batch_tokens=600, part_tokens=300, warmup_steps=4, decay_steps=10
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    train(folder, PLAN, device="cpu", save_every_s=1e9)
    return folder


def test_adamw_alone_goes_on_exactly_as_well(tmp_path):
    plan = replace(PLAN, optimizer="adamw", steps=4)
    train(tmp_path / "whole", plan, device="cpu", save_every_s=1e9)
    for until in (2, 4):
        train(tmp_path / "parted", plan, device="cpu", save_every_s=1e9, until=until)
    whole, parted = (load_file(tmp_path / name / CHECKPOINT) for name in ("whole", "parted"))
    assert all(np.array_equal(values, parted[name]) for name, values in whole.items())


def test_a_stopped_run_ends_with_the_same_weights(straight, tmp_path):
    train(tmp_path, PLAN, device="cpu", save_every_s=1e9, until=10)
    assert load_curve(tmp_path / CHECKPOINT)[-1].step == 10
    train(tmp_path, PLAN, device="cpu", save_every_s=1e9)
    whole, parted = (load_file(folder / CHECKPOINT) for folder in (straight, tmp_path))
    assert whole.keys() == parted.keys()
    assert any(name.startswith("moment/exp_avg_sq/embedding") for name in whole)
    assert any(name.startswith("moment/momentum_buffer/blocks") for name in whole)
    for name, values in whole.items():
        assert np.array_equal(values, parted[name]), name
    losses = [[point.loss for point in load_curve(folder / CHECKPOINT)] for folder in (straight, tmp_path)]
    assert losses[0] == losses[1]


def test_loss_falls_and_is_drawn(straight):
    curve = json.loads((straight / "loss.json").read_text())
    assert curve[-1]["loss"] < curve[0]["loss"] < 9
    assert curve[-1]["step"] == 20
    assert "<polyline" in (straight / "loss.svg").read_text()


def test_another_plan_refuses_the_checkpoint_unless_told(straight, tmp_path):
    other = replace(PLAN, steps=21)
    with pytest.raises(ConfigError, match=r"another plan: steps was 20, is 21\n.*--adopt"):
        train(straight, other, device="cpu", save_every_s=1e9)
    (tmp_path / CHECKPOINT).write_bytes((straight / CHECKPOINT).read_bytes())
    assert train(tmp_path, other, device="cpu", save_every_s=1e9, adopt=True).progress.step == 21
    with pytest.raises(ConfigError, match="another shape"):
        train(
            tmp_path, replace(PLAN, shape=replace(TINY, layers=1)), device="cpu", save_every_s=1, adopt=True
        )


def renamed(path: Path, corpus: str | None) -> None:
    """Let a checkpoint say that it read another corpus, or say nothing of it, as those of old."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    del metadata["corpus"]
    save_file(load_file(path), path, metadata | ({"corpus": corpus} if corpus else {}))


@pytest.mark.parametrize("corpus", ["0123456789abcdef", None], ids=["another", "unnamed"])
def test_a_run_goes_on_in_its_own_corpus_alone_unless_told(tmp_path, corpus):
    plan = replace(PLAN, steps=2)
    train(tmp_path, plan, device="cpu", save_every_s=1e9, until=1)
    renamed(tmp_path / CHECKPOINT, corpus)
    before = (tmp_path / CHECKPOINT).read_bytes()
    told = f"read another corpus: {corpus or 'one it does not name'}, not {corpus_digest()}\n.*--adopt"
    with pytest.raises(ConfigError, match=told):
        train(tmp_path, plan, device="cpu", save_every_s=1e9)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert train(tmp_path, plan, device="cpu", save_every_s=1e9, adopt=True).progress.step == 2
    # It is a run on this corpus from now on.
    assert train(tmp_path, plan, device="cpu", save_every_s=1e9).progress.step == 2


@pytest.mark.slow
def test_the_command_says_why_a_checkpoint_is_refused(straight, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes((straight / CHECKPOINT).read_bytes())
    command = [sys.executable, "-m", "workflows.mini.training.train", str(tmp_path), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "another shape" in done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_gpu_repeatable_ways_are_asked_for_and_all_steps_have_one(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        ask_for_determinism()
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        torch.use_deterministic_algorithms(True)  # here, what has no such way raises
        assert Trainer(PLAN).step() > 0
    finally:
        torch.use_deterministic_algorithms(False)
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


def test_rate_warms_up_and_decays():
    rates = [rate_at(PLAN, step) for step in range(20)]
    assert rates[0] < rates[3] == rates[9] == max(rates) == PLAN.peak_rate
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < rates[10]


def test_a_longer_plan_begins_like_a_shorter_one():
    longer = replace(PLAN, steps=40)
    assert [rate_at(PLAN, step) for step in range(10)] == [rate_at(longer, step) for step in range(10)]


def test_training_starts_with_copying_laid_out():
    torch.manual_seed(0)
    network = Network(SHAPE, 4096)
    # Any tokens, something else, and the same tokens again: what followed them is likelier than other tokens.
    first, between = torch.randint(300, 4096, (80,)), torch.randint(300, 4096, (40,))
    ids = torch.cat((first, between, first))[None]
    known = torch.arange(121, 199)
    with torch.no_grad():
        logits = network(ids, torch.arange(200)[None], known)
    wanted = logits.gather(1, ids[0, known + 1][:, None])
    ranks = (logits > wanted).sum(1).float()
    assert ranks.median() < 4096 / 4


def test_spellings_of_a_word_begin_alike():
    tokens = load_vocabulary().tokens
    kindred = kin(tokens)
    spellings = [tokens.index(token) for token in ("EUROPE", "ĠEUROPE", "ĠEurope", "Ġeurope")]
    assert len({kindred[index] for index in spellings}) == 1
    assert kindred[tokens.index("ĠPoland")] != kindred[spellings[0]]
    assert kindred[tokens.index("7")] == tokens.index("7")
    network = Network(SHAPE, len(tokens), kindred=kindred, kinship=0.5)
    rows = torch.nn.functional.normalize(network.embedding.weight[:, 1:])
    likeness = (rows[spellings[0]] @ rows.T).detach()
    assert likeness[spellings].min() > 0.25
    assert abs(likeness[tokens.index("ĠPoland")]) < 0.25


def test_embeddings_follow_slowly_at_first():
    assert embedding_share(PLAN, 0) < embedding_share(PLAN, 5000)


def test_threads_decide_speed_alone():
    plan = TrainingPlan(shape=TINY, steps=3, batch_tokens=600, part_tokens=200, half=False)
    alone, together = Trainer(plan), Trainer(plan, threads=2)
    assert [alone.step() for _ in range(3)] == [together.step() for _ in range(3)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_compiled_blocks_compute_the_same():
    plan = TrainingPlan(shape=TINY, steps=1, batch_tokens=600, part_tokens=200, half=False)
    assert Trainer(plan, compiled=True).step() == pytest.approx(Trainer(plan).step(), rel=1e-4)


def test_parts_decide_speed_and_not_the_gradient():
    losses = []
    for part_tokens in (150, 600):
        plan = TrainingPlan(shape=TINY, steps=3, batch_tokens=600, part_tokens=part_tokens, half=False)
        trainer = Trainer(plan)
        losses.append([trainer.step() for _ in range(3)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.fixture(scope="module")
def network(straight):
    """A network with attention sharp enough that a wrong rotation or order of rows shows."""
    grown = load_network(straight / CHECKPOINT)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in grown.named_parameters():
            if weight.ndim == 2:
                weight.copy_(
                    torch.randn_like(weight) * (3.0 if "embedding" in name else 1.0) * weight.shape[1] ** -0.5
                )
            else:
                weight.copy_(1 + 0.1 * torch.randn_like(weight))
    return grown


def logits_of(network: Network, ids: list[int]) -> np.ndarray:
    tokens = torch.tensor([ids])
    with torch.no_grad():
        return network(tokens, torch.arange(len(ids))[None], torch.arange(len(ids))).numpy()


@pytest.mark.parametrize(
    ("precision", "close", "agree"), [("f32", 0.02, 1.0), ("f16", 0.05, 0.98), ("q8_0", 0.6, 0.9)]
)
def test_llama_cpp_computes_the_same_logits(network, tmp_path, precision, close, agree):
    import llama_cpp

    path = write_gguf(network, tmp_path / "model.gguf", precision=precision)
    made = example(1, "train", family="brief")
    ids = load_tokenizer(load_vocabulary()).encode(chat_text(made.messages)).ids
    model = llama_cpp.Llama(str(path), n_ctx=1024, logits_all=True, n_threads=1, verbose=False)
    try:
        model.eval(ids)
        served = np.array(model.scores[: len(ids)])
    finally:
        model.close()
    trained = logits_of(network, ids)
    assert np.abs(served - trained).max() < close * trained.std()
    assert (served.argmax(1) == trained.argmax(1)).mean() >= agree


def test_folder_holds_the_same_weights_by_halves(network, tmp_path):
    folder = write_folder(network, tmp_path / "mini")
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["tie_word_embeddings"] is True
    tensors = load_file(folder / "model.safetensors")
    assert len(tensors) == 3 + 9 * TINY.layers
    query = tensors["model.layers.0.self_attn.q_proj.weight"].astype(np.float32)
    ours = network.blocks[0].query_key_value.weight[: TINY.width].detach().numpy()
    head = TINY.head_width
    assert np.allclose(query[: head // 2], ours[0:head:2], atol=1e-3)
    assert np.allclose(query[head // 2 : head], ours[1:head:2], atol=1e-3)
    tokens = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert len(tokens) == config["vocab_size"] == 4096
    assert "<|im_start|>" in json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]


def folder_logits(folder: Path, ids: list[int]) -> np.ndarray:
    """Llama as Hugging Face defines it (rotation by halves), from the folder's files alone."""
    config = json.loads((folder / "config.json").read_text())
    tensors = {
        name: torch.from_numpy(values.astype(np.float32))
        for name, values in load_file(folder / "model.safetensors").items()
    }
    width, heads, kv_heads = config["head_dim"], config["num_attention_heads"], config["num_key_value_heads"]
    steps = torch.arange(0, width, 2) / width
    angles = torch.arange(len(ids))[:, None] * config["rope_theta"] ** -steps
    cosine, sine = (torch.cat((turn, turn), -1) for turn in (angles.cos(), angles.sin()))

    def norm(values: torch.Tensor, name: str) -> torch.Tensor:
        scale = (values.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]).rsqrt()
        return values * scale * tensors[name + ".weight"]

    def turned(values: torch.Tensor, count: int) -> torch.Tensor:
        values = values.view(len(ids), count, width).transpose(0, 1)
        first, second = values.chunk(2, -1)
        values = values * cosine + torch.cat((-second, first), -1) * sine
        return values.repeat_interleave(heads // count, 0)

    hidden = tensors["model.embed_tokens.weight"][torch.tensor(ids)]
    for index in range(config["num_hidden_layers"]):
        layer = f"model.layers.{index}."
        weights = {
            name.removeprefix(layer).split(".")[-2]: values
            for name, values in tensors.items()
            if name.startswith(layer)
        }
        seen = norm(hidden, layer + "input_layernorm")
        query = turned(seen @ weights["q_proj"].T, heads)
        key = turned(seen @ weights["k_proj"].T, kv_heads)
        value = (seen @ weights["v_proj"].T).view(len(ids), kv_heads, width).transpose(0, 1)
        value = value.repeat_interleave(heads // kv_heads, 0)
        mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + mixed.transpose(0, 1).reshape(len(ids), -1) @ weights["o_proj"].T
        seen = norm(hidden, layer + "post_attention_layernorm")
        gate = torch.nn.functional.silu(seen @ weights["gate_proj"].T)
        hidden = hidden + (gate * (seen @ weights["up_proj"].T)) @ weights["down_proj"].T
    return (norm(hidden, "model.norm") @ tensors["lm_head.weight"].T).numpy()


def test_folder_computes_the_same_logits(network, tmp_path):
    ids = (
        load_tokenizer(load_vocabulary()).encode(chat_text(example(2, "train", family="brief").messages)).ids
    )
    trained, read = logits_of(network, ids), folder_logits(write_folder(network, tmp_path / "mini"), ids)
    assert np.abs(read - trained).max() < 0.05 * trained.std()
    assert (read.argmax(1) == trained.argmax(1)).mean() >= 0.98


def test_folder_of_a_model_file_is_that_of_its_weights(network, tmp_path):
    path = write_gguf(network, tmp_path / "model.gguf", precision="f32")
    assert folder_of([str(path), str(tmp_path / "read")]) == 0
    straight = write_folder(network, tmp_path / "straight")
    for entry in straight.iterdir():
        assert (tmp_path / "read" / entry.name).read_bytes() == entry.read_bytes(), entry.name


def test_commands_export_and_evaluate(straight, tmp_path, capsys):
    path = tmp_path / "mini.gguf"
    assert export([str(straight / CHECKPOINT), "--gguf", str(path), "--folder", str(tmp_path / "hf")]) == 0
    assert (
        main([str(path), "--examples", "1", "--threads", "1", "--json", str(tmp_path / "report.json")]) == 1
    )
    printed = capsys.readouterr().out
    assert "| extract |" in printed
    assert json.loads((tmp_path / "report.json").read_text())["examples"] == 6


def test_long_prompts_are_answered(straight, tmp_path):
    path = write_gguf(load_network(straight / CHECKPOINT), tmp_path / "mini.gguf")
    long = lengthened(example(0, "held", family="brief"), 6000)
    assert len(load_tokenizer(load_vocabulary()).encode(chat_text(long.messages)).ids) > 1000
    assert len(evaluate(path, [long], threads=1)) == 1


def test_evaluate_lengthens_every_prompt_when_asked(straight, tmp_path, capsys):
    path = write_gguf(load_network(straight / CHECKPOINT), tmp_path / "mini.gguf")
    told = tmp_path / "long.json"
    arguments = [str(path), "--examples", "1", "--threads", "1", "--json", str(told)]
    main([*arguments, "--preamble", "3000"])
    report = json.loads(told.read_text())
    assert report["preamble"] == 3000
    assert len(report["failures"]) == len(FAMILIES)
    for failure in report["failures"]:
        assert len(failure["example"]["messages"][0][1]) > 2500


def test_scores_count_right_answers(straight, tmp_path):
    path = write_gguf(load_network(straight / CHECKPOINT), tmp_path / "mini.gguf")
    results = evaluate(path, held_out(1), threads=1)
    assert all(not one.grade.right for one in results)
    assert all(shares["right"] == 0 for shares in scores_of(results).values())
    assert table(scores_of(results)).count("**0.0 %**") == len(FAMILIES)
