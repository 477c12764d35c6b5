"""Examples of reading a question's parameters into one JSON object with the keys asked for."""

from __future__ import annotations

import json
import random
from typing import Any

from workflows.mini.training import questions, words
from workflows.mini.training.example import Example, Phrasings, Split, draw, worded

_ASK = Phrasings(
    "extract.ask",
    (
        "You read questions and answer with one JSON object. {meanings}",
        "Extract the parameters of the question as JSON with the keys {keys}. {meanings}",
        "Read the question. Answer with a JSON object with the keys {keys} and nothing else.",
        "Find out what the question is about. Reply in JSON: {keys}. {meanings}",
        "You turn [questions|text] into parameters. Keys: {keys}. {meanings}",
        "Return JSON only. {meanings}",
        "Read the [message|question] and fill in a JSON object with {keys}. {meanings}",
        "You are given a text. Reply with a JSON object. Its keys are {keys}. {meanings}",
        "JSON, please: {keys}. {meanings}",
        "What does the person ask for? Answer with one JSON object. Keys: {keys}.",
        "Take {keys} from the text. {meanings} Answer in JSON.",
        "You read what people write and note {keys} in one JSON object. {meanings}",
    ),
    ("Read the text and answer with one JSON object. Keys: {keys}. {meanings}",),
)
_LEADS = ("Question: {}", "Question: {}", "{}", "Text: {}", "Message: {}")
MEANINGS = {
    "region": "region is where the customers are.",
    "segment": "segment is their line of business.",
    "year": "year is the year of the orders, 1992 to 1998.",
    "focus": "focus is what the question asks about first: revenue, customers, delivery or suppliers.",
    "genre": "genre is the kind of film.",
    "country": "country is where the film was made.",
    "first_year": "first_year is the earliest year.",
    "last_year": "last_year is the latest year.",
    "person": "person is whose films are meant.",
    "topic": "topic is the title of the page.",
    "language": "language is a code of two letters.",
    "aspect": "aspect is what the reader wants to know.",
    "product": "product is the thing bought.",
    "order": "order is the number of the order.",
    "wish": "wish is refund, exchange, repair or information.",
}
_MARKET_SYSTEM = (
    "You read questions about the sales of a wholesale supplier and answer with one JSON object. "
    "region is where the customers are. segment is their line of business. year is the year of the "
    "orders, 1992 to 1998. focus is what the question asks about first."
)

_ASIDES = (
    "Hello.", "Hi there.", "Thank you.", "I am in a hurry.", "It is for a report.", "Please be brief.",
    "My team wants to know.", "One more thing.", "As always.", "I asked before.", "Good morning.", "Cheers.",
)  # fmt: skip
"""What stands around questions and says nothing."""

Drawn = tuple[str, str, str, dict[str, Any]]
"""Phrasing's identity, combination, text, and all values the text tells."""


def extract(dice: random.Random, split: Split) -> Example:
    """One question and the object that holds its parameters; in training more questions may follow."""
    domain = dice.choice(("market", "market", "films", "pages", "feedback"))
    template, combination, text, values = _DOMAINS[domain](dice, split)
    whole = domain == "market" and dice.random() < 0.4
    asked = tuple(values) if whole else _some(dice, tuple(values))
    ask, system = (
        ("extract.market", _MARKET_SYSTEM) if whole and split == "train" else _ask(dice, split, asked)
    )
    lead = dice.choice(_LEADS)
    return Example(
        family="extract",
        domain=domain,
        template=f"{template} {ask}",
        combination=combination,
        messages=(("system", system), ("user", lead.format(text if split == "held" else _aside(dice, text)))),
        answer=as_json({key: values[key] for key in asked}),
        followups=_followups(dice, domain, asked, lead) if split == "train" else (),
    )


def _followups(
    dice: random.Random, domain: str, asked: tuple[str, ...], lead: str
) -> tuple[tuple[str, str], ...]:
    """Up to four more questions that tell the same parameters."""
    turns = []
    for _ in range(dice.randint(0, 4)):
        _, _, text, values = _DOMAINS[domain](dice, "train")
        if set(asked) <= set(values):
            turns.append((lead.format(_aside(dice, text)), as_json({key: values[key] for key in asked})))
    return tuple(turns)


def _aside(dice: random.Random, text: str) -> str:
    """The text, now and then with words before or after it."""
    match dice.randrange(6):
        case 0:
            return f"{dice.choice(_ASIDES)} {text}"
        case 1:
            return f"{text} {dice.choice(_ASIDES)}"
        case _:
            return text


def as_json(value: object) -> str:
    """Compact JSON, as templates print objects."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _some(dice: random.Random, keys: tuple[str, ...]) -> tuple[str, ...]:
    chosen = dice.sample(keys, dice.randint(min(2, len(keys)), len(keys)))
    return tuple(chosen)


def _ask(dice: random.Random, split: Split, keys: tuple[str, ...]) -> tuple[str, str]:
    name, text = _ASK.choose(dice, split)
    listed = ", ".join(keys[:-1]) + " and " + keys[-1]
    return name, text.format(keys=listed, meanings=" ".join(MEANINGS[key] for key in keys))


def _market(dice: random.Random, split: Split) -> Drawn:
    combination = draw(
        split,
        lambda: f"{dice.choice(words.REGIONS)}/{dice.choice(words.SEGMENTS)}/{dice.choice(words.YEARS)}",
    )
    region, segment, year = combination.split("/")
    focus = dice.choice(tuple(questions.MARKET))
    name, text = questions.MARKET[focus].choose(dice, split)
    cased = dice.choice((str.title, str.title, str.upper, str.lower))
    question = text.format(
        region=cased(region), segment=dice.choice((str.lower, str.lower, str.upper))(segment), year=year
    )
    return (
        name,
        combination,
        question,
        {"region": region, "segment": segment, "year": int(year), "focus": focus},
    )


def _films(dice: random.Random, split: Split) -> Drawn:
    drawn = dice.randint(1920, 2015)
    if dice.random() < 0.3:
        return _by_person(dice, split, drawn)
    length = dice.randint(1, 30)
    combination = draw(
        split, lambda: f"{dice.choice(words.GENRES)}/{dice.choice(words.COUNTRIES)}/{drawn // 10}"
    )
    genre, country, _ = combination.split("/")
    name, text = questions.FILMS.choose(dice, split)
    question = text.format(genre=genre, country=country, first=drawn, last=drawn + length)
    values = {"genre": genre, "country": country, "first_year": drawn, "last_year": drawn + length}
    return name, combination, question[0].upper() + question[1:], values


def _by_person(dice: random.Random, split: Split, first: int) -> Drawn:
    combination = draw(split, lambda: words.person(dice))
    name, text = questions.PEOPLE.choose(dice, split)
    return (
        name,
        combination,
        text.format(person=combination, first=first),
        {
            "person": combination,
            "first_year": first,
        },
    )


def _pages(dice: random.Random, split: Split) -> Drawn:
    language = dice.choice(tuple(words.LANGUAGES))
    combination = draw(split, lambda: f"{words.page_title(dice)}/{dice.choice(words.ASPECTS)}")
    topic, aspect = combination.split("/")
    name, text = questions.PAGES.choose(dice, split)
    question = text.format(topic=topic, aspect=aspect, language=words.LANGUAGES[language])
    return name, combination, question, {"topic": topic, "language": language, "aspect": aspect}


def _feedback(dice: random.Random, split: Split) -> Drawn:
    wish = dice.choice(words.WISHES)
    combination = draw(split, lambda: f"{words.product(dice)}/{dice.randint(1000, 9_999_999)}")
    product, order = combination.split("/")
    name, text = questions.FEEDBACK.choose(dice, split)
    said = worded(dice, dice.choice(questions.MESSAGES[wish]))
    question = text.format(product=product, order=order, wish=said)
    return name, combination, question, {"product": product, "order": int(order), "wish": wish}


_DOMAINS = {"market": _market, "films": _films, "pages": _pages, "feedback": _feedback}
