"""Functions of the word_scores workflow: plain Python, called by keyword, returning JSON data."""

from __future__ import annotations

_WEIGHTS = {"positive": 1, "neutral": 0, "negative": -1}


def count_words(text: str) -> dict[str, int]:
    """How many words `text` has, and how many different ones."""
    words = text.lower().split()
    return {"words": len(words), "different": len(set(words))}


def score(words: int, sentiment: str) -> int:
    """Longer texts count more."""
    return words * _WEIGHTS[sentiment]
