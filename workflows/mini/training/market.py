"""Examples of the market brief's own prompts: three analysts who read tables, and the editor who joins them.

Ranks, shares and changes come from SQL; the model copies figures and sets them into sentences.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from engine.ir.ids import Json
from engine.templating.views import printed, view
from workflows.mini.training import questions, words
from workflows.mini.training.example import Example, Phrasings, Split, draw

ANALYST = (
    "You are one of three analysts of a wholesale supplier that sells parts to customers in 25 nations. Your "
    "readers are busy and know the business. Rely on the figures you are given and on nothing else. Copy "
    "numbers exactly as they stand and never invent one. Revenue is in millions of dollars. Answer with one "
    "or two plain sentences."
)
EDITOR = (
    "You are the editor of a wholesale supplier's market briefs. Bring the analysts' briefs together in the "
    "order they stand in, and keep every figure."
)
ASKED = {
    "sales": Phrasings(
        "market.sales",
        ("Brief the reader on sales.", "[Write|Give] a brief on sales.", "What do sales look like?"),
        ("Tell the reader about sales.",),
    ),
    "deliveries": Phrasings(
        "market.deliveries",
        ("Brief the reader on deliveries.", "[Write|Give] a brief on deliveries.", "How late were parcels?"),
        ("Tell the reader about deliveries.",),
    ),
    "trade": Phrasings(
        "market.trade",
        (
            "Brief the reader on customers and suppliers.",
            "[Write|Give] a brief on customers and suppliers.",
            "Who bought most, and who delivered most?",
        ),
        ("Tell the reader about customers and suppliers.",),
    ),
}
"""The brief's own wording comes first."""
_NOTHING = "There are no figures."
_ORDERS = {
    "revenue": ("sales", "trade", "deliveries"),
    "customers": ("trade", "sales", "deliveries"),
    "delivery": ("deliveries", "sales", "trade"),
    "suppliers": ("trade", "sales", "deliveries"),
}
"""What is asked about → which brief comes first."""
_SCALES = (1, 1, 1, 10, 100)


@dataclass(frozen=True)
class Read:
    """What one analyst is given and should say of it."""

    given: str
    brief: str


def market(dice: random.Random, split: Split) -> Example:
    """One analyst's prompt, or the editor's."""
    combination = draw(
        split,
        lambda: f"{dice.choice(words.REGIONS)}/{dice.choice(words.SEGMENTS)}/{dice.choice(words.YEARS)}",
    )
    region, segment, year = combination.split("/")
    read = {
        name: make(dice, region, segment, int(year), dice.choice(_SCALES)) for name, make in _READERS.items()
    }
    if dice.random() < 0.4:
        return _edited(dice, split, combination, read)
    chosen = dice.choice(tuple(read))
    template, asked = ASKED[chosen].choose(dice, split)
    return _example(template, combination, ANALYST, f"{read[chosen].given}\n{asked}", read[chosen].brief)


def _edited(dice: random.Random, split: Split, combination: str, read: dict[str, Read]) -> Example:
    region, segment, year = combination.split("/")
    focus = dice.choice(tuple(questions.MARKET))
    name, text = questions.MARKET[focus].choose(dice, split)
    question = text.format(region=region.title(), segment=segment.lower(), year=year)
    order = _ORDERS[focus]
    lines = "\n".join(f"{part.capitalize()}: {read[part].brief}" for part in order)
    answer = " ".join(read[part].brief for part in order)
    return _example(name, combination, EDITOR, f"{lines}\nQuestion: {question}", answer)


def _example(template: str, combination: str, system: str, prompt: str, answer: str) -> Example:
    return Example(
        family="market",
        domain="market",
        template=template,
        combination=combination,
        messages=(("system", system), ("user", prompt)),
        answer=answer,
    )


def _sales(dice: random.Random, region: str, segment: str, year: int, scale: int) -> Read:
    title = f"Sales of {segment} in {region}"
    revenue, orders = _million(dice, 2, 30, scale), dice.randint(8, 150 * scale)
    change = (
        "with nothing to compare it to"
        if year == words.YEARS[0]
        else f"{dice.uniform(0, 60):.1f} percent {dice.choice(('more', 'less'))} than in {year - 1}"
    )
    ranked = _ranked(dice, dice.sample(words.NATIONS, 5), 0.2, 8, scale)
    given = (
        f"{title}:\n{_table(('year', 'orders', 'revenue', 'change'), [(year, orders, revenue, change)])}\n"
        f"Nations:\n{_table(('nation', 'revenue'), ranked)}"
    )
    (first, most), (second, next_most), *_ = ranked
    return Read(
        given,
        f"{segment} in {region} brought {_said(revenue)} million dollars with {orders} orders in {year}, "
        f"{change}. {first} leads with {_said(most)} million, ahead of {second} with {_said(next_most)} "
        "million.",
    )


def _deliveries(dice: random.Random, region: str, segment: str, year: int, scale: int) -> Read:
    modes = dice.sample(words.SHIP_MODES, len(words.SHIP_MODES))
    rows = sorted(((mode, *_late(dice, scale)) for mode in modes), key=lambda row: (-row[2], row[0]))
    table = _table(("mode", "parcels", "late_percent"), rows)
    worst, best = rows[0], rows[-1]
    return Read(
        f"Late parcels of {segment} in {region} in {year}:\n{table}",
        f"{worst[0]} was least punctual: {_said(worst[2])} percent of {worst[1]} parcels came late. "
        f"{best[0]} did best with {_said(best[2])} percent of {best[1]}.",
    )


def _trade(dice: random.Random, region: str, segment: str, year: int, scale: int) -> Read:
    if dice.random() < 0.03:
        empty = _table(("customer", "nation", "revenue"), [])
        return Read(f"Customers of {segment} in {region} in {year}:\n{empty}", _NOTHING)
    nations = dice.sample(words.NATIONS, 5)
    buyers = _ranked(dice, [_numbered(dice, "Customer") for _ in range(5)], 0.1, 3, scale)
    customers = [(name, dice.choice(nations), revenue) for name, revenue in buyers]
    suppliers = _ranked(dice, [_numbered(dice, "Supplier") for _ in range(3)], 0.02, 1.5, scale)
    (buyer, nation, bought), (supplier, sold) = customers[0], suppliers[0]
    return Read(
        f"Customers of {segment} in {region} in {year}:\n"
        f"{_table(('customer', 'nation', 'revenue'), customers)}\n"
        f"Suppliers:\n{_table(('supplier', 'revenue'), suppliers)}",
        f"{buyer} from {nation} bought most, for {_said(bought)} million dollars. "
        f"{supplier} delivered most, for {_said(sold)} million.",
    )


_READERS = {"sales": _sales, "deliveries": _deliveries, "trade": _trade}


def _late(dice: random.Random, scale: int) -> tuple[int, float]:
    """Parcels, and what percent of them came late: a true share, any figure, or nearly the same one."""
    parcels = dice.randint(4, 90 * scale)
    match dice.randrange(4):
        case 0:
            return parcels, round(dice.uniform(20, 95), 1)
        case 1:
            percent = round(dice.uniform(20, 95), dice.choice((0, 1)))
            return max(4, int(percent) + dice.choice((-20, -10, -1, 0, 1, 10, 20))), percent
        case _:
            return parcels, round(100.0 * dice.randint(parcels // 4, parcels) / parcels, 1)


def _ranked(
    dice: random.Random, names: list[str], low: float, high: float, scale: int
) -> list[tuple[str, float]]:
    amounts = sorted((_million(dice, low, high, scale) for _ in names), reverse=True)
    return list(zip(names, amounts, strict=True))


def _million(dice: random.Random, low: float, high: float, scale: int) -> float:
    return round(dice.uniform(low, high) * scale, 2)


def _numbered(dice: random.Random, name: str) -> str:
    return f"{name}#{dice.randint(1, 10 ** dice.randint(2, 5)):09d}"


def _table(columns: tuple[str, ...], rows: list[tuple[Json, ...]] | list[tuple[str, float]]) -> str:
    return printed(view({"columns": list(columns), "rows": [list(row) for row in rows]}))


def _said(value: float) -> str:
    """A figure as the table prints it."""
    return _table(("",), [(value,)]).split("\n")[1]
