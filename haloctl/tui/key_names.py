"""Characters that a key is written as by people, and the names Textual has for those keys."""

from __future__ import annotations

from typing import Final

NAME_OF: Final = {
    "?": "question_mark",
    "/": "slash",
    "+": "plus",
    "-": "minus",
    "=": "equals_sign",
    ".": "full_stop",
    "<": "less_than_sign",
    ">": "greater_than_sign",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "{": "left_curly_bracket",
    "}": "right_curly_bracket",
}
"""Without the comma, which stands between the keys of a binding."""
