"""Writes questions.csv: `python -m workflows.tpch.make_questions > workflows/tpch/questions.csv`.

The questions share work the way real ones do: a few topics are asked about much more than the rest
(Zipf), in different words, now and then in the very same words, and different topics share a region or a
year. One in four leaves the columns empty, so that only the model can tell what it is about.
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
    "Is revenue from {segment} in {region} growing? Look at {year}.",
    "Which nation led {region} in {year}, and what about {segment} there?",
    "Were deliveries late in {year}? I mean {segment} customers in {region}.",
)
HEADER = ("id", "user_query", "region", "segment", "year")


def questions() -> list[tuple[str, str, str, str, str]]:
    """Rows as in HEADER; the same ones every time."""
    dice = random.Random(SEED)
    topics = dice.sample(list(product(REGIONS, SEGMENTS, YEARS)), TOPICS)
    weights = [1 / rank for rank in range(1, TOPICS + 1)]
    rows = []
    for number in range(1, QUESTIONS + 1):
        region, segment, year = dice.choices(topics, weights)[0]
        phrasing = PHRASINGS[min(dice.randrange(len(PHRASINGS)), dice.randrange(len(PHRASINGS)))]
        text = phrasing.format(region=region.title(), segment=segment.lower(), year=year)
        told = number % 4 != 0
        rows.append(
            (
                f"q{number:02}",
                text,
                region if told else "",
                segment if told else "",
                str(year) if told else "",
            )
        )
    return rows


def write(out: TextIO) -> None:
    """The CSV file, header first."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(questions())


if __name__ == "__main__":
    write(sys.stdout)
