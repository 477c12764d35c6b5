"""Examples of writing a brief: one to three tables in, a few sentences out, every figure from the rows."""

from __future__ import annotations

import random

from workflows.mini.training import words
from workflows.mini.training.example import Example, Phrasings, Split, draw, worded
from workflows.mini.training.statements import STYLES, Style, brief_text, row_text
from workflows.mini.training.tables import KINDS, Result, TableKind, draw_table

ASKED: dict[Style, Phrasings] = {
    "leader": Phrasings(
        "brief.leader",
        (
            "What stands out? One sentence.",
            "[Sum this up|Summarise the table] in one sentence.",
            "Write a brief of one sentence.",
            "Name the most important row only.",
            "Give me the headline.",
            "[In one sentence|In a single sentence]: what do the figures say?",
            "One sentence, please: what matters most?",
            "[Headline|Main point], please.",
            "Write about the top row, one sentence.",
            "What is most remarkable? In one sentence, please.",
            "Say in one sentence [what leads|which row leads].",
            "[Keep it to one sentence|One short sentence]: the top of this table.",
            "Who or what is in front? One sentence.",
            "Which row matters? Only one sentence.",
            "[Begin|Start] and end with the top row.",
            "Just the first thing a reader should know.",
            "[Tell me|Say] in one sentence what stands out.",
        ),
        ("Write one sentence about what stands out.", "In one sentence, what matters most here?"),
    ),
    "two": Phrasings(
        "brief.two",
        (
            "Write a brief of two sentences.",
            "[Sum this up|Summarise the table] in two sentences.",
            "What are the first two? Two sentences.",
            "Two sentences, please: what do the figures say?",
            "Compare the top row with the next one.",
            "What stands out, and what comes next?",
            "In two sentences: what matters most?",
            "[Headline|Top row] first, then the next, please.",
            "Write about the two [leading|first] rows, one sentence each.",
            "Say in two sentences [what leads|which rows lead].",
            "[Keep it to two sentences|Two short sentences]: the top of this table.",
            "Who is in front, and who is right behind? Two sentences.",
            "The two most important rows, a sentence each.",
            "[Begin|Start] with the top row and go on with the second.",
            "Just the first two things a reader should know.",
            "Two sentences on [what matters|the top of the table].",
            "[Describe|Sum up] the two rows that stand out.",
        ),
        ("Write two sentences about what stands out.", "In two sentences, what do the figures say?"),
    ),
    "ends": Phrasings(
        "brief.ends",
        (
            "Compare the two ends of the table.",
            "What is at the top and what is at the bottom?",
            "Write a brief on the first and the last row.",
            "Name the [best|strongest] and the weakest.",
            "Describe both extremes.",
            "How far apart are the top and the bottom?",
            "[Top and bottom|First and last], please.",
            "[Compare|Set side by side] the leader [with|and] the one at the bottom.",
            "Tell me about the first row and about the last row.",
            "Say what leads and what comes last.",
            "Set the [first|top] row against the last one.",
            "Who is in front, and who is at the end?",
            "The best and the worst row, a sentence each.",
            "[Begin|Start] with the top row and end with the bottom one.",
            "Name [both ends|the two ends] of the table.",
            "What does the table begin with, and what does it end with?",
            "Go from the top [straight|right away] to the bottom: two sentences.",
            "[Contrast|Compare] the best row [with|and] the very last one.",
            "Leave out what lies between the first and the last row.",
            "The two extremes, [a sentence each|please].",
            "[Put|Hold] the top [beside|against] the bottom of the [list|rows].",
            "Say something about both ends of the [list|rows].",
        ),
        ("Compare the top with the bottom of the table.", "Write a brief on both ends of the table."),
    ),
}
LOOKUP = Phrasings(
    "brief.lookup",
    (
        "What about {label}?",
        "How did {label} do?",
        "Give me the figures of {label}.",
        "[Tell me about|Look at] {label} only.",
        "What are the numbers for {label}?",
        "One sentence on {label}, please.",
        "[Find|Look up] {label} in the table.",
        "What can you tell me about {label}?",
        "What is known of {label}?",
        "Say what the row of {label} says.",
        "Write one sentence about {label}.",
        "{label}: what are its figures?",
        "Which figures stand beside {label}?",
        "Only {label}, please.",
        "[And|Now] {label}?",
        "I am interested in {label}.",
        "Read me the row of {label}.",
    ),
    ("What does the table say about {label}?", "Give me one sentence with the numbers of {label}."),
)
_SYSTEM = Phrasings(
    "brief.system",
    (
        "You write briefs. Use only the figures you are given.",
        "You are an analyst. Rely on the figures you are given and on nothing else. Never invent a number.",
        "Answer the question from the table. Copy figures exactly.",
        "Your readers are busy. Answer in plain sentences with figures from the rows.",
        "You are one of three analysts of a wholesale supplier. Rely on the figures you are given and on "
        "nothing else. Name what is large and what is odd. Never invent a number. Amounts are in dollars.",
        "Write a short brief for the [director|team|editor]. Every figure must stand in the table.",
        "You report what tables say[, nothing more|].",
        "You explain tables to [readers|managers|colleagues] in plain words and exact figures.",
        "Answer [briefly|in plain words]. Take each figure from the rows.",
        "You are an editor who reads figures. Copy what stands there and add nothing.",
    ),
    ("You are an analyst. Write a short brief and copy every figure exactly from the table.",),
)
REMARKS = (
    "The figures are final.", "Dates follow the calendar year.", "Compare before you conclude.",
    "Say nothing that the rows do not show.", "Readers know the business.", "Keep it plain.",
    "No lists, no headings.", "Names stay as they are written.", "Rows are sorted.",
)  # fmt: skip

_SIZES = ((2, 7), (8, 16), (1, 1), (0, 0))
"""Least and most rows of a table: mostly few, some many, now and then one or none."""
_SIZE_WEIGHTS: dict[Split, tuple[int, ...]] = {"train": (77, 13, 7, 3), "held": (83, 10, 5, 2)}
"""What is rare is met more often in training, where it is learnt last."""
_COUNTS: dict[Split, tuple[int, ...]] = {"train": (1, 1, 1, 2, 2, 3, 3, 3, 4), "held": (1, 1, 1, 2, 2, 3, 3)}
"""How many tables a prompt holds."""


def titled(dice: random.Random, split: Split, kind: TableKind) -> tuple[str, str]:
    """A combination (kind of table, place or theme, year) and the title it gives."""

    def make() -> str:
        match kind.domain:
            case "market":
                place = dice.choice(words.REGIONS) if dice.random() < 0.6 else dice.choice(words.SEGMENTS)
            case "films":
                place = dice.choice((*words.COUNTRIES, *words.GENRES))
            case "pages":
                place = dice.choice(tuple(words.LANGUAGES.values()))
            case _:
                place = dice.choice(words.PRODUCTS)
        year = dice.choice(words.YEARS) if kind.domain == "market" else dice.randint(1950, 2024)
        return f"{kind.name}/{place}/{year}"

    combination = draw(split, make)
    _, place, year = combination.split("/")
    return combination, dice.choice((f"{kind.title}, {place}, {year}", kind.title, f"{kind.title} ({place})"))


def a_table(dice: random.Random, split: Split, kind: TableKind | None = None) -> tuple[str, Result]:
    """A combination and a table of it."""
    chosen = kind or dice.choice(KINDS)
    combination, title = titled(dice, split, chosen)
    rows = dice.choices(_SIZES, _SIZE_WEIGHTS[split])[0]
    return combination, draw_table(dice, chosen, title, rows=rows)


def system_text(dice: random.Random, split: Split) -> tuple[str, str]:
    """A system message's identity and text; now and then a long one."""
    name, text = _SYSTEM.choose(dice, split)
    if dice.random() < 0.2:
        text = " ".join((text, *dice.sample(REMARKS, dice.randint(1, len(REMARKS)))))
    return name, text


def block(result: Result) -> str:
    """A table under its title, as prompts hold it."""
    return f"{result.title}:\n{result.text}"


def question_on(dice: random.Random, split: Split, result: Result) -> tuple[str, str, str]:
    """A question's identity and text, and the right answer."""
    if result.rows and dice.random() < 0.35:
        row = dice.choice(result.rows)
        name, text = LOOKUP.choose(dice, split)
        return name, text.format(label=row[0]), row_text(result, row)
    style = dice.choice(STYLES)
    name, text = ASKED[style].choose(dice, split)
    return name, text, brief_text(result, style)


def brief(dice: random.Random, split: Split) -> Example:
    """A brief on one table, or one sentence on each of several."""
    count = dice.choice(_COUNTS[split])
    alike = dice.choice(KINDS) if split == "train" and dice.random() < 0.25 else None
    drawn = [a_table(dice, split, alike) for _ in range(count)]
    results = [result for _, result in drawn]
    if count == 1:
        template, question, answer = question_on(dice, split, results[0])
    else:
        template, question = _EACH.choose(dice, split)
        answer = " ".join(brief_text(result, "leader") for result in results)
    system_name, system = system_text(dice, split)
    wanted = dice.choice(("Question: {}", "Question: {}", "{}")).format(question)
    return Example(
        family="brief",
        domain=results[0].kind.domain,
        template=f"{template} {system_name}",
        combination=" + ".join(combination for combination, _ in drawn),
        messages=(("system", system), ("user", "\n".join((*map(block, results), wanted)))),
        answer=answer,
        followups=_followups(dice, split, results),
    )


_EACH = Phrasings(
    "brief.each",
    (
        "Write one sentence on each table.",
        "What stands out in each table?",
        "[Sum up|Summarise] every table in one sentence.",
        "One sentence for each table, please.",
        "What leads in each of the tables?",
        "[For each table|Table by table]: one sentence.",
        "Each table gets one sentence[, please|].",
        "Give me the headline of each table.",
        "Go through the tables and say what leads each.",
        "One headline a table, in order.",
        "Take the tables in turn, a sentence for each.",
        "What is at the top of each table?",
        "Describe all tables, each in one sentence.",
        "All tables, please, one sentence each.",
        "Say of each table what stands first.",
        "[Every|Each] table matters: one sentence on each.",
        "Name the leader of each table.",
        "[Summarise|Describe|Sum up] the tables, a sentence for each.",
        "In one sentence each, [summarise|describe] all tables.",
        "[Summarise|Sum up] all [of them|the tables], one sentence a table.",
        "Each of the tables in [one|a single] sentence, please.",
        "There are several tables. [Summarise|Describe] each one in a sentence.",
        "[Describe|Report on|Cover] each table in [a|one] [line|sentence].",
        "Summarise [the first table, then the next, and so on|table after table], a sentence for each.",
    ),
    ("Summarise each table in one sentence.",),
)
_EACH_MORE: dict[Style, tuple[str, ...]] = {
    "leader": ("Once more, one sentence for each table.", "The headlines again.", "What leads each?"),
    "two": (
        "Two sentences on each table.",
        "The first two of every table, a sentence each.",
        "Now the tables in two sentences each.",
    ),
    "ends": (
        "Both ends of each table.",
        "Of every table the [first|top] and the last row, a sentence each.",
        "Now say of each table what leads and what is last.",
    ),
}


def _followups(dice: random.Random, split: Split, results: list[Result]) -> tuple[tuple[str, str], ...]:
    """More questions, on all tables or on one; of two tables with one title neither is asked about alone."""
    if split == "held":
        return ()
    titles = [result.title for result in results]
    alone = [result for result in results if titles.count(result.title) == 1]
    turns = []
    for _ in range(dice.randint(1, 5)):
        if len(results) > 1 and (not alone or dice.random() < 0.4):
            style = dice.choice(STYLES)
            answer = " ".join(brief_text(result, style) for result in results)
            turns.append((worded(dice, dice.choice(_EACH_MORE[style])), answer))
        else:
            result = dice.choice(alone)
            _, question, answer = question_on(dice, split, result)
            turns.append((question if len(results) == 1 else f"{result.title}: {question}", answer))
    return tuple(turns)
