"""Examples of merging two or three briefs into one text that keeps every figure."""

from __future__ import annotations

import random

from workflows.mini.training.briefs import a_table, figures_in
from workflows.mini.training.example import Example, Phrasings, Split
from workflows.mini.training.extract import as_json
from workflows.mini.training.statements import STYLES, brief_text

_PARAGRAPH = Phrasings(
    "merge.paragraph",
    (
        "Merge the briefs into one paragraph.",
        "[Join|Combine|Bring together] the briefs. Keep all figures.",
        "Write one text from these briefs.",
        "You are the editor. Make one paragraph of what the analysts say and keep every figure.",
        "You are the editor of a wholesale supplier's market briefs. Bring the analysts' briefs together.",
        "Turn the briefs below into one answer. No figure may get lost.",
        "One paragraph from all briefs, please, with all their figures.",
    ),
    ("You are the editor. Combine the briefs into one text and keep all figures.",),
)
_LABELLED = Phrasings(
    "merge.labelled",
    (
        "Merge the briefs and say of each where it comes from.",
        "[Join|Combine] the briefs; name the source of each.",
        "Write one text from these briefs, each with its label.",
        "You are the editor. Keep all figures and begin each part with its label.",
        "One text, please, with labels and with all figures.",
    ),
    ("Combine the briefs into one text in which each part begins with its label.",),
)
_JSON = Phrasings(
    "merge.json",
    (
        "Merge the briefs. Answer with one JSON object with the keys summary and sources.",
        "[Join|Combine] the briefs into JSON with summary and sources.",
        "Answer in JSON: summary holds all briefs with their figures, sources their labels.",
        "Return JSON only: summary, with every figure, and sources.",
    ),
    ("Combine the briefs. Answer in JSON with the keys summary and sources.",),
)
_LABELS = (
    "Market", "Delivery", "Customers", "Revenue", "Suppliers", "Films", "People", "Pages", "Messages",
    "Products", "Analyst A", "Analyst B", "Analyst C", "First", "Second", "Third",
)  # fmt: skip
_QUESTIONS = ("", "", "\nQuestion: What matters?", "\nQuestion: How are we doing?", "\nWrite the answer.")


def merge(dice: random.Random, split: Split) -> Example:
    """Two or three labelled briefs, and the text that brings them together."""
    drawn = [a_table(dice, split) for _ in range(dice.choice((2, 2, 3)))]
    briefs = [brief_text(result, dice.choice(STYLES)) for _, result in drawn]
    labels = dice.sample(_LABELS, len(briefs))
    phrasings = dice.choice((_PARAGRAPH, _PARAGRAPH, _LABELLED, _JSON))
    template, system = phrasings.choose(dice, split)
    paragraph = " ".join(briefs)
    if phrasings is _LABELLED:
        answer = " ".join(f"{label}: {text}" for label, text in zip(labels, briefs, strict=True))
    elif phrasings is _JSON:
        answer = as_json({"summary": paragraph, "sources": labels})
    else:
        answer = paragraph
    lines = "\n".join(f"{label}: {text}" for label, text in zip(labels, briefs, strict=True))
    figures = figures_in(paragraph, [result for _, result in drawn])
    return Example(
        family="merge",
        domain=drawn[0][1].kind.domain,
        template=template,
        combination=" + ".join(combination for combination, _ in drawn),
        messages=(("system", system), ("user", lines + dice.choice(_QUESTIONS))),
        answer=answer,
        figures=figures,
        allowed=figures,
    )
