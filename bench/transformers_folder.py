"""The embedded model in transformers: does the folder of `make model-hf` open there, and say the same?

    python -m bench.transformers_folder [--examples 5]

Not a dependency of this project: run it in an environment of its own that has this package, its group `train`
and transformers. Prompts are held-out ones of every task, through the folder's own chat template; answers are
greedy, of float32 there and of Q8_0 in llama.cpp here, so that a near-tied token may differ.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
import transformers

from bench.provenance import provenance
from haloctl.embedded import model_path
from workflows.mini.folder import folder_of_file
from workflows.mini.tokenizer import load_tokenizer
from workflows.mini.training.corpus import chat_text
from workflows.mini.training.evaluate import answers, held_out
from workflows.mini.vocabulary import load_vocabulary

_MAX_TOKENS = 192


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.transformers_folder", description=__doc__)
    parser.add_argument("--examples", type=int, default=5, help="of each task")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prompts = [one.messages for one in held_out(options.examples)]
    model = model_path("haloctl-mini")
    with tempfile.TemporaryDirectory(prefix="haloctl-hf-") as folder:
        read, said = _by_transformers(folder_of_file(model, Path(folder)), prompts)
    tokenizer = load_tokenizer(load_vocabulary())
    tokens = [tokenizer.encode(chat_text(messages)).ids for messages in prompts]
    ours = answers(model, prompts, threads=1)
    print(provenance(), f"transformers {transformers.__version__}")
    print(f"prompts cut into the same tokens: {sum(map(list.__eq__, read, tokens))} of {len(prompts)}")
    print(f"answers equal to llama.cpp's: {sum(map(str.__eq__, said, ours))} of {len(prompts)}")
    for there, here in zip(said, ours, strict=True):
        if there != here:
            print(f"\ntransformers: {there}\nllama.cpp:    {here}")


def _by_transformers(
    folder: Path, prompts: list[tuple[tuple[str, str], ...]]
) -> tuple[list[list[int]], list[str]]:
    """Token ids of the prompts, and answers."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    read, said = [], []
    for messages in prompts:
        turns = [{"role": role, "content": content} for role, content in messages]
        given = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        whole = network.generate(**given, max_new_tokens=_MAX_TOKENS, do_sample=False)[0]
        start = given["input_ids"].shape[1]
        read.append(whole[:start].tolist())
        said.append(tokenizer.decode(whole[start:], skip_special_tokens=True))
    return read, said


if __name__ == "__main__":
    main()
