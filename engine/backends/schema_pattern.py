"""Regular expressions of JSON Schema's `pattern` as grammar expressions over the characters of a JSON string.

What is matched is the string's value; what the grammar says is its spelling: a quote or a backslash has a
backslash before it, and no character is spelled in two ways.
"""

from __future__ import annotations

CHARACTER = r'([^"\\\x00-\x1F\x7F] | "\\" ["\\/bfnrt])'
"""One character of a string. No \\u escapes: they can spell lone surrogates, and UTF-8 says it shorter."""

Span = tuple[int, int]
"""Characters from one code to another, both of them included."""

_DIGITS, _LETTERS = (0x30, 0x39), ((0x41, 0x5A), (0x61, 0x7A))
_CLASSES: dict[str, list[Span]] = {
    "d": [_DIGITS],
    "w": [_DIGITS, *_LETTERS, (0x5F, 0x5F)],
    "s": [(0x20, 0x20)],
}
_SPELLED = (0x22, 0x5C)
"""Quote and backslash, which have a backslash before them."""
_CLASS_MARKS = '[]^-\\"'
_FORBIDDEN = r"\"\\\x00-\x1F\x7F"
_SPECIAL = set(".()[]{}|*+?\\^$")


def pattern_expression(pattern: str) -> str:
    """The expression for a pattern from ^ to $, without quotes around it.

    Raises ValueError, with the place, for what it does not know: look-around, back references, other anchors.
    """
    escapes = len(pattern[:-1]) - len(pattern[:-1].rstrip("\\"))
    if not (pattern.startswith("^") and pattern.endswith("$")) or escapes % 2:
        raise ValueError(f"pattern {pattern!r} must begin with ^ and end with $")
    reader = _Reader(pattern, 1, len(pattern) - 1)
    found = reader.alternatives()
    if reader.at != reader.end:
        raise reader.error("there is nothing to close here")
    return found


class _Reader:
    """Reads the pattern from `at` to `end`."""

    def __init__(self, pattern: str, at: int, end: int) -> None:
        self.pattern = pattern
        self.at = at
        self.end = end

    def error(self, reason: str) -> ValueError:
        return ValueError(f"pattern {self.pattern!r} at {self.at}: {reason}")

    def peek(self) -> str:
        return self.pattern[self.at] if self.at < self.end else ""

    def take(self) -> str:
        found = self.peek()
        self.at += 1
        return found

    def alternatives(self) -> str:
        found = [self.sequence()]
        while self.peek() == "|":
            self.take()
            found.append(self.sequence())
        return found[0] if len(found) == 1 else f"({' | '.join(found)})"

    def sequence(self) -> str:
        parts = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.atom() + self.quantifier())
        return " ".join(parts) or '""'

    def atom(self) -> str:
        match character := self.take():
            case ".":
                return CHARACTER
            case "(":
                return self.group()
            case "[":
                return self.characters()
            case "\\":
                return self.escape()
            case _ if character in _SPECIAL:
                raise self.error(f"{character} is not understood here")
            case _:
                return _literal(character)

    def group(self) -> str:
        if self.peek() == "?":
            self.take()
            if self.take() != ":":
                raise self.error("groups with ? other than (?: are not understood")
        found = self.alternatives()
        if self.take() != ")":
            raise self.error("a group is not closed")
        return f"({found})"

    def escape(self) -> str:
        character = self.take()
        known = _CLASSES.get(character.lower())
        if known is not None:
            inside = "".join(map(_span, known))
            return f"[{inside}]" if character in _CLASSES else f"[^{inside}{_FORBIDDEN}]"
        if not character or character.isalnum():
            raise self.error(f"\\{character} is not understood")
        return _literal(character)

    def characters(self) -> str:
        """A class in brackets; a quote and a backslash in it are alternatives with their spelling."""
        negated = self.peek() == "^"
        self.at += negated
        spans: list[Span] = []
        while not spans or self.peek() != "]":
            spans += self.spans()
        self.take()
        if negated:
            return f"[^{''.join(map(_span, spans))}{_FORBIDDEN}]"
        inside = "".join(_span(part) for span in spans for part in _without_spelled(span))
        options = [f"[{inside}]"] if inside else []
        options += [
            _literal(chr(code)) for code in _SPELLED if any(low <= code <= high for low, high in spans)
        ]
        if not options:
            raise self.error("the class holds no character that a string may have")
        return options[0] if len(options) == 1 else f"({' | '.join(options)})"

    def spans(self) -> list[Span]:
        """What the next item of a class stands for: a character, a range, or one of the known classes."""
        if self.peek() == "\\" and self.pattern[self.at + 1 : self.at + 2] in _CLASSES:
            self.at += 2
            return _CLASSES[self.pattern[self.at - 1]]
        low = self.in_class()
        if self.peek() != "-" or self.pattern[self.at + 1 : self.at + 2] == "]":
            return [(low, low)]
        self.take()
        high = self.in_class()
        if high < low:
            raise self.error("a range runs backwards")
        return [(low, high)]

    def in_class(self) -> int:
        character = self.take()
        if character == "\\":
            character = self.take()
            if character.isalnum():
                raise self.error(f"\\{character} in a class is not understood")
        if not character:
            raise self.error("a class is not closed")
        return ord(character)

    def quantifier(self) -> str:
        found = self.peek()
        if found in ("*", "+", "?") and found:
            self.take()
        elif found == "{":
            found = self.counts()
        else:
            return ""
        if self.peek() == "?":  # which of several matches is taken makes no difference to what matches
            self.take()
        return found

    def counts(self) -> str:
        close = self.pattern.find("}", self.at, self.end)
        low, comma, high = self.pattern[self.at + 1 : close].partition(",")
        numbers = (low.strip() or "0", high.strip())
        if close < 0 or not numbers[0].isdigit() or not (numbers[1].isdigit() or not numbers[1]):
            raise self.error("numbers in braces are not understood")
        self.at = close + 1
        return f"{{{numbers[0]}{',' if comma else ''}{numbers[1]}}}"


def _literal(character: str) -> str:
    return f'"\\\\\\{character}"' if ord(character) in _SPELLED else f'"{character}"'


def _span(span: Span) -> str:
    low, high = (_in_class(chr(code)) for code in span)
    return low if span[0] == span[1] else f"{low}-{high}"


def _in_class(character: str) -> str:
    return f"\\x{ord(character):02X}" if character in _CLASS_MARKS or character < " " else character


def _without_spelled(span: Span) -> list[Span]:
    """The parts of a range that stand for themselves in a string: no control characters, none spelled."""
    parts, low = [], max(span[0], 0x20)
    for code in (*_SPELLED, 0x7F):
        if low <= code <= span[1]:
            parts.append((low, code - 1))
            low = code + 1
    return [part for part in (*parts, (low, span[1])) if part[0] <= part[1]]
