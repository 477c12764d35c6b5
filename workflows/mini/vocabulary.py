"""The embedded model's vocabulary and chat template (trained by training/tokenizer.py, committed)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML, as many instruction-tuned models use it."""

END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|im_end|>"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in id order (GPT-2 byte alphabet), merges as "left right" in rank order.

    `control` names the tokens that only templates may produce; they are among `tokens`. `pre_tokenizer`
    is llama.cpp's name of how text is cut before merging.
    """

    control: tuple[str, ...]
    pre_tokenizer: str
    tokens: tuple[str, ...]
    merges: tuple[str, ...]


def load_vocabulary() -> Vocabulary:
    """The committed vocabulary: 4,096 tokens, all 256 bytes among them, so any text can be encoded."""
    state = json.loads((files("workflows.mini") / "tokenizer.json").read_text(encoding="utf-8"))
    return Vocabulary(
        control=tuple(state["control"]),
        pre_tokenizer=state["pre_tokenizer"],
        tokens=tuple(state["tokens"]),
        merges=tuple(state["merges"]),
    )
