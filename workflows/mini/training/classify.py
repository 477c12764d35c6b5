"""Examples of classification: feedback, film plots, page openings and questions, as a word or as JSON."""

from __future__ import annotations

import random
from typing import Any

from workflows.mini.training import messages, questions, words
from workflows.mini.training.example import Example, Phrasings, Split, draw, worded
from workflows.mini.training.extract import as_json

_ROLE = (
    "[You sort texts|You label messages|You read what people write|Your task is to find the class of a text"
    "|You are a clerk who sorts mail|Find the right class|Say what a text is about]."
)
_WORD = Phrasings(
    "classify.word",
    (
        "Classify the text. Answer with one word: {labels}.",
        "Which class fits? Choose one of {labels}.",
        "You sort texts into {labels}. Answer with the label only.",
        "Say which of these it is: {labels}. One word.",
        "Label the [text|message]. Labels: {labels}.",
        "You read texts. Reply with exactly one of {labels}.",
        "Is it {labels}? Answer with that word and nothing else.",
        "You are a classifier. Possible answers: {labels}.",
        "Give one label for the text: {labels}. No JSON.",
        "One label only, please: {labels}.",
        _ROLE + " Answer with one of {labels}.",
        _ROLE + " One word, no JSON: {labels}.",
        _ROLE + " The labels are {labels}; reply with one of them.",
        "Choose a label for the text, one of {labels}, and write only this label.",
    ),
    ("You classify texts. Answer with one of these labels only: {labels}.",),
)
_JSON = Phrasings(
    "classify.json",
    (
        "Classify the text. Answer with one JSON object: {meanings}.",
        "Sort the text. Reply in JSON: {meanings}.",
        "You [triage|sort] messages and answer with a JSON object. {meanings}.",
        "Return JSON only. {meanings}.",
        "Label the text in JSON: {meanings}.",
        "You read texts. Reply with one JSON object. {meanings}.",
        "You are a classifier that answers with a JSON object: {meanings}.",
        "Put the text into classes, as a JSON object: {meanings}.",
        "One JSON object, please: {meanings}.",
        "Which classes fit? Answer in JSON. {meanings}.",
        "Read the message and reply with a JSON object, nothing else: {meanings}.",
        _ROLE + " Answer with a JSON object: {meanings}.",
        _ROLE + " Reply in JSON, no other words. {meanings}.",
        _ROLE + " The answer is one JSON object in which {meanings}.",
        "Choose labels for the text and write only a JSON object: {meanings}.",
    ),
    ("You classify texts and answer with one JSON object: {meanings}.",),
)
_LEADS = ("{}", "Text: {}", "Message: {}")
_FROM_NOW = ("From now on", "Now", "For the next text")


def classify(dice: random.Random, split: Split) -> Example:
    """One text and its class or classes; in training more texts follow."""
    domain = dice.choice(("feedback", "feedback", "films", "pages", "market"))
    template, combination, text, values, choices = _DOMAINS[domain](dice, split)
    key = next(iter(values))
    asked: list[str] = []
    if dice.random() < 0.4:
        name, system = _WORD.choose(dice, split)
        system = system.format(labels=_listed(dice, choices[key]))
    else:
        name, system = _JSON.choose(dice, split)
        asked = _some(dice, choices)
        system = system.format(meanings=_meanings(dice, asked, choices))
    lead = dice.choice(_LEADS)
    return Example(
        family="classify",
        domain=domain,
        template=f"{template} {name}",
        combination=combination,
        messages=(("system", system), ("user", lead.format(text))),
        answer=_answer(values, key, asked),
        followups=_followups(dice, domain, lead, asked) if split == "train" else (),
    )


def _followups(dice: random.Random, domain: str, lead: str, asked: list[str]) -> tuple[tuple[str, str], ...]:
    """Up to five more texts; of several classes, now and then others are asked for from there on."""
    turns = []
    for _ in range(dice.randint(1, 5)):
        _, _, text, values, choices = _DOMAINS[domain](dice, "train")
        question = lead.format(text)
        if asked and len(choices) > 1 and dice.random() < 0.3:
            asked = _some(dice, choices)
            question = f"{dice.choice(_FROM_NOW)} {_meanings(dice, asked, choices)}.\n{question}"
        turns.append((question, _answer(values, next(iter(values)), asked)))
    return tuple(turns)


def _some(dice: random.Random, choices: dict[str, tuple[str, ...]]) -> list[str]:
    """The first key, and any of the others."""
    key, *others = choices
    return [key, *(other for other in others if dice.random() < 0.6)]


def _meanings(dice: random.Random, asked: list[str], choices: dict[str, tuple[str, ...]]) -> str:
    return "; ".join(f"{field} is {_listed(dice, choices[field])}" for field in asked)


def _answer(values: dict[str, Any], key: str, asked: list[str]) -> str:
    """The value of `key` as a word, or an object with what was asked for."""
    return as_json({field: values[field] for field in asked}) if asked else str(values[key])


Drawn = tuple[str, str, str, dict[str, Any], dict[str, tuple[str, ...]]]
"""Phrasing's identity, combination, text, right values, and what each may be."""


def _listed(dice: random.Random, labels: tuple[str, ...]) -> str:
    order = dice.sample(labels, len(labels))
    return ", ".join(order[:-1]) + " or " + order[-1]


def _sentence(
    dice: random.Random, split: Split, texts: dict[str, tuple[tuple[str, ...], tuple[str, ...]]], name: str
) -> tuple[str, str, str]:
    """Template identity, class, and sentence."""
    label = dice.choice(tuple(texts))
    train, held = texts[label]
    chosen = train if split == "train" else held
    index = dice.randrange(len(chosen))
    return f"{name}.{label}/{split}/{index}", label, worded(dice, chosen[index])


def _fill(dice: random.Random, text: str, product: str) -> str:
    year = dice.randint(1500, 1990)
    return text.format(
        product=product,
        number=dice.randint(3, 900),
        person=words.person(dice),
        topic=product,
        year=year,
        later=year + dice.randint(20, 90),
        country=dice.choice(words.COUNTRIES),
    )


def _feedback(dice: random.Random, split: Split) -> Drawn:
    name, label, text = _sentence(dice, split, messages.FEEDBACK, "feedback")
    combination = draw(split, lambda: f"feedback/{words.product(dice)}/{label}")
    sentences = [_fill(dice, text, combination.split("/")[1])]
    angry = label != "praise" and dice.random() < 0.5
    urgent = dice.random() < 0.4
    sentences += [dice.choice(messages.NEGATIVE)] * angry + [dice.choice(messages.URGENT)] * urgent
    sentences += [dice.choice(messages.NEUTRAL)] * (dice.random() < 0.4)
    dice.shuffle(sentences)
    mood = "negative" if angry else "positive" if label == "praise" else "neutral"
    values = {"category": label, "sentiment": mood, "urgency": "high" if urgent else "normal"}
    choices = {
        "category": tuple(messages.FEEDBACK),
        "sentiment": ("positive", "neutral", "negative"),
        "urgency": ("high", "normal"),
    }
    return name, combination, " ".join(sentences), values, choices


def _films(dice: random.Random, split: Split) -> Drawn:
    name, label, text = _sentence(dice, split, messages.PLOTS, "plots")
    combination = draw(split, lambda: f"plot/{words.film_title(dice)}/{label}")
    title = combination.split("/")[1]
    text = dice.choice(
        (f"{title}: {_fill(dice, text, title)}", f"{_fill(dice, text, title)} The title is {title}.")
    )
    return name, combination, text, {"genre": label}, {"genre": tuple(messages.PLOTS)}


def _pages(dice: random.Random, split: Split) -> Drawn:
    name, label, text = _sentence(dice, split, messages.OPENINGS, "openings")
    combination = draw(split, lambda: f"opening/{words.coined(dice)}/{label}")
    text = _fill(dice, text, combination.split("/")[1])
    return name, combination, text, {"kind": label}, {"kind": tuple(messages.OPENINGS)}


def _market(dice: random.Random, split: Split) -> Drawn:
    label = dice.choice(tuple(questions.MARKET))
    name, text = questions.MARKET[label].choose(dice, split)
    combination = draw(
        split,
        lambda: f"{dice.choice(words.REGIONS)}/{dice.choice(words.SEGMENTS)}/{dice.choice(words.YEARS)}",
    )
    region, segment, year = combination.split("/")
    text = text.format(region=region.title(), segment=segment.lower(), year=year)
    return name, combination, text, {"focus": label}, {"focus": tuple(questions.MARKET)}


_DOMAINS = {"feedback": _feedback, "films": _films, "pages": _pages, "market": _market}
