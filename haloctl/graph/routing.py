"""Channel routing: the tracks on which edges turn between two layers.

In a channel, sources with the same targets form one *net*: lines in at their positions, a run along a
track, and lines out at the positions of the targets. Tracks are counted from the sources' side. Lines of
different nets never run over each other, except where they arrive at the same target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Net:
    """A run along one track, from each of `starts` to each of `ends` (positions across the layers).

    A net that had to be cut in two has a `first` part, up to a free position, and a second one from there.
    """

    number: int
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    first: bool = False

    @property
    def low(self) -> int:
        """Where the run begins."""
        return min(*self.starts, *self.ends)

    @property
    def high(self) -> int:
        """Where the run ends."""
        return max(*self.starts, *self.ends)


@dataclass(frozen=True, slots=True)
class Channel:
    """How many tracks there are, and the turns of each source's line.

    Turns are (track, position to go to on it); the last one goes to the target, whose position is left out
    as None. A source without turns runs straight.
    """

    width: int
    turns: tuple[tuple[tuple[int, int | None], ...], ...]


def route_channel(starts: Sequence[int], ends: Sequence[Sequence[int]]) -> Channel:
    """Tracks for sources at positions `starts` whose targets are at `ends[source]` (never empty)."""
    members: dict[tuple[int, ...], list[int]] = {}
    for source, some in enumerate(ends):
        members.setdefault(tuple(sorted(some)), []).append(source)
    nets = [
        Net(number, tuple(sorted(starts[source] for source in group)), targets)
        for number, (targets, group) in enumerate(members.items())
    ]
    taken = {*starts, *(end for some in ends for end in some)}
    order = _ordered([net for net in nets if net.low != net.high], taken)
    tracks = _assign(order)
    turns: dict[int, list[tuple[int, int | None]]] = {}
    for net, track in zip(order, tracks, strict=True):
        turns.setdefault(net.number, []).append((track, net.ends[0] if net.first else None))
    by_source = {s: tuple(turns.get(n, ())) for n, group in enumerate(members.values()) for s in group}
    return Channel(max(tracks, default=-1) + 1, tuple(by_source[source] for source in range(len(starts))))


def _ordered(nets: Sequence[Net], taken: set[int]) -> list[Net]:
    """Nets from the sources' side on, with few crossings; of nets that must each come first, one is cut."""
    remaining, order = list(nets), []
    while remaining:
        ready = [net for net in remaining if not any(_must_precede(other, net) for other in remaining)]
        if ready:
            best = min(ready, key=lambda net: _price(net, remaining))
            remaining.remove(best)
            order.append(best)
        else:
            cut = _in_cycle(remaining)
            free = _free_position(cut, taken)
            taken.add(free)
            remaining.remove(cut)
            remaining.append(Net(cut.number, cut.starts, (free,), first=True))
            remaining.append(Net(cut.number, (free,), cut.ends))
    return order


def _must_precede(one: Net, other: Net) -> bool:
    """Whether `other` arrives where `one` leaves: `one` must have turned off before.

    The parts of a cut net need no word of their own: what led from the one to the other still does.
    """
    return one.number != other.number and any(start in other.ends for start in one.starts)


def _in_cycle(nets: Sequence[Net]) -> Net:
    """A net of a cycle, the shortest: going from each to one that must precede it ends in one."""
    seen: list[Net] = []
    net = nets[0]
    while net not in seen:
        seen.append(net)
        net = next(other for other in nets if _must_precede(other, net))
    return min(seen[seen.index(net) :], key=lambda n: (n.high - n.low, n.number))


def _free_position(net: Net, taken: set[int]) -> int:
    """The nearest position that no line of the channel uses; beyond the last, if need be."""
    middle = (net.low + net.high) // 2
    candidates = (c for c in range(max(taken) + 2) if c not in taken)
    return min(candidates, key=lambda c: (max(net.low - c, c - net.high, 0), abs(c - middle), c))


def _price(net: Net, others: Sequence[Net]) -> int:
    """Crossings if `net` turns before all others, less those if it turns after them."""
    return sum(_crossings(net, other) - _crossings(other, net) for other in others if other is not net)


def _crossings(near: Net, far: Net) -> int:
    passed = sum(far.low < end < far.high for end in near.ends)
    return passed + sum(near.low < start < near.high for start in far.starts)


def _assign(order: Sequence[Net]) -> list[int]:
    """The smallest track behind all earlier nets that overlap."""
    tracks: list[int] = []
    for index, net in enumerate(order):
        behind = (
            tracks[i] + 1 for i, o in enumerate(order[:index]) if o.low <= net.high and net.low <= o.high
        )
        tracks.append(max(behind, default=0))
    return tracks
