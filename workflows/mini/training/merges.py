"""Examples of merging briefs into one text that keeps every figure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from workflows.mini.training.briefs import a_table
from workflows.mini.training.example import Example, Phrasings, Split, worded
from workflows.mini.training.extract import as_json
from workflows.mini.training.statements import STYLES, brief_text
from workflows.mini.training.tables import KINDS, Result

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
        "You edit briefs. Put them together in their order[, figures included|].",
        "Several briefs follow. Write them as one text[ and leave nothing out|].",
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
        "Put the briefs together in their order, the label before each.",
        "Several briefs follow. Write them as one text and keep their labels.",
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
        "Put the briefs together as JSON: summary is their text, sources lists their labels.",
        "Several briefs follow. Reply with a JSON object: summary and sources.",
    ),
    ("Combine the briefs. Answer in JSON with the keys summary and sources.",),
)
_LABELS = (
    "Market", "Delivery", "Customers", "Revenue", "Suppliers", "Films", "People", "Pages", "Messages",
    "Products", "Analyst A", "Analyst B", "Analyst C", "First", "Second", "Third",
)  # fmt: skip
_QUESTIONS = ("", "", "\nQuestion: What matters?", "\nQuestion: How are we doing?", "\nWrite the answer.")


_MORE = ("The next briefs:", "[These|Those], too:", "Now these:", "In the same way:")
_AGAIN = {
    "labelled": ("Now with labels.", "[Once more|Again], each with its label.", "With labels, please."),
    "json": ("As JSON with summary and sources.", "[Now|The same] in JSON: summary and sources."),
    "paragraph": ("As one paragraph without labels.", "Without labels, please.", "Plain text, no labels."),
}
_ONE = ("Only {}.", "What did {} say?", "[And|Now] {} alone.", "Just the brief of {}.")
_FORMS = {"merge.paragraph": "paragraph", "merge.labelled": "labelled", "merge.json": "json"}


@dataclass(frozen=True)
class _Briefs:
    """Briefs with their labels, and the tables they speak of."""

    combination: str
    results: tuple[Result, ...]
    labels: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def lines(self) -> str:
        """The briefs as a prompt holds them, a line each."""
        return "\n".join(self._labelled())

    def merged(self, form: str) -> str:
        """All of them as one text of a form."""
        paragraph = " ".join(self.texts)
        match form:
            case "labelled":
                return " ".join(self._labelled())
            case "json":
                return as_json({"summary": paragraph, "sources": list(self.labels)})
            case _:
                return paragraph

    def _labelled(self) -> list[str]:
        return [f"{label}: {text}" for label, text in zip(self.labels, self.texts, strict=True)]


def merge(dice: random.Random, split: Split) -> Example:
    """Labelled briefs, and the text that brings them together."""
    briefs = _briefs(dice, split)
    phrasings = dice.choice((_PARAGRAPH, _PARAGRAPH, _LABELLED, _JSON))
    template, system = phrasings.choose(dice, split)
    form = _FORMS[phrasings.name]
    return Example(
        family="merge",
        domain=briefs.results[0].kind.domain,
        template=template,
        combination=briefs.combination,
        messages=(("system", system), ("user", briefs.lines + dice.choice(_QUESTIONS))),
        answer=briefs.merged(form),
        followups=_followups(dice, form, briefs) if split == "train" else (),
    )


def _briefs(dice: random.Random, split: Split) -> _Briefs:
    """Two or three briefs; in training sometimes four, and often on tables of one kind, which sound alike."""
    count = dice.choice((2, 2, 3, 3, 4) if split == "train" else (2, 2, 3))
    alike = dice.choice(KINDS) if split == "train" and dice.random() < 0.35 else None
    drawn = [a_table(dice, split, alike) for _ in range(count)]
    return _Briefs(
        combination=" + ".join(combination for combination, _ in drawn),
        results=tuple(result for _, result in drawn),
        texts=tuple(brief_text(result, dice.choice(STYLES)) for _, result in drawn),
        labels=tuple(dice.sample(_LABELS, count)),
    )


def _followups(dice: random.Random, form: str, briefs: _Briefs) -> tuple[tuple[str, str], ...]:
    """More briefs to merge alike, the last ones in another form, or one of them alone."""
    turns = []
    for _ in range(dice.choice((0, 1, 1, 2))):
        briefs = _briefs(dice, "train")
        question = f"{worded(dice, dice.choice(_MORE))}\n" if dice.random() < 0.5 else ""
        turns.append((question + briefs.lines, briefs.merged(form)))
    if dice.random() < 0.3:
        other = dice.choice(tuple(_AGAIN))
        turns.append((worded(dice, dice.choice(_AGAIN[other])), briefs.merged(other)))
    if dice.random() < 0.4:
        label, text = dice.choice(tuple(zip(briefs.labels, briefs.texts, strict=True)))
        turns.append((worded(dice, dice.choice(_ONE)).format(label), text))
    return tuple(turns)
