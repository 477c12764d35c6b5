"""A radix tree of token sequences whose key-value cells are kept: the index of the prefix cache.

Every path from the root spells a cached token sequence; every token of every edge is one cell. Each leaf
owns the id of a model sequence that holds all cells of its path, so the cells of an inner node are held
by every leaf below it. The tree knows tokens and ids only; `engine.kv.prefix_cache` moves the cells.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

Tokens = tuple[int, ...]


def common_prefix(left: Tokens, right: Tokens, start: int = 0) -> int:
    """Length of the longest common prefix, given that the first `start` tokens are known to agree."""
    end = min(len(left), len(right))
    if left[start:end] == right[start:end]:
        return end
    low, high = start, end  # tokens before `low` agree; something before `high` differs
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low


class Node:
    """One edge of the tree and the point where it ends. `depth` counts tokens from the root to that point.

    `users` counts running requests and pins whose prefix ends here or below; a node with users, or with
    children, is never evicted. `sequence` is set on leaves and only there. `hits` counts requests that
    found this much cached; a leaf without hits is *cold*.
    """

    __slots__ = ("children", "depth", "edge", "hits", "parent", "sequence", "used_at", "users")

    def __init__(self, parent: Node | None, edge: Tokens, sequence: int | None) -> None:
        self.parent = parent
        self.edge = edge
        self.depth: int = len(edge) + (parent.depth if parent else 0)
        self.children: dict[int, Node] = {}
        self.sequence = sequence
        self.users = 0
        self.used_at = 0
        self.hits = 0

    def tokens(self) -> Tokens:
        """The whole path from the root to here."""
        edges: list[Tokens] = []
        node: Node | None = self
        while node is not None:
            edges.append(node.edge)
            node = node.parent
        return tuple(token for edge in reversed(edges) for token in edge)


class RadixTree:
    """Cached prefixes. `cells` counts the tokens of all edges, `used_cells` those on paths with users.

    `clock` is the time that ages are counted in; only `advance` moves it.
    """

    def __init__(self) -> None:
        self.root = Node(None, (), None)
        self.cells = 0
        self.used_cells = 0
        self.clock = 0
        self._leaves: OrderedDict[int, Node] = OrderedDict()  # of those as old as another, first used first

    def __len__(self) -> int:
        """Number of leaves."""
        return len(self._leaves)

    def match(self, tokens: Tokens) -> int:
        """Length of the longest cached prefix of `tokens`; changes nothing, recency included."""
        return self._descend(tokens)[1]

    def locate(self, tokens: Tokens) -> Node:
        """The node where the longest cached prefix of `tokens` ends, splitting an edge if it ends inside
        one. Marks the path as just used. The root means that nothing is cached.
        """
        node, matched = self._descend(tokens)
        if matched < node.depth:
            node = self._split(node, matched - (node.depth - len(node.edge)))
        self.touch(node)
        return node

    def advance(self, ticks: int) -> None:
        """Let everything grow older by so much."""
        self.clock += ticks

    def touch(self, node: Node) -> None:
        """Mark the path to `node` as just used."""
        walk: Node | None = node
        while walk is not None:
            walk.used_at = self.clock
            walk = walk.parent
        if node.sequence is not None:
            self._leaves.move_to_end(node.sequence)

    def hit(self, node: Node) -> None:
        """Count a request served by the path to `node`."""
        walk: Node | None = node
        while walk is not None:
            walk.hits += 1
            walk = walk.parent

    def protect(self, node: Node) -> None:
        """Keep the path to `node` from eviction until a matching `unprotect`."""
        walk: Node | None = node
        while walk is not None:
            if not walk.users:
                self.used_cells += len(walk.edge)
            walk.users += 1
            walk = walk.parent

    def unprotect(self, node: Node) -> None:
        """Undo one `protect` of the same node."""
        walk: Node | None = node
        while walk is not None:
            walk.users -= 1
            if not walk.users:
                self.used_cells -= len(walk.edge)
            walk = walk.parent

    def holder(self, node: Node) -> int:
        """A sequence that holds all cells of `node`'s path. Not defined for an empty tree's root."""
        while node.sequence is None:
            node = next(iter(node.children.values()))
        return node.sequence

    def insert(self, at: Node, edge: Tokens, sequence: int) -> Node:
        """Add a leaf below `at`. No child of `at` may begin with the same token.

        Where `at` was a leaf its own sequence is the one to pass: it now holds the longer path.
        """
        if not edge or edge[0] in at.children:
            raise ValueError("the edge of a new leaf must be new below its parent")
        if at.sequence is not None:
            if sequence != at.sequence:
                raise ValueError("a leaf is extended under its own sequence")
            at.sequence = None
        leaf = Node(at, edge, sequence)
        at.children[edge[0]] = leaf
        self._leaves[sequence] = leaf
        self.cells += len(edge)
        self.touch(leaf)
        return leaf

    def evictable(self) -> Iterator[Node]:
        """Leaves without users, least recently used first. A snapshot: evicting makes new leaves."""
        unused = (leaf for leaf in self._leaves.values() if not leaf.users)
        return iter(sorted(unused, key=lambda leaf: leaf.used_at))

    def evict(self, leaf: Node) -> tuple[int, int | None]:
        """Remove a leaf's edge; returns (its sequence, tokens that sequence must still hold or None).

        None means that the sequence is free; a number means that the parent became a leaf and keeps it.
        """
        parent, sequence = leaf.parent, leaf.sequence
        if parent is None or sequence is None or leaf.users:
            raise ValueError("only a leaf without users can be evicted")
        del parent.children[leaf.edge[0]]
        del self._leaves[sequence]
        self.cells -= len(leaf.edge)
        leaf.parent = None
        if parent.children or parent is self.root:
            return sequence, None
        parent.sequence = sequence
        self._leaves[sequence] = parent
        self._leaves.move_to_end(sequence, last=False)
        return sequence, parent.depth

    def leaves(self) -> tuple[Node, ...]:
        """All leaves, most recently used first."""
        oldest_first = sorted(self._leaves.values(), key=lambda leaf: leaf.used_at)
        return tuple(reversed(oldest_first))

    def check_integrity(self) -> None:
        """Raise AssertionError when any invariant of this module is broken (tests call it)."""
        cells = used = 0
        sequences: dict[int, Node] = {}
        for node in self._nodes():
            assert node.users >= sum(child.users for child in node.children.values()), "users of a path"
            used += len(node.edge) if node.users else 0
            for first, child in node.children.items():
                assert child.parent is node, "parent link"
                assert child.edge, "empty edge"
                assert child.edge[0] == first, "child key"
                assert child.depth == node.depth + len(child.edge), "depth"
                assert child.used_at <= node.used_at, "a parent is at least as recent as its children"
            if node is not self.root:
                cells += len(node.edge)
                assert (node.sequence is None) == bool(node.children), "leaves and only leaves own sequences"
            if node.sequence is not None:
                sequences[node.sequence] = node
        assert cells == self.cells, "cell count"
        assert used == self.used_cells, "used cell count"
        assert sequences == self._leaves, "leaf index"

    def _nodes(self) -> Iterator[Node]:
        stack = [self.root]
        while stack:
            node = stack.pop()
            stack.extend(node.children.values())
            yield node

    def _descend(self, tokens: Tokens) -> tuple[Node, int]:
        """The deepest node touched by `tokens` and the tokens matched, which may end inside its edge."""
        node, matched = self.root, 0
        while matched < len(tokens):
            child = node.children.get(tokens[matched])
            if child is None:
                break
            node = child
            edge = child.edge
            rest = tokens[matched : matched + len(edge)]
            if rest != edge:
                return node, matched + common_prefix(rest, edge)
            matched += len(edge)
        return node, matched

    def _split(self, node: Node, length: int) -> Node:
        """Cut `node`'s edge after `length` tokens; returns the new upper node."""
        parent = node.parent
        assert parent is not None
        upper = Node(parent, node.edge[:length], None)
        upper.used_at = node.used_at
        upper.users = node.users
        upper.hits = node.hits
        parent.children[node.edge[0]] = upper
        node.edge = node.edge[length:]
        node.parent = upper
        upper.children[node.edge[0]] = node
        return upper
