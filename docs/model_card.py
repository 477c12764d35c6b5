"""Write docs/model-card.md and docs/model-loss.svg from what `make model` left in a training folder.

    python docs/model_card.py FOLDER

FOLDER holds haloctl-mini.gguf, evaluation.json, loss.json and, if prompts were lengthened too,
evaluation-long-CHARACTERS.json; and origin.txt where the run did not go straight from its seed to its end.
Every figure of the card comes from these files or from the code that trains, so that the card of another run
is this command again.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

from workflows.mini.training.curve import picture
from workflows.mini.training.example import FAMILIES, Family
from workflows.mini.training.grading import Scores, missed, table
from workflows.mini.training.trainer import Point, TrainingPlan

DOCS = Path(__file__).resolve().parent
_MOST_LINES = 14
"""Prompts of failures that are longer are cut in the middle."""
_MOST_OF_SYSTEM = 700
"""Characters of a system message; what a longer one says last is remarks."""
_WIDTH = 108


@dataclass(frozen=True)
class Run:
    """What a training folder tells."""

    reader: Any
    size_bytes: int
    evaluation: dict[str, Any]
    long: list[dict[str, Any]]
    """Evaluations with lengthened prompts, the least first."""
    curve: list[Point]
    origin: str
    """How the run came about, in sentences for the reader; empty where one command made all of it."""

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Raises OSError for a file that is not there, ValueError for one that is not what it should be."""
        model = folder / "haloctl-mini.gguf"
        curve = [Point(**point) for point in _json(folder / "loss.json")]
        long, origin = map(_json, folder.glob("evaluation-long-*.json")), folder / "origin.txt"
        return cls(
            reader=gguf.GGUFReader(model),
            size_bytes=model.stat().st_size,
            evaluation=_json(folder / "evaluation.json"),
            long=sorted(long, key=lambda evaluation: int(evaluation["preamble"])),
            curve=curve,
            origin=origin.read_text(encoding="utf-8").strip() if origin.exists() else "",
        )

    def number(self, key: str) -> int:
        """A number of the model file's description."""
        return int(self.reader.fields[f"llama.{key}"].contents())

    @property
    def each(self) -> int:
        """Examples of each task."""
        return int(self.evaluation["examples"]) // len(FAMILIES)

    @property
    def parameters(self) -> int:
        """How many weights the model has, the embedding once."""
        return sum(int(tensor.n_elements) for tensor in self.reader.tensors)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def card(run: Run) -> str:
    """The whole page."""
    end, plan = run.curve[-1], TrainingPlan()
    return _PAGE.format(
        parameters=f"{run.parameters / 1e6:.1f}",
        size=f"{run.size_bytes / 1e6:.1f}",
        context=f"{run.number('context_length'):,}",
        layers=run.number("block_count"),
        width=run.number("embedding_length"),
        heads=run.number("attention.head_count"),
        feed=run.number("feed_forward_length"),
        vocabulary=f"{run.number('vocab_size'):,}",
        each=run.each,
        table=table(run.evaluation["scores"]),
        verdict=verdict(run.evaluation["scores"]),
        long=_of_long_prompts(run.long),
        failures="\n\n".join(filter(None, (_failure(run, family) for family in FAMILIES))),
        seed=plan.seed,
        steps=f"{end.step:,}",
        tokens=f"{end.tokens / 1e6:.1f}",
        hours=f"{end.seconds / 3600:.1f}",
        loss=f"{end.loss:.3f}",
        origin=f" {run.origin}" if run.origin else "",
    )


def verdict(scores: Scores) -> str:
    """One sentence: which targets were missed."""
    below = missed(scores)
    return f"Below its target, and set in bold: {', '.join(below)}." if below else "Every target is met."


def _of_long_prompts(evaluations: list[dict[str, Any]]) -> str:
    """What long prompts do to the scores, or that this was not measured."""
    if not evaluations:
        return (
            "\n\n**Long prompts were not measured.** Those above have fewer than 400 tokens; what the model\n"
            "does with thousands, up to the context that it admits, no score here tells."
        )
    rows = "\n".join(f"| {one['preamble']:,} | {_shares(one['scores'])} |" for one in evaluations)
    return (
        "\n\nLong prompts: right behind so many characters of unrelated remarks (`--preamble N`), on\n"
        f"{evaluations[0]['examples'] // len(FAMILIES)} examples of each task.\n\n"
        f"| characters | {' | '.join(FAMILIES)} |\n|{'---|' * (1 + len(FAMILIES))}\n{rows}"
    )


def _shares(scores: Scores) -> str:
    """The cells of a row: what is right of each task."""
    return " | ".join(f"{100 * scores[family]['right']:.1f} %" for family in FAMILIES)


def _failure(run: Run, family: Family) -> str:
    """How often a task went wrong, and the shortest prompt for which it did."""
    wrong = [entry for entry in run.evaluation["failures"] if entry["example"]["family"] == family]
    if not wrong:
        return f"**{family}**: no failure."
    chosen = min(wrong, key=lambda entry: (len(entry["example"]["messages"][-1][1]), entry["said"]))
    prompt = "\n\n".join(_turn(role, content) for role, content in chosen["example"]["messages"])
    body = f"{prompt}\n\nwanted: {chosen['example']['answer']}\nsaid:   {chosen['said']}"
    return f"**{family}**: {len(wrong)} of {run.each} went wrong, for example\n\n{_block(body)}"


def _turn(role: str, content: str) -> str:
    """A message of a prompt, cut where it is long."""
    if role != "system":
        return f"{role}: {_cut(content)}"
    told = content if len(content) <= _MOST_OF_SYSTEM else f"{content[:_MOST_OF_SYSTEM]} …"
    return "\n".join(textwrap.fill(line, _WIDTH) for line in f"{role}: {told}".split("\n"))


def _cut(text: str) -> str:
    lines = text.split("\n")
    if len(lines) <= _MOST_LINES:
        return text
    half = _MOST_LINES // 2
    return "\n".join((*lines[:half], f"… {len(lines) - 2 * half} lines …", *lines[-half:]))


def _block(text: str) -> str:
    """A block that shows the text as it is, whatever the model wrote."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


_PAGE = """\
<!-- Written by docs/model_card.py from a training folder; change the words there. -->

# haloctl-mini

The model that comes with haloctl: {parameters} million parameters, Llama architecture, {size} MB
(`workflows/mini/haloctl-mini.gguf`, Q8_0), context of {context} tokens. It lets `make demo`, the
examples and the tests answer sensibly on a machine without a network.

**It is a demonstration model, not a general assistant.** It reads short questions and small tables of
the domains below and copies what it finds into sentences or JSON. It does no arithmetic, knows no facts,
and reads English only.

## What it can do

Measured with `python -m workflows.mini.training.evaluate workflows/mini/haloctl-mini.gguf`, decoding
greedily through llama.cpp without a grammar, on {each} examples of each task. Every example uses
phrasings and combinations of parameters that training never sees. Some words that decide a label are the same
in both ([below](#what-training-shares-with-these-examples)).

{table}

{verdict}

"Same text" is equality with the reference, "valid JSON" means the keys asked for and no others, "nothing
invented" that every number of the answer stands in the prompt. A workflow's `schema` is a grammar while
haloctl decodes, so JSON is always valid there.{long}

### What training shares with these examples

Held out are combinations of parameters (whose values occur in training, apart) and, of every meaning, one to
three phrasings of questions and messages. Not held out, the same in both splits:

- the sentences that make a message angry or urgent, and so decide `sentiment` and `urgency` when classifying;
- how a customer asks for a refund, an exchange, a repair or information, which decides `wish` in extraction;
- what a key means (`region is where the customers are`), and the names of keys in JSON answers;
- titles and columns of tables, labels of briefs, and the market brief's own system messages.

So the scores say how the model reads new wordings around known signs, not new signs. Nor are they those of
a blind test: where earlier models failed on a held-out wording, training was given other wordings of that
meaning, never that one. Wordings that nobody has looked at would score lower.

## Where it fails

The shortest prompt of each task that went wrong, with its system message, long ones cut.

{failures}

## How it was made

- **Corpus**: written by a generator (`workflows/mini/training/`), endless and seeded, without any text
  of others: questions on TPC-H, films, an encyclopedia and customer feedback; result tables as prompts
  print them; briefs, merges of briefs, JSON; the market brief's and the six workloads' own prompts;
  exercises in copying. One in eight combinations of parameters, and one to three phrasings of every
  meaning, are held out.
- **Network**: {layers} layers of width {width} with {heads} heads, gated feed-forward of {feed};
  {vocabulary} byte-level BPE tokens that spell any text, numbers cut into groups of three digits; ChatML
  with control tokens of its own.
- **Start**: random weights with a circuit for copying laid out in them (`start.py`), so that copying
  need not be found by chance.
- **Training**: seed {seed}, {tokens} million tokens in {steps} steps, loss on answers only ({loss} per
  token at the end), Muon and AdamW, {hours} hours on two processor cores.{origin}

![Loss per answer token over tokens seen](model-loss.svg)

## Make it again

```
make model                      # hours; run it again to go on after a stop
make model TRAINING=folder      # keeps checkpoints, curve, model file, folder and scores there
make model-hf                   # the shipped model as a Hugging Face folder
```

The same commit gives the same weights on the same kind of processor, whatever the number of threads
([training](../workflows/mini/training/README.md)). The trainer takes `--device cuda`, but **has never run on
a GPU**: no speed, no weights and no equality of two runs are known there. `make gpu-check` tries it.

## Use it elsewhere

The file is an ordinary GGUF: tokenizer, chat template, control tokens and stop token are in it, and
llama.cpp's own `llama-cli`, `llama-completion` and `llama-server -m workflows/mini/haloctl-mini.gguf` run it
([shown](measurements.md#the-embedded-model-in-llamacpps-own-programs)). From Python:

```python
from llama_cpp import Llama

model = Llama("workflows/mini/haloctl-mini.gguf", n_ctx=2048, verbose=False)
system = (
    "You read questions about the sales of a wholesale supplier and answer with one JSON object."
    " region is where the customers are. segment is their line of business. year is the year of the"
    " orders, 1992 to 1998. focus is what the question asks about first."
)
question = "Question: Was 1997 a good year for automobile sales in Europe?"
messages = [{{"role": "system", "content": system}}, {{"role": "user", "content": question}}]
answer = model.create_chat_completion(messages, temperature=0)
print(answer["choices"][0]["message"]["content"])
```

`make model-hf` writes the same weights as a folder with safetensors, config and tokenizer. transformers
opened one and answered thirty prompts as llama.cpp does
([shown](measurements.md#the-embedded-model-in-llamacpps-own-programs)). It is laid out for ExLlamaV2 as well,
which **has not opened it yet**: that takes a GPU.

## Licence and limits

Apache License 2.0, like the code. Names in the corpus are invented; TPC-H's words are its
specification's. Prompts unlike those it was trained on get confident nonsense. Documents in training
were short, with gaps between positions up to 2,400; beyond that nothing was trained. Do not let it
decide anything.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python docs/model_card.py", description=__doc__)
    parser.add_argument("folder", type=Path, help="where `make model` trained")
    parser.add_argument("--into", type=Path, default=DOCS)
    options = parser.parse_args(arguments)
    run = Run.read(options.folder)
    (options.into / "model-card.md").write_text(card(run), encoding="utf-8")
    (options.into / "model-loss.svg").write_text(picture(run.curve), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
