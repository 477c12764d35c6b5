"""The one sanitiser: text from models, data, files and databases on its way to a terminal.

Such text may carry escape sequences that write to the clipboard (OSC 52), retitle or recolour the
terminal, or reorder what the eye reads (bidirectional controls). Everything untrusted passes through
here; colours and layout are added afterwards, by `haloctl.render`.
"""

from __future__ import annotations

import re

_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC … BEL or ST: titles, links, clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC … ST
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor, modes
    r"|\x1b[ -/]*[0-~]?"  # two-byte escapes
    r"|\x9d[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC as a single C1 byte
    r"|[\x90\x98\x9e\x9f][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC as C1 bytes
    r"|\x9b[0-?]*[ -/]*[@-~]?"  # CSI as a C1 byte
)
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, embeddings, isolates
    r"\u2028\u2029\ufeff"  # line separators that only some programs honour
    r"\ud800-\udfff]"  # lone surrogates: unencodable
)


def clean(text: str) -> str:
    """`text` without escape sequences and control characters; newlines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return _CONTROLS.sub("", _SEQUENCES.sub("", text))


def clean_line(text: str, width: int | None = None) -> str:
    """`clean` on one line: white space runs become one space; cut to `width` characters with an ellipsis."""
    line = " ".join(clean(text).split())
    if width is not None and len(line) > width:
        return line[: max(0, width - 1)] + "…"
    return line
