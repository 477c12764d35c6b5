"""The user's own keys: `[tui.keys]` of the settings, by the ids of bindings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.errors import ConfigError
from haloctl.suggest import closest

_SPELLED = {"?": "question_mark", "/": "slash", "+": "plus", "-": "minus", "space": "space"}


def normalised(keys: Mapping[str, str]) -> dict[str, str]:
    """Keys as Textual spells them; several for one binding are separated by commas."""
    return {
        name: ",".join(_SPELLED.get(key.strip(), key.strip()) for key in text.split(",") if key.strip())
        for name, text in keys.items()
    }


def check_keys(keys: Mapping[str, str], known: Iterable[str]) -> None:
    """Raises ConfigError for a binding that does not exist, or a key that is none."""
    names = tuple(known)
    for name, text in keys.items():
        if name not in names:
            raise ConfigError(f"[tui.keys] {name}: there is no such binding", fix=closest(name, names))
        if not any(key.strip() for key in text.split(",")):
            raise ConfigError(f"[tui.keys] {name}: no key", fix='name one or more, as in "p" or "ctrl+p,f2"')
