"""Pages: shared by whoever holds the tokens, copied before a second sequence writes on, never lost."""

from __future__ import annotations

import random

from engine.backends.paged.pages import PAGE_TOKENS, PageTable, Write, pages_for


def write(table: PageTable, sequence: int, start: int, tokens: int) -> list[tuple[int, int]]:
    return table.open(Write(sequence, start, tokens))


def test_pages_hold_whole_stretches_of_tokens() -> None:
    assert [pages_for(tokens) for tokens in (0, 1, PAGE_TOKENS, PAGE_TOKENS + 1)] == [0, 1, 1, 2]
    table = PageTable(5, 2)
    assert table.missing([Write(0, 0, 300), Write(1, 0, 10)]) == 3
    assert write(table, 0, 0, 300) == []
    assert table.missing([Write(0, 300, 200)]) == 0
    assert table.missing([Write(0, 300, 213)]) == 1
    assert table.free_pages == 2


def test_a_shared_part_of_a_page_is_copied_by_the_second_writer_only() -> None:
    table = PageTable(8, 3)
    write(table, 0, 0, 300)
    table.copy(0, 1, 0, 300)
    assert table.pages(1) == table.pages(0)
    assert write(table, 0, 300, 1) == []  # its own page: the other holds what lies before
    (copied,) = write(table, 1, 300, 1)
    assert copied == (table.pages(0)[1], table.pages(1)[1])
    assert table.pages(1)[0] == table.pages(0)[0]


def test_the_last_holder_writes_on_without_a_copy() -> None:
    table = PageTable(8, 3)
    write(table, 0, 0, 300)
    table.copy(0, 1, 0, 300)
    table.remove(0, 0)
    assert write(table, 1, 300, 5) == []
    assert table.tokens(1) == 305
    table.remove(1, 0)
    assert table.free_pages == 7


def test_a_freed_writer_leaves_no_claim_to_its_number() -> None:
    """A sequence id is used again: the new sequence must not write into what the old one left to others."""
    table = PageTable(8, 3)
    write(table, 0, 0, 300)
    table.copy(0, 1, 0, 300)
    table.copy(0, 2, 0, 300)
    table.remove(0, 0)
    table.copy(1, 0, 0, 300)
    assert len(write(table, 0, 300, 1)) == 1


def test_random_use_never_lets_a_write_reach_what_another_holds() -> None:
    """Against a dictionary of what every sequence should hold, cell by cell."""
    draw = random.Random(4)
    table, sequences = PageTable(40, 6), 6
    held: list[list[int]] = [[] for _ in range(sequences)]
    cells: dict[tuple[int, int], int] = {}
    for value in range(3000):
        sequence, other = draw.sample(range(sequences), 2)
        match draw.randrange(4):
            case 0 if held[other]:
                end = draw.randint(1, len(held[other]))
                table.remove(sequence, 0)
                table.copy(other, sequence, 0, end)
                held[sequence] = held[other][:end]
            case 1:
                keep = draw.randint(0, len(held[sequence]))
                table.remove(sequence, keep)
                held[sequence] = held[sequence][:keep]
            case _:
                wanted = Write(sequence, len(held[sequence]), draw.randint(1, 200))
                if wanted.start + wanted.tokens > 1200 or table.missing([wanted]) > table.free_pages:
                    continue
                for source, target in table.open(wanted):
                    for offset in range(PAGE_TOKENS):
                        cells[target, offset] = cells.get((source, offset), -1)
                for at in range(wanted.start, wanted.start + wanted.tokens):
                    cells[table.pages(sequence)[at // PAGE_TOKENS], at % PAGE_TOKENS] = value
                held[sequence] += [value] * wanted.tokens
        for number in range(sequences):
            pages = table.pages(number)
            assert len(pages) == pages_for(len(held[number]))
            # The first and last cell of every page tell as much as all of them, hundreds of times faster.
            for at in {*range(0, len(held[number]), PAGE_TOKENS), len(held[number]) - 1} - {-1}:
                assert cells[pages[at // PAGE_TOKENS], at % PAGE_TOKENS] == held[number][at]
    for number in range(sequences):
        table.remove(number, 0)
    assert table.free_pages == 39
