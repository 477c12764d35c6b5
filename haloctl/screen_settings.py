"""Settings for commands that open the terminal interface: what `[tui]` asks for is there, or is refused.

It is checked before anything begins: a run must not start, and then have no screen.
"""

from __future__ import annotations

from pathlib import Path

from engine.errors import ConfigError
from haloctl.config import complaint, load_settings
from haloctl.settings import Settings

_OURS = ("dark", "light")


def load_for_screen(explicit: Path | None = None) -> Settings:
    """Settings as `load_settings` finds them.

    Raises ConfigError naming file, line and fix, also for themes, keys and bindings that do not exist.
    """
    loaded = load_settings(explicit)
    tui = loaded.settings.tui
    if tui.theme not in _OURS:
        from haloctl.tui.themes import theme_name  # Textual takes its time to import

        try:
            theme_name(tui.theme)
        except ConfigError as error:
            raise complaint(loaded, ("tui", "theme"), error.message, error.fix or "") from error
    if tui.keys:
        from haloctl.tui.keymap import WrongKey, normalised

        try:
            normalised(tui.keys)
        except WrongKey as error:
            path = ("tui", "keys", error.binding)
            raise complaint(loaded, path, error.message, error.fix or "") from error
    return loaded.settings
