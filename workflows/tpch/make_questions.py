"""Writes questions.csv: `python -m workflows.tpch.make_questions > workflows/tpch/questions.csv`.

The questions share work the way real ones do: a few topics are asked about much more than the rest
(Zipf), in different words, now and then in the very same words, and different topics share a region or a
year.
"""

from __future__ import annotations

import csv
import random
import sys
from itertools import product
from typing import TextIO

SEED = 1992
QUESTIONS = 64
TOPICS = 18
REGIONS = ("AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST")
SEGMENTS = ("AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY")
YEARS = (1993, 1994, 1995, 1996, 1997)
PHRASINGS = (
    "How did the {segment} business in {region} do in {year}?",
    "Who are our largest {segment} customers in {region} for {year}?",
    "Give me a brief on {segment} sales in {region}, {year}.",
    "Were deliveries late in {year}? I mean {segment} customers in {region}.",
    "Was {year} a good year for {segment} sales in {region}?",
    "Which suppliers serve {segment} in {region} in {year}?",
    "Any late deliveries to {segment} customers in {region} in {year}?",
    "Who were the biggest {segment} buyers in {region} in {year}?",
)
HEADER = ("id", "user_query")


def questions() -> list[tuple[str, str]]:
    """Rows as in HEADER; the same ones every time."""
    dice = random.Random(SEED)
    topics = dice.sample(list(product(REGIONS, SEGMENTS, YEARS)), TOPICS)
    weights = [1 / rank for rank in range(1, TOPICS + 1)]
    rows = []
    for number in range(1, QUESTIONS + 1):
        region, segment, year = dice.choices(topics, weights)[0]
        phrasing = PHRASINGS[min(dice.randrange(len(PHRASINGS)), dice.randrange(len(PHRASINGS)))]
        text = phrasing.format(region=region.title(), segment=segment.lower(), year=year)
        rows.append((f"q{number:02}", text))
    return rows


def write(out: TextIO) -> None:
    """The CSV file, header first."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(questions())


if __name__ == "__main__":
    write(sys.stdout)
