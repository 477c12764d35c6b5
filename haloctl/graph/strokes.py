"""Box-drawing characters from the arms of a cell: which of its four sides lines lead to, thin or heavy."""

from __future__ import annotations

UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8
"""Arms of a cell, as bits."""

# One row per set of thin-or-heavy arms would be 80 entries; Unicode names them regularly, and the
# characters of this table stand in the order of (up, right, down, left), each 0 none, 1 thin, 2 heavy.
_TABLE = " ╴╸╷┐┑╻┒┓╶─╾┌┬┭┎┰┱╺╼━┍┮┯┏┲┳╵┘┙│┤┥╽┧┪└┴┵├┼┽┟╁╅┕┶┷┝┾┿┢╆╈╹┚┛╿┦┩┃┨┫┖┸┹┞╀╃┠╂╉┗┺┻┡╄╇┣╊╋"


def stroke(thin: int, heavy: int = 0) -> str:
    """The character with arms `thin`, those also in `heavy` drawn heavy. Both are sums of arms."""
    index = 0
    for arm in (UP, RIGHT, DOWN, LEFT):
        index = index * 3 + (2 if heavy & arm else 1 if thin & arm else 0)
    return _TABLE[index]


def transposed(arms: int) -> int:
    """The same arms with the axes exchanged: left for up, right for down."""
    swap = {UP: LEFT, LEFT: UP, RIGHT: DOWN, DOWN: RIGHT}
    return sum(swap[arm] for arm in swap if arms & arm)
